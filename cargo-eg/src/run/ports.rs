//! The ports of a local application, and what to say about those that another program uses.

use std::io;
use std::net::Ipv4Addr;

use crate::exit::{Exit, Failure};

/// Ports on the loopback interface; 0 for any free port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) events: u16,
    pub(crate) config: u16,
    pub(crate) lambda: u16,
}

impl Ports {
    /// Checks that nobody listens on the ports, so that the build does not have to finish first.
    pub(crate) fn check(self) -> Result<(), Failure> {
        let all = [
            (self.events, "Events API", "--port"),
            (self.config, "Config API", "--config-port"),
            (self.lambda, "local Lambda", "--lambda-port"),
        ];
        let is_taken = |port| {
            let listening = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port));
            listening.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
        };
        let taken: Vec<_> = all.into_iter().filter(|(port, ..)| is_taken(*port)).collect();
        if taken.is_empty() { Ok(()) } else { Err(in_use(&taken)) }
    }
}

/// Returns the failure for ports on which another program listens: each with what would listen there, and the option
/// that chooses another one.
pub(super) fn in_use(taken: &[(u16, &str, &str)]) -> Failure {
    let each = |(port, what, _): &(u16, &str, &str)| {
        format!("port {port} is already in use, so the {what} cannot listen there")
    };
    let message = taken.iter().map(each).collect::<Vec<_>>().join("\n       ");
    let options: Vec<&str> = taken.iter().map(|(.., option)| *option).collect();
    let ports = if taken.len() == 1 { "another port" } else { "other ports" };
    Failure::new(Exit::PortInUse, message)
        .hint(format!("is another `cargo eg run` running? Choose {ports} with {}", options.join(", ")))
}
