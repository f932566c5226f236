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
    let cli::Gateway { url, config_url, .. } = &arguments.gateway;
    let is_given = |url: &Option<String>| url.as_deref().is_some_and(|url| !url.is_empty());
    if is_given(config_url) && !is_given(url) {
        let message = "--config-url alone would show one gateway and send events to another";
        return Err(
            Failure::new(Exit::Usage, message).hint("name the Events API of the same gateway with --url")
        );
    }
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
    let pages_at = format!("http://localhost:{port}{ROOT}");
    let address = match &ticket {
        Some(ticket) => format!("http://localhost:{port}{}", ticket.path()),
        None => pages_at.clone(),
    };
    let is_locked = ticket.is_some();
    let pages = eg_dashboard::router(Options {
        gateway: client(settings)?,
        events_url,
        names: OwnNames::new(Ipv4Addr::LOCALHOST.into()),
        any_host: false,
        secure: false,
        ticket,
    });
    print(&format!("{address}\n"))?;
    match (arguments.open, is_locked) {
        (false, _) => eprintln!("open this address in a browser; Ctrl-C stops"),
        (true, false) => open(&pages_at),
        (true, true) => {
            // Other users of this machine can see the arguments of programs, so the ticket must not be one.
            eprintln!(
                "the browser opens the form for the access key; the printed address logs in without it"
            );
            open(&pages_at);
        }
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
