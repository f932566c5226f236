//! Promises in documents: commands, and what they print. Runs the commands with other ports and compares their output.
//!
//! In a block, `$ ` begins a command, which indented lines continue; its output follows. `…` in an output stands for any
//! text or, alone on a line, for any number of lines. A block without commands is the output of `cargo eg run` in the
//! meantime. Later commands may use parts of the last answers that had them: `$ORDER` is an `orderId`, `$ID` an `id`,
//! `$SESSION` a `session`.

use std::path::Path;

use eg_tests::app::{App, cargo_eg};
use eg_tests::eventually;
use eg_tests::program::{Program, built, cargo};
use tempfile::TempDir;
use tokio::process::Command;

/// The members of answers that later commands may use, with the names of their variables.
const PARTS: [(&str, &str); 3] = [("orderId", "ORDER"), ("id", "ID"), ("session", "SESSION")];

/// A promise in a document.
#[derive(Debug, PartialEq)]
pub(crate) enum Promise {
    /// A command prints this.
    Output { command: String, output: String },
    /// `cargo eg run` prints such a line.
    Activity(String),
}

impl Promise {
    /// A command that may print anything.
    pub(crate) fn of(command: String) -> Self {
        Self::Output { command, output: "…".to_owned() }
    }
}

/// Returns the promises in the `text` blocks of a source file's comment, in order.
pub(crate) fn of_comment(source: &str) -> Vec<Promise> {
    let comment = source.lines().map_while(|line| line.strip_prefix("//!"));
    let comment = comment.map(|line| line.strip_prefix(' ').unwrap_or(line));
    in_blocks("```text", &comment.collect::<Vec<_>>())
}

/// Returns the commands in the `sh` blocks of a Markdown text, in order. They may print anything.
pub(crate) fn commands_of(text: &str) -> Vec<Promise> {
    let mut commands: Vec<String> = Vec::new();
    for block in text.split("```sh\n").skip(1) {
        for line in block.lines().take_while(|line| *line != "```") {
            match commands.last_mut().filter(|last| last.ends_with('\\')) {
                Some(last) => *last += &format!("\n{line}"),
                None => commands.push(line.to_owned()),
            }
        }
    }
    commands.into_iter().map(Promise::of).collect()
}

/// Returns the promises in the `console` blocks of a Markdown document, in order.
pub(crate) fn of_document(text: &str) -> Vec<Promise> {
    in_blocks("```console", &text.lines().collect::<Vec<_>>())
}

fn in_blocks(fence: &str, lines: &[&str]) -> Vec<Promise> {
    let blocks = lines.split(|line| line.trim() == fence).skip(1);
    blocks
        .flat_map(|block| block_promises(block.split(|line| line.trim() == "```").next().unwrap()))
        .collect()
}

