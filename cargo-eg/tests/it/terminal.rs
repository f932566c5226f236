//! Tests output for terminals only: colours, and a progress sign when work takes longer than a second. `script` from
//! util-linux acts as the terminal.
#![cfg(target_os = "linux")]
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::app::{App, Main, Running, record};
use rustix::process::Signal;

/// Runs `cargo eg …` in a terminal and copies its output to a file.
fn terminal(app: &App, arguments: &str, copy: &Path) -> Command {
    let typed = format!("exec {} eg {arguments}", env!("CARGO_BIN_EXE_cargo-eg"));
    let mut command = Command::new("script");
    command
        .args(["--quiet", "--return", "--flush", "--command", &typed])
        .arg(copy)
        .current_dir(app.path())
        .env("CARGO_TARGET_DIR", app.path().join("target"))
        .env("CARGO_NET_OFFLINE", "true")
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
    command
}

#[test]
fn a_terminal_gets_colours_unless_it_wants_none() {
    let app = App::new();
    app.service("users", &[record("users", "create", "GET /users")], &Main::Serves);
    let shown = |command: &mut Command| String::from_utf8(command.output().unwrap().stdout).unwrap();
    let nowhere = Path::new("/dev/null");
    // A table on standard output, and an error on standard error.
    for arguments in ["manifest users", "manifest nobody"] {
        let coloured = shown(&mut terminal(&app, arguments, nowhere));
        assert!(coloured.contains("\u{1b}[1m"), "{coloured:?}");
        let mut plain = terminal(&app, arguments, nowhere);
        let plain = shown(plain.env("NO_COLOR", "1").env("CARGO_TERM_QUIET", "true"));
        assert!(!plain.contains('\u{1b}') && plain.contains("users"), "{plain:?}");
    }
}

#[tokio::test]
async fn a_terminal_sees_that_the_start_takes_long() {
    let app = App::new();
    app.service("slow", &[record("slow", "list", "GET /list")], &Main::Slow { start: 4, event: 0 });
    let screen = app.path().join("screen.log");
    std::fs::write(&screen, "").unwrap();
    let mut command = terminal(&app, "run --port 0 --config-port 0 --lambda-port 0", &screen);
    let child = command.env("NO_COLOR", "1").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut run = Running::of(child, screen);
    drop(run.ready().await);
    let shown = run.stderr();
    assert!(shown.contains("starting the functions"), "{shown:?}");
    run.signal(Signal::TERM);
    run.wait();

    let mut run = app.run();
    drop(run.ready().await);
    assert!(!run.stderr().contains("starting the functions"), "{}", run.stderr());
}
