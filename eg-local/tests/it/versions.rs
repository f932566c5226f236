//! Functions that change while the emulator runs: new versions, removed ones, idle processes; and
//! programs with arguments.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::support::{Local, eventually, example, http, is_running, pid, spec};
use eg_local::emulator::{DeployError, FunctionSpec};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

fn version(number: &str) -> FunctionSpec {
    spec("echo").variable("VERSION", number)
}

/// An invocation that ends when `file` exists, and has begun when this returns.
async fn begun(local: &Local, file: &Path) -> JoinHandle<Value> {
    let answer = invoke(local, &json!({"do": "wait", "file": file}));
    let begun = file.with_extension("begun");
    eventually("the invocation has begun", || begun.exists()).await;
    answer
}

fn invoke(local: &Local, payload: &Value) -> JoinHandle<Value> {
    let request = http().post(local.invocations("fixture-echo")).body(payload.to_string());
    tokio::spawn(async move {
        let response = request.send().await.unwrap();
        assert_eq!(crate::support::header(&response, "x-amz-function-error"), None);
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    })
}

/// Starts a function whose only place is taken by a call, which ends when `file` exists.
async fn occupied(file: &Path) -> (Local, JoinHandle<Value>) {
    let mut one = version("one");
    one.concurrency = 1;
    let local = Local::start(one).await;
    let under_way = begun(&local, file).await;
    (local, under_way)
}

#[tokio::test]
async fn a_new_version_takes_over_and_the_old_one_ends_what_it_has_begun() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("go");
    let (local, under_way) = occupied(&file).await;
    // The only place is taken: these wait.
    let waiting = [invoke(&local, &json!({})), invoke(&local, &json!({}))];

    let took = local.emulator.replace(version("two")).unwrap().await.unwrap();
    assert!(took > Duration::ZERO);
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap()["version"], "two");
    }
    assert_eq!(local.echo("fixture-echo").await["version"], "two");

    std::fs::write(&file, "").unwrap();
    let answer = under_way.await.unwrap();
    assert_eq!(answer["version"], "one");
    eventually("the old version's process has ended", || !is_running(pid(&answer))).await;
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn no_invocation_is_lost_while_versions_change() {
    let mut first = version("0");
    first.concurrency = 2;
    let local = Local::start(first).await;
    let client = http();
    let calls: Vec<_> = (0..300)
        .map(|n| {
            let call = client.post(local.invocations("fixture-echo")).body(json!({"n": n}).to_string());
            tokio::spawn(async move {
                let response = call.send().await.unwrap();
                assert_eq!(response.status(), 200);
                serde_json::from_str::<Value>(&response.text().await.unwrap()).unwrap()
            })
        })
        .collect();
    for number in ["1", "2", "3", "4"] {
        let mut next = version(number);
        next.concurrency = 2;
        local.emulator.replace(next).unwrap().await.unwrap();
    }
    let mut pids = BTreeSet::new();
    for (n, call) in calls.into_iter().enumerate() {
        let answer = call.await.unwrap();
        assert_eq!(answer["echo"]["n"], n, "{answer}");
        pids.insert(pid(&answer));
    }
    let now = local.echo("fixture-echo").await;
    assert_eq!(now["version"], "4");
    eventually("only the new version's processes run", || {
        pids.iter().filter(|one| is_running(**one)).count() <= 2
    })
    .await;
    local.emulator.shut_down().await;
    assert!(!pids.iter().any(|one| is_running(*one)));
}

#[tokio::test]
async fn a_version_that_cannot_start_changes_nothing() {
    let local = Local::start(version("one")).await;
    let before = local.echo("fixture-echo").await;
    let mut broken = version("two");
    broken.handler = "exit_at_start".to_owned();
    let failure = local.emulator.replace(broken).unwrap().await.unwrap_err();
    assert!(failure.to_string().contains("the database\n    is not there"), "{failure}");
    assert_eq!(local.echo("fixture-echo").await["pid"], before["pid"]);

    let mut new = spec("exit_at_start");
    new.id = "fixture-new".to_owned();
    local.emulator.replace(new).unwrap().await.unwrap_err();
    assert_eq!(local.invoke("fixture-new", json!({})).await.status(), StatusCode::NOT_FOUND);
    let mut new = version("three");
    new.id = "fixture-new".to_owned();
    local.emulator.replace(new).unwrap().await.unwrap();
    assert_eq!(local.echo("fixture-new").await["version"], "three");

    let mut unnamed = spec("echo");
    unnamed.id = "../echo".to_owned();
    let refused = local.emulator.replace(unnamed).map(drop).unwrap_err();
    assert!(matches!(refused, DeployError::BadId { .. }), "{refused:?}");
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn a_removed_function_ends_what_it_has_accepted_and_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("go");
    let (local, under_way) = occupied(&file).await;
    // The only place is taken: this one is accepted and waits.
    let queued = http()
        .post(local.invocations("fixture-echo"))
        .header("x-amz-invocation-type", "Event")
        .body(r#"{"do":"print","out":"the queued one","err":""}"#);
    assert_eq!(queued.send().await.unwrap().status(), StatusCode::ACCEPTED);

    assert!(local.emulator.remove("fixture-echo"));
    assert_eq!(local.invoke("fixture-echo", json!({})).await.status(), StatusCode::NOT_FOUND);
    assert!(!local.emulator.remove("fixture-echo"), "it is gone already");

    std::fs::write(&file, "").unwrap();
    let answer = under_way.await.unwrap();
    assert_eq!(answer["version"], "one");
    eventually("its process has ended", || !is_running(pid(&answer))).await;
    eventually("the queued one has been carried out", || {
        local.log("fixture-echo").matches("\nREPORT ").count() == 2
    })
    .await;
    assert!(local.log("fixture-echo").contains("the queued one"));

    local.emulator.deploy(version("two")).unwrap();
    assert_eq!(local.echo("fixture-echo").await["version"], "two");
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn processes_that_nobody_needs_are_ended() {
    let mut short = spec("echo");
    short.idle_timeout = Duration::from_millis(50);
    let local = Local::start(short).await;
    let first = pid(&local.echo("fixture-echo").await);
    eventually("the idle process has ended", || !is_running(first)).await;
    let second = pid(&local.echo("fixture-echo").await);
    assert_ne!(first, second);
    eventually("the next one, too", || !is_running(second)).await;
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn a_program_has_arguments_and_is_found_like_in_a_shell() {
    let local = Local::start(spec("echo").arguments(["--verbose", "a b"])).await;
    assert_eq!(local.echo("fixture-echo").await["arguments"], json!(["--verbose", "a b"]));

    let beside = example("function");
    let mut relative = spec("echo");
    relative.id = "relative".to_owned();
    relative.root = beside.parent().unwrap().to_owned();
    relative.program = "./function".into();
    local.emulator.deploy(relative).unwrap();
    local.echo("relative").await;

    let mut through_path = spec("echo").arguments(["-c", "exec \"$0\"", beside.to_str().unwrap()]);
    through_path.id = "through-path".to_owned();
    through_path.program = "sh".into();
    local.emulator.deploy(through_path).unwrap();
    local.echo("through-path").await;
    local.emulator.shut_down().await;
}
