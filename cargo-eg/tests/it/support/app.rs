//! Creates a workspace in a temporary folder, with services that need only the standard library, so that they build
//! in a second. `eg-runtime` is an empty stand-in, because only the dependency on it matters here.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// `cargo eg run` on free ports, so that tests need not wait for each other.
pub(crate) const RUN: [&str; 7] = ["run", "--port", "0", "--config-port", "0", "--lambda-port", "0"];

/// Serves the Runtime API's events with its handler's name.
const SERVES: &str = include_str!("serves.rs");

/// How a service behaves when it is started.
pub(crate) enum Main {
    Serves,
    /// Serves, and prints this word instead of `got`.
    Says(&'static str),
    /// Serves, and prints the value of this variable instead of the event.
    Tells(&'static str),
    /// Serves, and takes so many seconds to start, and for each event after it has printed it.
    Slow {
        start: u64,
        event: u64,
    },
    /// Prints `no stock` on standard error and ends when it is called.
    Ends,
    /// Ends when it is called and this file exists.
    EndsAfter(PathBuf),
    Other(&'static str),
}

/// A workspace on disk.
pub(crate) struct App {
    folder: TempDir,
}

/// The output and the exit code of a command.
#[derive(Debug)]
pub(crate) struct Transcript {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command that runs until it is stopped.
pub(crate) struct Running {
    pub(crate) child: Child,
    stderr: PathBuf,
}

/// Returns a function record with a single trigger: `GET /…`, `queue …`, `cron(…)` or an event type.
pub(crate) fn record(package: &str, name: &str, trigger: &str) -> String {
    let trigger = match trigger.split_once(' ') {
        Some(("GET", path)) => {
            format!(r#"{{"eventType":"http.request","mode":"sync","method":"GET","path":"{path}"}}"#)
        }
        Some(("queue", queue)) => format!(r#"{{"queue":"{queue}"}}"#),
        Some(_) => format!(r#"{{"schedule":"{trigger}"}}"#),
        None => format!(r#"{{"eventType":"{trigger}","mode":"async","method":"POST","path":"/"}}"#),
    };
    let source = format!("services/{package}/src/main.rs:{}", name.len());
    format!(
        r#"{{"package":"{package}","version":"0.1.0","name":"{name}","source":"{source}","triggers":[{trigger}],"emits":[]}}"#
    ) + "\n"
}

/// Sends a signal to a child.
pub(crate) fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

impl App {
    pub(crate) fn new() -> Self {
        let app = Self { folder: tempfile::tempdir().unwrap() };
        app.members(r#""eg-runtime""#);
        let features = "[features]\neventbridge = []\nsecrets = []\n";
        app.write(
            "eg-runtime/Cargo.toml",
            &format!("[package]\nname = \"eg-runtime\"\nedition = \"2024\"\n{features}"),
        );
        app.write("eg-runtime/src/lib.rs", "pub const HAS_BUS: bool = cfg!(feature = \"eventbridge\");\n");
        app
    }

    /// Returns what a function has printed so far, in this run and earlier ones.
    pub(crate) fn log(&self, function: &str) -> String {
        std::fs::read_to_string(self.path().join(format!(".eg/logs/{function}.log"))).unwrap_or_default()
    }

    fn members(&self, members: &str) {
        self.write("Cargo.toml", &format!("[workspace]\nresolver = \"3\"\nmembers = [{members}]\n"));
    }

    /// Adds a service, or replaces it.
    pub(crate) fn service(&self, name: &str, records: &[String], main: &Main) -> &Self {
        self.members(r#""eg-runtime", "services/*""#);
        let folder = format!("services/{name}");
        self.write(
            &format!("{folder}/Cargo.toml"),
            &format!(
                "[package]\nname = \"{name}\"\nedition = \"2024\"\n[dependencies]\neg-runtime.path = \"../../eg-runtime\"\n"
            ),
        );
        self.write(&format!("{folder}/src/records"), &records.concat());
        let main = match main {
            Main::Serves => SERVES.to_owned(),
            Main::Says(word) => SERVES.replace("} got {", &format!("}} {word} {{")),
            Main::Tells(variable) => {
                let print = r#"println!("{handler} got {event}");"#;
                let tell = format!("println!(\"{variable} is {{:?}}\", std::env::var(\"{variable}\"));");
                SERVES.replace(print, &tell)
            }
            Main::Slow { start, event } => {
                let sleep =
                    |seconds| format!("std::thread::sleep(std::time::Duration::from_secs({seconds}));");
                let begin = "fn main() {";
                let starts = SERVES.replace(begin, &format!("{begin} {}", sleep(start)));
                let print = r#"println!("{handler} got {event}");"#;
                starts.replace(print, &format!("{print} {}", sleep(event)))
            }
            Main::Ends => {
                let print = r#"println!("{handler} got {event}");"#;
                SERVES.replace(print, r#"eprintln!("no stock for {event}"); std::process::exit(3);"#)
            }
            Main::EndsAfter(file) => {
                let print = r#"println!("{handler} got {event}");"#;
                let wait = format!(
                    "while !std::path::Path::new({file:?}).exists() {{ std::thread::sleep(std::time::Duration::from_millis(10)) }}"
                );
                SERVES.replace(print, &format!("{print} {wait} if id.is_some() {{ std::process::exit(3); }}"))
            }
            Main::Other(source) => (*source).to_owned(),
        };
        let section = if records.is_empty() { "" } else { SECTION };
        self.write(&format!("{folder}/src/main.rs"), &format!("{section}{main}"));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Runs a command to its end.
    pub(crate) fn eg(&self, arguments: &[&str]) -> Transcript {
        Transcript::of(self.command(arguments).output().unwrap())
    }

    /// Runs a command in a folder of the workspace.
    pub(crate) fn eg_in(&self, folder: &str, arguments: &[&str]) -> Transcript {
        let mut command = self.command(arguments);
        Transcript::of(command.current_dir(self.path().join(folder)).output().unwrap())
    }

    /// Starts `cargo eg run` on free ports.
    pub(crate) fn run(&self) -> Running {
        self.run_with(&[])
    }

    /// The same, with further arguments.
    pub(crate) fn run_with(&self, arguments: &[&str]) -> Running {
        let stderr = self.path().join("stderr");
        let ports = ["run", "--port", "0", "--config-port", "0", "--lambda-port", "0"];
        Running::start(self.command(&[&ports[..], arguments].concat()), stderr)
    }

    /// Starts a command whose output can be read while it runs.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-eg"));
        super::aws::forget_settings(&mut command);
        command
            // As cargo calls it.
            .arg("eg")
            .args(arguments)
            .current_dir(self.path())
            .env("CARGO_TARGET_DIR", self.path().join("target"))
            .env("CARGO_TERM_QUIET", "true")
            .env("CARGO_NET_OFFLINE", "true")
            .env_remove("RUST_LOG")
            .env_remove("EVENT_GATEWAY_URL")
            .env_remove("EVENT_GATEWAY_CONFIG_URL");
        command
    }
}

const SECTION: &str = r#"
#[used]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__eg_manifest"))]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".eg_manifest"))]
static RECORDS: [u8; include_bytes!("records").len()] = *include_bytes!("records");
"#;

impl Transcript {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Checks the failure of a command. `stderr` may begin with the compiler's messages.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, stderr: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.ends_with(stderr), "expected:\n{stderr}\nfound:\n{}", self.stderr);
        assert_eq!(self.stdout, "", "data of a failed command");
    }
}

impl Running {
    /// Starts a command whose error output goes to the file `stderr`.
    pub(crate) fn start(mut command: Command, stderr: PathBuf) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&stderr).unwrap())
            .spawn()
            .unwrap();
        Self::of(child, stderr)
    }

    /// A running command and the file with its error output.
    pub(crate) fn of(child: Child, stderr: PathBuf) -> Self {
        Self { child, stderr }
    }

    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap()
    }

    /// Waits until the app is ready. Returns a function that returns the URL of one of its addresses.
    pub(crate) async fn ready(&mut self) -> impl Fn(&str) -> String + use<> {
        self.ready_within(Duration::from_secs(120)).await
    }

    /// Like [`ready`](Self::ready), if there is much to build first.
    pub(crate) async fn ready_within(&mut self, patience: Duration) -> impl Fn(&str) -> String + use<> {
        super::eventually_within(patience, "the app is ready or has ended", || {
            self.stderr().contains("ready; Ctrl-C stops") || self.child.try_wait().unwrap().is_some()
        })
        .await;
        let text = self.stderr();
        assert!(text.contains("ready; Ctrl-C stops"), "{text}");
        move |name| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(&format!("{name} ")));
            line.unwrap_or_else(|| panic!("no address {name} in {text}")).trim().to_owned()
        }
    }

    /// Waits until the app has printed this text at least this often.
    pub(crate) async fn says(&self, text: &str, times: usize) {
        let what = format!("the app says {text:?} {times} times");
        super::eventually_within(Duration::from_secs(120), &what, || {
            self.stderr().matches(text).count() >= times
        })
        .await;
    }

    pub(crate) fn signal(&self, kind: Signal) {
        signal(&self.child, kind);
    }

    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if it has ended, as it should have.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
