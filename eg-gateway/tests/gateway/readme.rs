//! The commands of this crate's README work as they are, except for the ports.

use std::process::Command;

use crate::process::Program;
use crate::support::Functions;

#[tokio::test]
async fn its_commands_deliver_an_event() {
    let text = include_str!("../../README.md");
    let blocks: Vec<&str> =
        text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [start, use_it] = <[&str; 2]>::try_from(blocks).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut command = Program::command(dir.path());
    let options = start.lines().find_map(|line| line.strip_prefix("event-gateway ")).unwrap();
    // The README's gateway writes its log as text, from which a test cannot read the ports.
    command.args(options.split(' ')).arg("--log-format=json");
    let gateway = Program::spawn(command);
    let mut functions = Functions::accepting().await;

    let script = use_it
        .replace("localhost:4001", &gateway.api.config.replace("http://", ""))
        .replace("localhost:4000", &gateway.api.events.replace("http://", ""))
        .replace("http://localhost:8080/", &functions.url("/"));
    let output =
        Command::new("sh").args(["-ec", &script.replace("curl ", "curl -sS --fail-with-body ")]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    let event = functions.next_call().await.json();
    assert_eq!(event["data"]["id"], "10", "{event}");
}
