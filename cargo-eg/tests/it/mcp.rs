//! Tests `cargo eg mcp` as an agent uses it: JSON-RPC on its standard input and output, against a real gateway.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use eg_sdk::config::EventType;
use eg_tests::app::cargo_eg;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::app::{App, Main, record};
use crate::support::gateway::Running;

/// How long a build may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client of the protocol, and the server that it has started.
struct Agent {
    server: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    requests: u64,
}

impl Agent {
    fn of(running: &Running, options: &[&str]) -> Self {
        let mut command: Command = cargo_eg().into_std();
        command.arg("mcp").args(options).args(["--url", running.gateway.events_url()]);
        command.args(["--config-url", running.gateway.config_url()]);
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        let mut server =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (input, output) = (server.stdin.take(), BufReader::new(server.stdout.take().unwrap()));
        let mut agent = Self { server, input, output, requests: 0 };
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
        let info = agent.ask("initialize", &hello);
        assert_eq!(info["result"]["serverInfo"]["name"], "cargo-eg", "{info}");
        assert!(info["result"]["instructions"].as_str().unwrap().contains("explain_event"), "{info}");
        agent.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        agent
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    /// Sends a request and returns its id.
    fn request(&mut self, method: &str, params: &Value) -> u64 {
        self.requests += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.requests, "method": method, "params": params}));
        self.requests
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.request(method, params);
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(answer["id"], self.requests, "{answer}");
        answer
    }

    fn tools(&mut self) -> Vec<Value> {
        self.ask("tools/list", &json!({}))["result"]["tools"].as_array().unwrap().clone()
    }

    /// Calls a tool. Returns the text of its answer, and whether it is an error.
    fn call(&mut self, tool: &str, arguments: &Value) -> (String, bool) {
        let answer = self.ask("tools/call", &json!({"name": tool, "arguments": arguments}));
        let result = &answer["result"];
        let text = result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        (text, result["isError"] == true)
    }

    fn json(&mut self, tool: &str, arguments: &Value) -> Value {
        let (text, is_error) = self.call(tool, arguments);
        assert!(!is_error, "{text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Closes the connection; the server ends by itself.
    fn stop(mut self) {
        drop(self.input.take());
        assert!(self.server.wait().unwrap().success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_emits_and_explains_events() {
    let running = Running::start().await;
    running.client.event_types().create(&EventType::new("user.created")).await.unwrap();
    let story = tokio::task::spawn_blocking(move || {
        let mut agent = Agent::of(&running, &[]);
        let tools = agent.tools();
        let named = |name: &str| tools.iter().find(|tool| tool["name"] == name).unwrap();
        assert_eq!(named("explain_event")["annotations"]["readOnlyHint"], true);
        assert_eq!(named("discard_dead_letter")["annotations"]["destructiveHint"], true);
        assert_eq!(named("emit_event")["inputSchema"]["required"], json!(["type", "data"]));

        let data = json!({"name": "@Donald", "n": 1.0});
        let emitted = agent.json("emit_event", &json!({"type": "user.created", "data": data, "id": "--one"}));
        assert_eq!((&emitted["id"], &emitted["duplicate"]), (&json!("--one"), &json!(false)));
        let listed = agent.json("list_events", &json!({"type": "user.created", "limit": 5}));
        assert_eq!(listed["event"]["data"], data);
        let explained = agent.json("explain_event", &json!({"event": "--one"}));
        assert_eq!((&explained["eventId"], &explained["deliveries"]), (&json!("--one"), &json!([])));
        assert_eq!(agent.json("retry_event", &json!({"event": "--one"})), json!({"retried": 0}));
        assert_eq!(agent.json("replay_event", &json!({"event": "--one"}))["deliveries"], 0);
        assert_eq!(agent.call("list_dead_letters", &json!({})), ("no results".to_owned(), false));

        // A failure is an answer that a model can read.
        let (text, is_error) = agent.call("explain_event", &json!({"event": "none"}));
        assert!(is_error && text.contains("no event"), "{text}");
        let (text, is_error) = agent.call("explain_event", &json!({}));
        assert_eq!((text.as_str(), is_error), ("`event` is missing", true));
        let unknown = agent.ask("tools/call", &json!({"name": "delete_everything", "arguments": {}}));
        assert!(
            unknown["error"]["message"].as_str().unwrap().contains("the tools are list_events, "),
            "{unknown}"
        );
        agent.stop();

        let mut reader = Agent::of(&running, &["--read-only"]);
        let tools = reader.tools();
        assert!(
            tools.len() > 5 && tools.iter().all(|tool| tool["annotations"]["readOnlyHint"] == true),
            "{tools:?}"
        );
        let refused =
            reader.ask("tools/call", &json!({"name": "emit_event", "arguments": {"type": "a", "data": 1}}));
        assert!(
            refused["error"]["message"].as_str().unwrap().starts_with("no tool `emit_event`"),
            "{refused}"
        );
        reader.stop();
        running
    });
    story.await.unwrap();
}

/// Waits until a build script has connected.
async fn begun(listener: &TcpListener) -> TcpStream {
    timeout(PATIENCE, listener.accept()).await.expect("a build begins").unwrap().0
}

/// Waits until the build script at the other end of a connection has ended.
async fn ended(mut script: TcpStream) {
    let mut text = String::new();
    timeout(PATIENCE, script.read_to_string(&mut text)).await.expect("the build ends").unwrap();
    assert_eq!(text, "", "the build script came to its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_end_with_their_call_and_with_the_server() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = App::new();
    app.service("shop", &[record("shop", "list", "GET /list")], &Main::Serves);
    // Nobody writes to the connection: the script ends by itself only after half of the test's patience.
    let script = format!(
        r#"use std::io::{{Read as _, Write as _}};
fn main() {{
    let mut test = std::net::TcpStream::connect(("127.0.0.1", {port})).unwrap();
    test.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    let _ = test.read(&mut [0]);
    let _ = test.write_all(b"still here");
}}
"#
    );
    app.write("services/shop/build.rs", &script);
    let mut agent = Agent::start(app.command(&["mcp"]));
    let manifest = json!({"name": "get_manifest", "arguments": {"package": "shop"}});

    let call = agent.request("tools/call", &manifest);
    let script = begun(&listener).await;
    agent
        .send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": call}}));
    ended(script).await;
    // The next answer is that of the next request.
    assert!(!agent.tools().is_empty());

    agent.request("tools/call", &manifest);
    let script = begun(&listener).await;
    agent.stop();
    ended(script).await;
}

#[test]
fn a_long_log_is_cut_at_its_beginning() {
    let app = App::new();
    let lines: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
    app.write(".eg/logs/shop-list.log", &lines);
    let mut agent = Agent::start(app.command(&["mcp"]));
    let (text, is_error) = agent.call("read_logs", &json!({"function": "shop-list"}));
    assert!(!is_error && text.ends_with("\nline 19998\nline 19999\n"), "{text}");
    let (note, rest) = text.split_once('\n').unwrap();
    assert!(
        note.ends_with("bytes of older lines are left out: ask for less with `function` or `since`)"),
        "{note}"
    );
    let first = rest.lines().next().unwrap();
    assert!(lines.contains(&format!("\n{first}\n")), "{first}");
    assert!((90_000..=100_000).contains(&rest.len()), "{}", rest.len());
    agent.stop();
}

#[test]
fn only_findings_succeed_although_their_command_fails() {
    let app = App::new();
    for service in ["admin", "users"] {
        app.service(service, &[record(service, "list", "GET /list")], &Main::Serves);
    }
    let mut agent = Agent::start(app.command(&["mcp", "--read-only"]));
    let checked = agent.ask("tools/call", &json!({"name": "check", "arguments": {}}));
    let [report, summary] = &checked["result"]["content"].as_array().unwrap()[..] else {
        panic!("{checked}")
    };
    assert_eq!(checked["result"]["isError"], false, "{checked}");
    assert!(report["text"].as_str().unwrap().contains(r#""class":"route-conflict""#), "{checked}");
    assert!(summary["text"].as_str().unwrap().contains("checked 2 services"), "{checked}");

    // Only packages of the workspace are built, and only by their names.
    for folder in ["services/users", ".", "/tmp"] {
        let (text, is_error) = agent.call("get_manifest", &json!({"package": folder}));
        assert!(is_error && text.contains("package"), "{text}");
    }
    assert_eq!(agent.json("get_manifest", &json!({"package": "users"}))["service"], "users");
    agent.stop();
}
