//! Asks whether to go on, at a terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use tokio::sync::oneshot;

use crate::console::signals::Signals;
use crate::exit::{Exit, Failure};

/// Whether there is somebody to ask.
pub(crate) fn is_possible() -> bool {
    io::stdin().is_terminal()
}

/// Returns the failure of a command that must ask and cannot.
pub(crate) fn impossible(what: &str) -> Failure {
    Failure::new(Exit::Usage, format!("{what} must be confirmed, and standard input is no terminal"))
        .hint("pass --yes to go on without a question")
}

/// Asks a question and waits for the answer. Everything but `y` and `yes` means no, and so does Ctrl-C.
pub(crate) async fn confirm(question: &str, signals: &mut Signals) -> bool {
    eprint!("{question} [y/N] ");
    let _ = io::stderr().flush();
    let (sender, answer) = oneshot::channel();
    // A thread of its own: the program can end while it waits.
    std::thread::spawn(move || {
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        let _ = sender.send(read.map(|_| answer));
    });
    tokio::select! {
        answer = answer => {
            matches!(answer, Ok(Ok(answer)) if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
        }
        () = signals.next() => {
            eprintln!();
            false
        }
    }
}
