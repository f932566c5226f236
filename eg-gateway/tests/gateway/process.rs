//! The program `event-gateway`: start, exit codes, signals, and the death that no program can prepare for.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{Answer, Api, Functions, PATIENCE};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_event-gateway");

/// A running program. Killed when the test ends in any way.
pub(crate) struct Program {
    child: Running,
    pub(crate) api: Api,
}

pub(crate) struct Running(pub(crate) Child);

impl Program {
    /// Starts the program on free ports and waits until it says which.
    pub(crate) fn start(data_dir: &Path) -> Self {
        Self::spawn(Self::command(data_dir))
    }

    /// The command that `start` uses.
    pub(crate) fn command(data_dir: &Path) -> Command {
        Self::command_on(data_dir, "0", "0")
    }

    /// The same, on these ports.
    pub(crate) fn command_on(data_dir: &Path, events_port: &str, config_port: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["-events-port", events_port, "-config-port", config_port]);
        command
            .args(["--allow-target=127.0.0.0/8", "--retry-min-backoff=1ms", "--embed-data-dir"])
            .arg(data_dir);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = Running(command.spawn().unwrap());
        let mut log = BufReader::new(child.0.stderr.take().unwrap());
        let mut line = String::new();
        let api = loop {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the gateway ended before it was ready");
            let entry: Value = serde_json::from_str(&line).unwrap();
            if let (Some(events), Some(config)) = (entry["events"].as_str(), entry["config"].as_str()) {
                break Api::new(events, config);
            }
        };
        // The rest is read so that the program never waits for room in the pipe.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, api }
    }

    /// Ends the program as no program can prepare for.
    pub(crate) fn kill(&mut self) {
        self.child.0.kill().unwrap();
        self.child.0.wait().unwrap();
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.0.id()
    }

    pub(crate) fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.child.0.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.0.try_wait().unwrap().is_some()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the gateway does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).output().unwrap()
}

/// The promise behind a 202. The function holds every call until after the crash, so each of the events is either
/// waiting or under way when the process dies.
#[tokio::test]
async fn what_was_accepted_is_delivered_after_sigkill() {
    let alive = Arc::new(AtomicBool::new(false));
    let answering = Arc::clone(&alive);
    let mut functions = Functions::start(move |_| {
        if answering.load(Ordering::SeqCst) { Answer::Http(200, String::new()) } else { Answer::Never }
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let mut program = Program::start(dir.path());
    program.api.event_type("e").await;
    program.api.http_function("f", &functions.url("/")).await;
    program.api.subscribe("e", "f").await;
    let ids: BTreeSet<String> = (0..150).map(|n| n.to_string()).collect();
    for id in &ids {
        program.api.emit("e", id).await;
    }
    functions.next_call().await;
    program.kill();
    while functions.try_call().is_some() {}

    alive.store(true, Ordering::SeqCst);
    let program = Program::start(dir.path());
    let mut delivered = BTreeSet::new();
    while delivered != ids {
        delivered.insert(functions.next_call().await.json()["id"].as_str().unwrap().to_owned());
    }
    assert!(program.api.dead_letters().await.is_empty());
    let store = Connection::open(dir.path().join("event-gateway.db")).unwrap();
    let interrupted = "SELECT count(*) FROM attempts WHERE outcome = 'interrupted'";
    let interrupted: u32 = store.query_row(interrupted, [], |row| row.get(0)).unwrap();
    assert!(interrupted >= 1, "the attempt that the crash cut off is on record");
}

#[tokio::test]
async fn sigterm_lets_requests_finish() {
    let release = Arc::new(Notify::new());
    let held = Arc::clone(&release);
    let mut functions = Functions::start(move |_| Answer::When(Arc::clone(&held))).await;
    let dir = tempfile::tempdir().unwrap();
    let mut program = Program::start(dir.path());
    program.api.event_type("http.request").await;
    program.api.http_function("f", &functions.url("/")).await;
    let subscription =
        json!({ "type": "sync", "eventType": "http.request", "functionId": "f", "method": "GET" });
    program.api.create("subscriptions", subscription).await;
    let request = tokio::spawn(program.api.client.get(&program.api.events).send());
    functions.next_call().await;
    program.terminate();
    // Once new connections are refused, the signal has been seen and the request is what the gateway waits for.
    let address = program.api.events.trim_start_matches("http://").to_owned();
    let deadline = Instant::now() + PATIENCE;
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        assert!(Instant::now() < deadline, "still accepting");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    release.notify_one();
    assert_eq!(request.await.unwrap().unwrap().status(), 200);
    assert_eq!(program.wait().code(), Some(0));
}

/// A function that never answers keeps nobody waiting: its delivery is made again after the next start.
#[tokio::test]
async fn sigterm_ends_the_gateway_in_time_whatever_hangs() {
    let mut functions = Functions::start(|_| Answer::Never).await;
    let dir = tempfile::tempdir().unwrap();
    let mut program = Program::start(dir.path());
    program.api.event_type("e").await;
    program.api.http_function("f", &functions.url("/")).await;
    program.api.subscribe("e", "f").await;
    program.api.emit("e", "1").await;
    functions.next_call().await;
    let asked = Instant::now();
    program.terminate();
    assert_eq!(program.wait().code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    let _program = Program::start(dir.path());
    assert_eq!(functions.next_call().await.json()["id"], "1");
}

#[tokio::test]
async fn one_error_names_port_and_flag() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data").display().to_string();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (args, api, flag) in [
        (["--events-port", &port, "--config-port", "0"], "Events API", "--events-port"),
        (["--events-port", "0", "--config-port", &port], "Config API", "--config-port"),
    ] {
        let output = run(&[&args[..], &["--embed-data-dir", &data]].concat());
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{error}");
        assert_eq!(
            error,
            format!(
                "error: port {port} is already in use, so the {api} cannot listen there; \
                 stop the other program or choose another port with {flag}\n"
            )
        );
        assert!(!Path::new(&data).exists(), "a gateway that does not start leaves nothing behind");
    }
}

/// After a restart, a clock that had been set forward counted for the age of deliveries, and all of them expired.
#[tokio::test]
async fn a_clock_that_was_set_before_the_start_is_followed_slowly() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    drop(Program::start(&data));
    let left = std::fs::read_to_string(data.join("event-gateway.clock")).unwrap();
    let [boot, at, now] = left.split_ascii_whitespace().collect::<Vec<_>>()[..] else { panic!("{left}") };
    let day_before = now.parse::<u64>().unwrap() - 24 * 60 * 60 * 1000;
    for (boot, trust, ahead) in
        [(boot, false, Some(24 * 60 * 60)), (boot, true, None), ("another-boot", false, None)]
    {
        std::fs::write(data.join("event-gateway.clock"), format!("{boot} {at} {day_before}\n")).unwrap();
        let mut command = Program::command(&data);
        command.args(trust.then_some("--trust-clock"));
        let program = Program::spawn(command);
        let status = program.api.client.get(format!("{}/v1/status", program.api.config)).send();
        let status = status.await.unwrap();
        let found = status.headers().get("eg-clock-ahead").map(|ahead| ahead.to_str().unwrap().to_owned());
        let found: Option<u64> = found.map(|ahead| ahead.parse().unwrap());
        assert_eq!(
            found.map(|found| found.abs_diff(24 * 60 * 60) < 600),
            ahead.map(|_| true),
            "{boot} {trust}"
        );
    }
}

