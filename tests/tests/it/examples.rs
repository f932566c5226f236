//! Checks that every example does what the comment at its top promises: runs the commands with other ports, and
//! compares their output.
//!
//! In a comment's `text` blocks, `$ ` begins a command, which indented lines continue; its output follows. A block
//! without commands is the output of `cargo eg run` in the meantime. `…` stands for any text or, alone on a line, for
//! any number of lines.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use eg_tests::app::{App, cargo_eg};
use eg_tests::eventually;
use eg_tests::program::{Program, built, cargo};
use tokio::process::Command;

/// The examples in the order in which they run: `emit-from-an-app` adds to the log of `hello-event`.
const EXAMPLES: [&str; 12] = [
    "hello-http",
    "hello-event",
    "typed-events",
    "retry-and-reject",
    "sync-event",
    "schedule",
    "queue-batch",
    "shared-state",
    "middleware",
    "testing",
    "emit-from-an-app",
    "function-url",
];

/// A promise in a comment.
#[derive(Debug, PartialEq)]
enum Promise {
    /// A command prints this.
    Output { command: String, output: String },
    /// `cargo eg run` prints such a line.
    Activity(String),
}

/// Returns the promises of a source file, in order.
fn promises(source: &str) -> Vec<Promise> {
    let comment: Vec<&str> = source.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let blocks = comment.split(|line| line.trim() == "```text").skip(1);
    blocks
        .flat_map(|block| block_promises(block.split(|line| line.trim() == "```").next().unwrap()))
        .collect()
}

fn block_promises(block: &[&str]) -> Vec<Promise> {
    let mut promises = Vec::new();
    for line in block {
        let line = line.strip_prefix(' ').unwrap_or(line);
        match (line.strip_prefix("$ "), promises.last_mut()) {
            (Some(command), _) => {
                promises.push(Promise::Output { command: command.to_owned(), output: String::new() });
            }
            (None, Some(Promise::Output { command, output })) => {
                let text = if line.starts_with("    ") { command } else { output };
                text.push('\n');
                text.push_str(line);
            }
            (None, _) => promises.push(Promise::Activity(line.to_owned())),
        }
    }
    promises
}

/// Returns whether `text` matches `pattern`.
fn fulfils(text: &str, pattern: &str) -> bool {
    let pattern = pattern.trim().replace("\n…\n", "…\n");
    let mut pieces = pattern.split('…');
    let Some(mut rest) = text.trim().strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, between)) = pieces.split_last() else { return rest.is_empty() };
    for piece in between {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// The environment in which the commands of all examples run.
struct Stage {
    app: App,
    state: PathBuf,
}

impl Stage {
    /// Checks the promises of one example.
    async fn perform(&self, example: &str) {
        let mut server = None;
        for promise in promises(&source(example)) {
            match promise {
                Promise::Activity(line) => {
                    self.app.program.line(&line, |printed| fulfils(printed, &line).then_some(())).await;
                }
                Promise::Output { command, output } => {
                    if command.starts_with("cargo eg run ") {
                        // It is already running, with all the others.
                    } else if let Some(package) = command.strip_prefix("cargo run -p ") {
                        server = Some(self.serve(package).await);
                    } else {
                        let server = server.as_ref().map(|(_, address)| address.as_str());
                        self.check(example, &command, &output, server).await;
                    }
                }
            }
        }
    }

    /// Starts an example that is a server. Returns it with its address.
    async fn serve(&self, package: &str) -> (Program, String) {
        let mut command = Command::new(built(package));
        command.env("PORT", "0").env("EVENT_GATEWAY_URL", &self.app.events);
        command.env_remove("AWS_LAMBDA_RUNTIME_API");
        let program = Program::start(package, command);
        let address = |line: &str| Some(line.split_once("http://")?.1.to_owned());
        let address = program.line("its address", address).await;
        (program, address)
    }

    async fn check(&self, example: &str, command: &str, expected: &str, server: Option<&str>) {
        let run = async || {
            let output = self.shell(command, server).output().await.unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            println!("[{example}] $ {command}\n{text}");
            assert!(output.status.success(), "{example}: {command}: {error}");
            text
        };
        if command.starts_with("cargo eg logs ") {
            // The effects of an event may come after the answer to its emitter.
            let what = format!("{example}: {command} to print {expected}");
            eventually(&what, async || fulfils(&run().await, expected).then_some(())).await;
        } else {
            let printed = run().await;
            assert!(fulfils(&printed, expected), "{example}: {command} printed\n{printed}\nnot{expected}");
        }
    }

    /// Returns the command with this run's addresses instead of the usual ones.
    fn shell(&self, command: &str, server: Option<&str>) -> Command {
        let address = |url: &str| url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let mut line = command
            .replace("localhost:4000", &address(&self.app.events))
            .replace("localhost:4001", &address(&self.app.config))
            .replace("localhost:9001", &address(&self.app.lambda))
            .replace("localhost:3000", server.unwrap_or("no-server-was-started"));
        if let Some(rest) = line.strip_prefix("cargo eg ") {
            let program = cargo_eg().as_std().get_program().to_str().unwrap().to_owned();
            line = format!("'{program}' eg {rest}");
        }
        if line.contains(" eg logs ") {
            line.push_str(&format!(" --state-dir '{}'", self.state.display()));
        }
        if let Some(package) = command.strip_prefix("cargo test -p ") {
            // With the features of this test, so that nothing is compiled twice.
            line = format!("'{}' test --workspace --all-features --bin {package}", cargo().display());
        }
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).current_dir(workspace()).kill_on_drop(true);
        shell.env("EVENT_GATEWAY_URL", &self.app.events).env("no_proxy", "*");
        shell
    }
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn source(example: &str) -> String {
    let path = workspace().join("examples").join(example).join("src/main.rs");
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()))
}

