//! A server that speaks the APIs of AWS: moto, in the Python environment of the tests.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::python;

/// Without threads, a connection that stays open would keep all others out.
const SERIAL: &str = r#"
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, run_simple
WSGIRequestHandler.protocol_version = "HTTP/1.0"
run_simple("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
"#;

/// A running moto. Killed when the test ends in any way.
#[derive(Debug)]
pub struct Moto {
    child: Child,
    /// Where all its services are.
    pub url: String,
}

impl Moto {
    /// Starts moto on a free port. `None`, after saying so, when this machine has no Python.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let mut command = Command::new(python::environment()?.join("bin/moto_server"));
        command.args(["-H", "127.0.0.1", "-p", "0"]);
        Some(Self::run(command))
    }

    /// The same, answering one request after the other. So two transactions that meet exclude each other, as DynamoDB's
    /// do; otherwise moto checks the conditions of both and then writes both.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_serial() -> Option<Self> {
        let mut command = Command::new(python::environment()?.join("bin/python"));
        command.args(["-c", SERIAL]);
        Some(Self::run(command))
    }

    fn run(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("moto can be started");
        let mut log = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        let url = loop {
            line.clear();
            assert_ne!(log.read_line(&mut line).expect("a log"), 0, "moto ended before it was ready");
            if let Some(at) = line.find("http://127.0.0.1:") {
                break line[at..].split_whitespace().next().expect("a URL").to_owned();
            }
        };
        // The rest is read so that moto never waits for room in the pipe.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, url }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
