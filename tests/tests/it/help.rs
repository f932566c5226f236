//! Runs the examples in the help texts of `cargo eg` with a real application, as they are printed. Of a text, only what
//! differs from user to user is replaced: ids, the number of a dead letter, files.

use std::path::Path;

use eg_tests::app::cargo_eg;
use eg_tests::eventually;
use eg_tests::program::built;
use serde_json::Value;

use super::promises::{Promise, Stage};

/// Parts of examples that other tests run, because they start an application, need AWS, or build for it.
const ELSEWHERE: [&str; 9] = [
    "cargo eg run",
    "cargo eg dashboard",
    "cargo eg mcp",
    " --stack ",
    " --stage ",
    "cargo eg build",
    "cargo eg deploy",
    "cargo eg rollback",
    "cargo eg remove",
];

const EVENT: &str = "0199a5c3-7d24-7b1e-9c55-02c1f3ee5fc1";
const USER: &str = r#"{"id":"10","firstName":"Donald","lastName":"Duck","email":"donald.duck@disney.com"}"#;

async fn help(of: &[&str]) -> String {
    let output = cargo_eg().args(of).arg("--help").output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the indented lines below a heading.
fn below<'a>(text: &'a str, heading: &str) -> Vec<&'a str> {
    let lines = text.lines().skip_while(|line| *line != heading).skip(1);
    lines.map_while(|line| line.strip_prefix("  ")).collect()
}

/// Returns the examples of all commands.
async fn examples() -> Vec<String> {
    let overview = help(&[]).await;
    let commands: Vec<&str> = below(&overview, "Commands:")
        .into_iter()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    let mut examples = Vec::new();
    for command in commands {
        let text = help(&[command]).await;
        let lines = below(&text, "Examples:");
        assert!(!lines.is_empty(), "`cargo eg {command} --help` has no examples");
        // Two spaces begin a comment.
        examples.extend(lines.iter().map(|line| line.split("  ").next().unwrap_or_default().to_owned()));
    }
    examples
}

/// What cannot be the same for everybody, and what it is here.
struct Here<'a> {
    folder: &'a Path,
    /// The numbers of two dead letters.
    letters: Vec<String>,
    /// The id of a failed message.
    message: String,
}

impl Here<'_> {
    fn command(&self, example: &str) -> String {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let mut command = example
            .replace(" 17", &format!(" {}", self.letters[0]))
            .replace(" 18", &format!(" {}", self.letters[1]))
            .replace("9f8a4c1e", &self.message)
            .replace("~/", &file(""))
            .replace("target/aarch64-unknown-linux-gnu/release/users", &built("users").display().to_string());
        for name in ["user.json", "event.json", "fixed.json", "dump.json", "template.yaml", "shop.dot"] {
            command = command.replace(name, &file(name));
        }
        if command.contains(" --tail") {
            command = format!("timeout --preserve-status --signal INT 3 {command}");
        }
        if command == "cargo eg new --ci github" {
            command = format!("cd '{}' && mkdir -p app/.git && cd app && {command}", self.folder.display());
        } else if command.starts_with("cargo eg new ") {
            command = format!("cd '{}' && {command}", self.folder.display());
        }
        command
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_in_help_texts_work_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join(".config/fish/conf.d")).unwrap();
    for (name, content) in [
        ("user.json", USER.to_owned()),
        ("fixed.json", USER.to_owned()),
        ("dump.json", format!("{{\"user\":{USER}}}")),
        (
            "event.json",
            format!(
                r#"{{"specversion":"1.0","id":"1","source":"/s","type":"user.created","datacontenttype":"application/json","data":{USER}}}"#
            ),
        ),
    ] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let services = ["services/registration", "examples/queue-batch", "examples/sync-event"];
    let mut stage = Stage::open(&services, &[]).await;
    let emit = |id: &str, source: &str, data: &str| {
        Promise::of(format!("cargo eg emit --event user.created --id {id} --source {source} --data '{data}'"))
    };
    let sqs = |operation: &str, request: &str| {
        Promise::of(format!(
            "curl -sS --fail-with-body localhost:9001 -H 'x-amz-target: AmazonSQS.{operation}' \
             -H 'content-type: application/x-amz-json-1.0' -d '{request}'"
        ))
    };
    let queue = r#""QueueUrl":"http://localhost/000000000000/orders""#;
    let mut prepared = vec![
        emit(EVENT, "/users", USER),
        emit("order-1", "/services/shop", USER),
        emit("poison-1", "/s", "{}"),
        emit("poison-2", "/s", "{}"),
        sqs("CreateQueue", r#"{"QueueName":"orders","Attributes":{"VisibilityTimeout":"0"}}"#),
        sqs("SendMessage", &format!(r#"{{{queue},"MessageBody":"{{}}"}}"#)),
    ];
    // After five, a message is a dead letter.
    prepared.extend((0..6).map(|_| sqs("ReceiveMessage", &format!("{{{queue}}}"))));
    stage.perform("what the examples need", prepared).await;
    let members = async |command: &str, member: &str| -> Vec<String> {
        let printed = stage.output("help", command, None).await;
        let lines = printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| line[member].to_string().replace('"', "")).collect()
    };
    let letters = eventually("two dead letters", async || {
        let letters = "cargo eg dead-letters --json --function send_welcome_email";
        Some(members(letters, "deadLetterId").await).filter(|letters| letters.len() == 2)
    })
    .await;
    let message = members("cargo eg dead-letters --queue orders --json", "id").await.remove(0);
    let here = Here { folder: folder.path(), letters, message };
    let mut run = 0;
    for example in examples().await {
        if !ELSEWHERE.iter().any(|part| example.contains(part)) {
            stage.perform("help", vec![Promise::of(here.command(&example))]).await;
            run += 1;
        }
    }
    assert!(run > 30, "{run} examples");
    stage.close().await;
}
