//! What other languages bring works unchanged: Lambda's Python runtime runs an ordinary Python handler,
//! and boto3 calls it. Both come from PyPI.

use std::process::Command;
use std::time::Duration;

use crate::support::{Local, eventually};
use eg_local::emulator::FunctionSpec;
use eg_tests::python::environment;
use serde_json::{Value, json};

/// As it would be deployed: nothing in it knows of the emulator.
const HANDLER: &str = r#"
import os, sys, time

def handler(event, context):
    print("handling", event.get("do"))
    if event.get("do") == "fail":
        raise ValueError("no such user")
    if event.get("do") == "exit":
        os._exit(3)
    if event.get("do") == "sleep":
        time.sleep(60)
    return {
        "echo": event,
        "pid": os.getpid(),
        "requestId": context.aws_request_id,
        "name": context.function_name,
        "memory": context.memory_limit_in_mb,
        "arn": context.invoked_function_arn,
        "remaining": context.get_remaining_time_in_millis(),
        "custom": context.client_context.custom if context.client_context else None,
    }
"#;

/// An ordinary program that calls functions; prints what it saw.
const CALLER: &str = r#"
import base64, json, sys
import boto3
from botocore.config import Config

config = Config(retries={"total_max_attempts": 1}, proxies={})
client = boto3.client("lambda", endpoint_url=sys.argv[1], region_name="us-east-1", config=config,
                      aws_access_key_id="local", aws_secret_access_key="local")

def invoke(payload, name="python", **options):
    answer = client.invoke(FunctionName=name, Payload=json.dumps(payload), **options)
    return {
        "status": answer["StatusCode"],
        "error": answer.get("FunctionError"),
        "version": answer.get("ExecutedVersion"),
        "log": base64.b64decode(answer.get("LogResult", "")).decode(),
        "payload": json.loads(answer["Payload"].read() or "null"),
    }

context = base64.b64encode(json.dumps({"custom": {"a": "b"}}).encode()).decode()
seen = {
    "answer": invoke({"n": 1}, LogType="Tail"),
    "again": invoke({}, name="arn:aws:lambda:us-east-1:000000000000:function:python:$LATEST", ClientContext=context),
    "failed": invoke({"do": "fail"}),
    "exited": invoke({"do": "exit"}),
    "late": invoke({"do": "sleep"}),
    "dry": invoke({}, InvocationType="DryRun"),
    "event": invoke({"do": "event"}, InvocationType="Event"),
}
try:
    invoke({}, name="nobody")
except client.exceptions.ResourceNotFoundException as error:
    seen["unknown"] = error.response["Error"]["Message"]
stream = client.invoke_with_response_stream(FunctionName="python", Payload=json.dumps({"n": 2}))
events = list(stream["EventStream"])
seen["streamed"] = json.loads(b"".join(one["PayloadChunk"]["Payload"] for one in events if "PayloadChunk" in one))
seen["end"] = events[-1]
print(json.dumps(seen))
"#;

#[tokio::test]
async fn awslambdaric_serves_a_python_handler_and_boto3_calls_it() {
    let Some(packages) = tokio::task::spawn_blocking(environment).await.unwrap() else { return };
    let python = packages.join("bin/python");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("app.py"), HANDLER).unwrap();
    let mut spec = FunctionSpec::new("python", &python)
        .handler("app.handler")
        .root(folder.path())
        .arguments(["-m", "awslambdaric", "app.handler"]);
    spec.timeout = Duration::from_secs(2);
    spec.init_timeout = Duration::from_secs(60);
    let local = Local::start(spec).await;
    local.emulator.warm("python").await.unwrap();

    let mut caller = Command::new(&python);
    caller.arg("-c").arg(CALLER).arg(local.emulator.url());
    let output = tokio::task::spawn_blocking(move || caller.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();

    let answer = &seen["answer"];
    assert_eq!(
        (&answer["status"], &answer["error"], &answer["version"]),
        (&json!(200), &Value::Null, &json!("$LATEST"))
    );
    let payload = &answer["payload"];
    assert_eq!(payload["echo"], json!({"n": 1}));
    assert_eq!((&payload["name"], &payload["memory"]), (&json!("python"), &json!("128")));
    assert_eq!(payload["arn"], "arn:aws:lambda:us-east-1:000000000000:function:python");
    assert!((1..=2000).contains(&payload["remaining"].as_i64().unwrap()), "{payload}");
    let log = answer["log"].as_str().unwrap();
    let id = payload["requestId"].as_str().unwrap();
    assert!(log.starts_with(&format!("START RequestId: {id} Version: $LATEST\n")), "{log}");
    assert!(log.contains("handling None\n") && log.contains("\tMax Memory Used: "), "{log}");

    let again = &seen["again"]["payload"];
    assert_eq!((&again["pid"], &again["custom"]), (&payload["pid"], &json!({"a": "b"})));
    assert_eq!(seen["failed"]["error"], "Unhandled");
    assert_eq!(seen["failed"]["payload"]["errorType"], "ValueError");
    assert_eq!(seen["failed"]["payload"]["errorMessage"], "no such user");
    assert_eq!(seen["exited"]["payload"]["errorType"], "Runtime.ExitError");
    assert_eq!(seen["late"]["payload"]["errorType"], "Sandbox.Timedout");
    assert_eq!((&seen["dry"]["status"], &seen["event"]["status"]), (&json!(204), &json!(202)));
    assert_eq!(seen["unknown"], "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody");
    assert_eq!(seen["streamed"]["echo"], json!({"n": 2}));
    assert_eq!(seen["end"], json!({"InvokeComplete": {}}));
    eventually("the event has been handled", || local.log("python").contains("handling event\n")).await;
    local.emulator.shut_down().await;
}
