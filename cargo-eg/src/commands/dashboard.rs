//! `cargo eg dashboard`: serves the pages of a gateway on this machine. The pages are those of `eg-dashboard`.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use eg_dashboard::{Options, ROOT, Ticket};
use eg_grammar::OwnNames;
use tokio::net::TcpListener;

use super::history::client;
use super::print;
use crate::cli;
use crate::console::signals::Signals;
use crate::exit::{Exit, Failure};

pub(crate) async fn run(arguments: cli::Dashboard) -> Result<(), Failure> {
    let mut settings = arguments.gateway.settings();
    let events_url = settings.url.clone();
    // The visitors show it, not this program: other users of this machine can open the pages, too.
    let ticket = settings.access_key.take().map(Ticket::new);
    let mut signals = Signals::listen()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await.map_err(|error| {
        let exit = if error.kind() == std::io::ErrorKind::AddrInUse { Exit::PortInUse } else { Exit::Failed };
        Failure::because(exit, format!("cannot listen on port {}", arguments.port), error)
            .hint("--port chooses another; 0 chooses a free one")
    })?;
    let port = listener.local_addr().map_or(arguments.port, |address| address.port());
    let path = ticket.as_ref().map_or_else(|| ROOT.to_owned(), Ticket::path);
    let address = format!("http://localhost:{port}{path}");
    let pages = eg_dashboard::router(Options {
        gateway: client(settings)?,
        events_url,
        names: OwnNames::new(Ipv4Addr::LOCALHOST.into()),
        any_host: false,
        secure: false,
        ticket,
    });
    print(&format!("{address}\n"))?;
    if arguments.open {
        open(&address);
    } else {
        eprintln!("open this address in a browser; Ctrl-C stops");
    }
    tokio::select! {
        served = axum::serve(listener, pages) => {
            served.map_err(|error| Failure::because(Exit::Failed, "cannot serve the pages".to_owned(), error))
        }
        () = signals.next() => Ok(()),
    }
}

/// Opens the address in the browser of the desktop.
fn open(address: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(program);
    command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if command.spawn().is_err() {
        eprintln!("`{program}` is not installed: open the address yourself");
    }
}