fn block_promises(block: &[&str]) -> Vec<Promise> {
    let mut promises = Vec::new();
    for line in block {
        match (line.strip_prefix("$ "), promises.last_mut()) {
            (Some(command), _) => {
                promises.push(Promise::Output { command: command.to_owned(), output: String::new() });
            }
            (None, Some(Promise::Output { command, output })) => {
                let more = output.is_empty() && command.ends_with('\\');
                let text = if more { command } else { output };
                text.push('\n');
                text.push_str(line);
            }
            (None, _) => promises.push(Promise::Activity((*line).to_owned())),
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

/// The environment in which the commands of a document run.
pub(crate) struct Stage {
    /// Absent while it starts again.
    app: Option<App>,
    state: TempDir,
    /// The variables of the services.
    variables: Vec<(String, String)>,
    /// The variables of the commands: parts of earlier answers.
    parts: Vec<(&'static str, String)>,
}

impl Stage {
    /// Runs these services with these variables.
    pub(crate) async fn open(services: &[&str], variables: &[(&str, &str)]) -> Self {
        let state = tempfile::tempdir().unwrap();
        let app = App::start_with(state.path(), services, variables).await;
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let app = Some(app);
        Self { app, state, variables: variables.iter().map(owned).collect(), parts: Vec::new() }
    }

    pub(crate) async fn close(mut self) {
        assert_eq!(self.app.take().unwrap().program.interrupt().await, 0);
    }

    fn app(&self) -> &App {
        self.app.as_ref().unwrap()
    }

    /// Checks the promises of one document.
    pub(crate) async fn perform(&mut self, document: &str, promises: Vec<Promise>) {
        let mut server = None;
        for promise in promises {
            match promise {
                Promise::Activity(line) => {
                    self.app().program.line(&line, |printed| fulfils(printed, &line).then_some(())).await;
                }
                Promise::Output { command, output } => {
                    if command.starts_with("cargo eg run ") {
                        // It is already running.
                    } else if let Some((variable, services)) = command.split_once(" cargo eg run ") {
                        self.restart(variable, services).await;
                    } else if let Some(package) = command.strip_prefix("cargo run -p ") {
                        server = Some(self.serve(package).await);
                    } else {
                        let server = server.as_ref().map(|(_, address)| address.as_str());
                        let printed = self.check(document, &command, &output, server).await;
                        self.remember(&printed);
                    }
                }
            }
        }
    }

    /// Runs the services again, with one more variable.
    async fn restart(&mut self, variable: &str, services: &str) {
        let (name, value) = variable.split_once('=').unwrap();
        self.variables.push((name.to_owned(), value.to_owned()));
        let variables: Vec<_> = self.variables.iter().map(|(name, value)| (&**name, &**value)).collect();
        if let Some(app) = self.app.take() {
            assert_eq!(app.program.interrupt().await, 0);
        }
        self.app = Some(App::start_with(self.state.path(), &[services], &variables).await);
    }

    fn remember(&mut self, printed: &str) {
        for (member, variable) in PARTS {
            let Some((_, rest)) = printed.split_once(&format!("\"{member}\":\"")) else { continue };
            let value = rest.split('"').next().unwrap_or_default().to_owned();
            self.parts.retain(|(known, _)| *known != variable);
            self.parts.push((variable, value));
        }
    }

    /// Starts an example that is a server. Returns it with its address.
    async fn serve(&self, package: &str) -> (Program, String) {
        let mut command = Command::new(built(package));
        command.env("PORT", "0").env("EVENT_GATEWAY_URL", &self.app().events);
        command.env_remove("AWS_LAMBDA_RUNTIME_API");
        let program = Program::start(package, command);
        let address = |line: &str| Some(line.split_once("http://")?.1.to_owned());
        let address = program.line("its address", address).await;
        (program, address)
    }

    /// Runs a command and returns what it prints, which must be what is expected.
    async fn check(&self, document: &str, command: &str, expected: &str, server: Option<&str>) -> String {
        let run = async || self.output(document, command, server).await;
        // The effects of an event may come after the answer to its emitter, so what only reads is repeated.
        if is_reading(command) {
            let what = format!("{document}: {command} to print {expected}");
            eventually(&what, async || Some(run().await).filter(|printed| fulfils(printed, expected))).await
        } else {
            let printed = run().await;
            assert!(fulfils(&printed, expected), "{document}: {command} printed\n{printed}\nnot{expected}");
            printed
        }
    }

    /// Runs a command, which must succeed, and returns what it prints.
    pub(crate) async fn output(&self, document: &str, command: &str, server: Option<&str>) -> String {
        let output = self.shell(command, server).output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        println!("[{document}] $ {command}\n{text}");
        assert!(output.status.success(), "{document}: {command}: {error}");
        text
    }

    /// Returns the command with this run's addresses instead of the usual ones.
    fn shell(&self, command: &str, server: Option<&str>) -> Command {
        let address = |url: &str| url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let mut line = command
            .replace("localhost:4000", &address(&self.app().events))
            .replace("localhost:4001", &address(&self.app().config))
            .replace("localhost:9001", &address(&self.app().lambda))
            .replace("localhost:3000", server.unwrap_or("no-server-was-started"));
        let program = cargo_eg().as_std().get_program().to_str().unwrap().to_owned();
        line = line.replace("cargo eg ", &format!("'{program}' eg "));
        if line.contains(" eg logs ") {
            line.push_str(&format!(" --state-dir '{}'", self.state.path().display()));
        }
        if let Some(package) = command.strip_prefix("cargo test -p ") {
            // With the features of this test, so that nothing is compiled twice.
            line = format!("'{}' test --workspace --all-features --bin {package}", cargo().display());
        }
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).current_dir(workspace()).env("CARGO", cargo()).kill_on_drop(true);
        shell
            .env("EVENT_GATEWAY_URL", &self.app().events)
            .env("EVENT_GATEWAY_CONFIG_URL", &self.app().config)
            .env("AWS_ENDPOINT_URL_LAMBDA", &self.app().lambda);
        shell.env("no_proxy", "*").envs(self.parts.iter().map(|(name, value)| (*name, value)));
        shell
    }
}

/// Returns whether a command changes nothing.
fn is_reading(command: &str) -> bool {
    let request =
        command.starts_with("curl ") && ![" -X", " -d", "/create/"].iter().any(|part| command.contains(part));
    request
        || ["cargo eg logs ", "cargo eg dead-letters", "cargo eg events", "cargo eg stats"]
            .iter()
            .any(|start| command.starts_with(start))
            && ![" retry", " discard"].iter().any(|part| command.contains(part))
}

/// Returns the root of the workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
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
    assert_eq!(of_comment(source), expected);

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
