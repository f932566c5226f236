//! Tests `cargo eg mcp` as an agent uses it: JSON-RPC on its standard input and output, against a real gateway.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use eg_sdk::config::EventType;
use eg_tests::app::cargo_eg;
use serde_json::{Value, json};

use crate::support::gateway::Running;

/// A client of the protocol, and the server that it has started.
struct Agent {
    server: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    requests: u64,
}

impl Agent {
    fn start(running: &Running, options: &[&str]) -> Self {
        let mut command: Command = cargo_eg().into_std();
        command.arg("mcp").args(options).args(["--url", running.gateway.events_url()]);
        command.args(["--config-url", running.gateway.config_url()]);
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

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.requests += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.requests, "method": method, "params": params}));
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
        let mut agent = Agent::start(&running, &[]);
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

        let mut reader = Agent::start(&running, &["--read-only"]);
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