#[tokio::test]
async fn a_store_has_one_gateway() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Program::start(dir.path());
    let data = dir.path().display().to_string();
    let output = run(&["--events-port=0", "--config-port=0", "--embed-data-dir", &data]);
    assert_eq!(output.status.code(), Some(5));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("another gateway uses this directory"), "{error}");
    // A full disk cannot be had here, but a path that is no directory can.
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output =
        run(&["--events-port=0", "--config-port=0", "--embed-data-dir", &file.display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn command_lines() {
    for (args, code, stdout, stderr) in [
        (&["--version"][..], 0, "Event Gateway version: 0.1.0\n", ""),
        (&["-version"], 0, "Event Gateway version: 0.1.0\n", ""),
        (&["-help"], 0, "3  a port is already in use", ""),
        (&["-no-such-flag"], 2, "", "--no-such-flag"),
        (&["-events-port=70000"], 2, "", "70000"),
        (&["-events-tls-cert=a"], 2, "", "--events-tls-cert needs --events-tls-key"),
        (&["-plugin", "a"], 2, "", "--plugin is not supported"),
        (
            &["--allow-target", "10.0.0"],
            2,
            "",
            "--allow-target: `10.0.0` is neither an address nor a network",
        ),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        let (out, err) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(out.contains(stdout) && err.contains(stderr), "{args:?}\n{out}\n{err}");
    }
}

#[test]
fn logs_are_json_unless_people_read_them() {
    for (flags, json) in [
        (&[][..], true),
        (&["-dev"], false),
        (&["-dev", "-log-format=json"], true),
        (&["-log-format", "text"], false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Running(Program::command(dir.path()).args(flags).spawn().unwrap());
        let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines().map(Result::unwrap);
        let ready = lines.find(|line| line.contains("http://localhost:")).expect("a line that says where");
        assert_eq!(serde_json::from_str::<Value>(&ready).is_ok(), json, "{flags:?}: {ready}");
    }
}

/// Somebody cleans up while the gateway runs: emitters and the operator hear of it at once.
#[tokio::test]
async fn a_deleted_store_is_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut child = Running(Program::command(&data).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let entry = |line: String| serde_json::from_str::<Value>(&line).unwrap();
    let ready = lines.by_ref().map(entry).find(|entry| entry["events"].is_string()).unwrap();
    let api = Api::new(ready["events"].as_str().unwrap(), ready["config"].as_str().unwrap());
    std::fs::remove_dir_all(&data).unwrap();
    assert_eq!(api.try_emit("e", "1").await.unwrap().status(), 503);
    let gone = lines.map(entry).find(|entry| entry["message"] == "the store is gone").unwrap();
    assert_eq!(gone["level"], "ERROR");
    assert!(gone["error"].as_str().unwrap().contains("event-gateway.db was deleted or replaced"), "{gone}");
}

/// The store holds payloads and AWS keys.
#[cfg(unix)]
#[tokio::test]
async fn the_store_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let program = Program::start(&data);
    program.api.event_type("e").await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let mut files = 0;
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert!(files >= 3, "{files} files");
}