#[tokio::test(flavor = "multi_thread")]
async fn examples_do_what_their_comments_promise() {
    let sources = EXAMPLES.map(source);
    let services: BTreeSet<String> = sources
        .iter()
        .flat_map(|source| promises(source))
        .filter_map(|promise| match promise {
            Promise::Output { command, .. } => Some(command.strip_prefix("cargo eg run ")?.to_owned()),
            Promise::Activity(_) => None,
        })
        .collect();
    let state = tempfile::tempdir().unwrap();
    let services: Vec<&str> = services.iter().map(String::as_str).collect();
    let stage = Stage { app: App::start(state.path(), &services).await, state: state.path().to_owned() };
    for example in EXAMPLES {
        stage.perform(example).await;
    }
    assert_eq!(stage.app.program.interrupt().await, 0);
}

#[test]
fn every_folder_is_a_known_example_of_at_most_sixty_lines_with_promises() {
    let folders = std::fs::read_dir(workspace().join("examples")).unwrap();
    let folders = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap());
    assert_eq!(folders.collect::<BTreeSet<_>>(), EXAMPLES.map(str::to_owned).into());
    for example in EXAMPLES {
        let source = source(example);
        assert!(source.lines().count() <= 60, "{example} is too long");
        let promised = promises(&source);
        let prints = |p: &Promise| !matches!(p, Promise::Output { output, .. } if output.is_empty());
        assert!(promised.iter().any(prints), "{example} promises nothing: {promised:#?}");
    }
}

#[test]
fn comments_are_read_as_people_read_them() {
    let output = |command: &str, output: &str| Promise::Output {
        command: command.to_owned(),
        output: output.to_owned(),
    };
    let source = "//! Words.\n//!\n//! ```text\n//! $ one \\\n//!     -x\n//! a\n//! b\n//! $ two\n//! ```\n//! More.\n\
        //! ```text\n//! c …\n//! ```\n\n//! ```text\n//! $ no\n//! ```\n";
    let expected =
        [output("one \\\n    -x", "\na\nb"), output("two", ""), Promise::Activity("c …".to_owned())];
    assert_eq!(promises(source), expected);

    let check = |text: &str, pattern: &str, expected: bool| {
        assert_eq!(fulfils(text, pattern), expected, "{text}: {pattern}");
    };
    check("a\nb\n", "a\nb", true);
    check("a\nb", "a", false);
    check("START 1\nHello\nEND 1\n", "START …\nHello\nEND …", true);
    check("START 1\nHello!\nEND 1\n", "START …\nHello\nEND …", false);
    check("x a y b z", "…a…b…", true);
    check("x b y a z", "…a…b…", false);
    check("aba", "ab…ba", false);
    check("a\nb", "…\na\n…\nb\n…", false);
    check("0\na\nb\n1", "…\na\n…\nb\n…", true);
    check("0\na\n1\nb\n2", "…\na\n…\nb\n…", true);
}
