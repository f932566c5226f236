//! The emulator with real function processes: outcomes, limits, logs, processes.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Local, eventually, example, http, is_running, spec};
use eg_local::emulator::InitFailure;
use serde_json::{Value, json};

#[tokio::test]
async fn a_function_gets_its_event_and_answers() {
    let local = Local::start(spec("echo")).await;
    let (error, answer) = local.outcome("fixture-echo", json!({"a": [1, 2]})).await;
    assert_eq!(error, None);
    assert_eq!(answer["echo"], json!({"a": [1, 2]}));
    assert_eq!(answer["arn"], "arn:aws:lambda:us-east-1:000000000000:function:fixture-echo");
    assert_eq!(answer["requestId"].as_str().unwrap().len(), 36);
    assert!(answer["trace"].as_str().unwrap().starts_with("Root=1-"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(answer["deadline"].as_u64().unwrap() > u64::try_from(now.as_millis()).unwrap());

    let again = local.echo("fixture-echo").await;
    assert_eq!(again["pid"], answer["pid"], "a warm process is used again");
    assert_ne!(again["requestId"], answer["requestId"]);
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn failures_are_function_errors_and_spare_the_process_when_they_can() {
    let local = Local::start(spec("echo")).await;
    let (error, payload) = local.outcome("fixture-echo", json!({"do": "fail", "why": "no such user"})).await;
    assert_eq!(error.as_deref(), Some("Unhandled"));
    assert_eq!(payload["errorMessage"], "no such user");

    let (error, payload) = local.outcome("fixture-echo", json!({"do": "panic", "why": "index"})).await;
    assert_eq!(error.as_deref(), Some("Unhandled"));
    assert!(payload["errorMessage"].as_str().unwrap().contains("index"), "{payload}");

    let (error, payload) = local.outcome("fixture-echo", json!({"do": "large"})).await;
    assert_eq!(error.as_deref(), Some("Unhandled"));
    assert_eq!(payload["errorType"], "Function.ResponseSizeTooLarge");
    assert!(local.log("fixture-echo").contains("Status: error\tError Type: Function.ResponseSizeTooLarge"));
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn an_observer_sees_the_calls_from_within_the_process() {
    let local = Local::start(spec("echo")).await;
    let (ended, mut calls) = tokio::sync::mpsc::unbounded_channel();
    let invoker = local.emulator.invoker().observed(move |call| ended.send(call).unwrap());
    invoker.invoke("queue orders", "fixture-echo", json!({}).to_string()).await.unwrap();
    invoker
        .invoke("rate(1 day)", "fixture-echo", json!({"do": "fail", "why": "no disk"}).to_string())
        .await
        .unwrap_err();
    invoker.invoke("rate(1 day)", "missing", "{}").await.unwrap_err();
    for (trigger, function, error) in [
        ("queue orders", "fixture-echo", None),
        ("rate(1 day)", "fixture-echo", Some("no disk")),
        ("rate(1 day)", "missing", Some("missing")),
    ] {
        let call = calls.recv().await.unwrap();
        assert_eq!((call.trigger.as_str(), call.function.as_str()), (trigger, function));
        assert_eq!(call.error.is_some(), error.is_some(), "{call:?}");
        assert!(call.error.unwrap_or_default().contains(error.unwrap_or_default()));
        let log = String::from_utf8(call.log).unwrap();
        assert_eq!(log.contains("REPORT RequestId: "), function != "missing", "{log}");
    }
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn a_process_that_ends_fails_its_invocation_only() {
    let local = Local::start(spec("echo")).await;
    let first = local.echo("fixture-echo").await["pid"].clone();
    for (what, ending) in [("exit", "exit status 1"), ("abort", "signal: aborted")] {
        let (error, payload) = local.outcome("fixture-echo", json!({"do": what})).await;
        assert_eq!(error.as_deref(), Some("Unhandled"));
        assert_eq!(payload["errorType"], "Runtime.ExitError");
        let message = payload["errorMessage"].as_str().unwrap();
        assert!(message.starts_with("RequestId: "), "{message}");
        assert!(message.ends_with(&format!(" Error: Runtime exited with error: {ending}")), "{message}");
    }
    let next = local.echo("fixture-echo").await["pid"].clone();
    assert_ne!(next, first);
    assert!(local.log("fixture-echo").contains("Status: error\tError Type: Runtime.ExitError"));
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn a_process_that_died_while_idle_costs_no_invocation() {
    let local = Local::start(spec("echo")).await;
    let first = u32::try_from(local.echo("fixture-echo").await["pid"].as_u64().unwrap()).unwrap();
    let killed = Command::new("kill").args(["-9", &first.to_string()]).status().unwrap();
    assert!(killed.success());
    eventually("the process is gone", || !is_running(first)).await;
    assert_ne!(local.echo("fixture-echo").await["pid"], json!(first));
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn an_invocation_that_takes_too_long_is_killed() {
    let mut spec = spec("echo");
    spec.timeout = Duration::from_millis(250);
    let local = Local::start(spec).await;
    let first = local.echo("fixture-echo").await["pid"].clone();
    let (error, payload) = local.outcome("fixture-echo", json!({"do": "hang"})).await;
    assert_eq!(error.as_deref(), Some("Unhandled"));
    assert_eq!(payload["errorType"], "Sandbox.Timedout");
    let message = payload["errorMessage"].as_str().unwrap();
    assert!(message.ends_with(" Error: Task timed out after 0.25 seconds"), "{message}");
    let log = local.log("fixture-echo");
    let timed_out = log.lines().find(|line| line.contains("Task timed out after 0.25 seconds")).unwrap();
    let shape: Vec<usize> = timed_out.split(' ').take(2).map(str::len).collect();
    assert_eq!(shape, ["2026-11-21T14:14:41.023Z".len(), 36], "{timed_out}");
    assert!(log.contains(" Task timed out after 0.25 seconds\nEND RequestId: "), "{log}");
    assert!(log.trim_end().ends_with("\tStatus: timeout"), "{log}");
    assert!(!is_running(u32::try_from(first.as_u64().unwrap()).unwrap()));
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn invocations_at_the_same_time_get_a_process_each() {
    let local = Local::start(spec("echo")).await;
    let meeting = tempfile::tempdir().unwrap();
    let meet = json!({"do": "meet", "folder": meeting.path()});
    // Each answers only when the other has arrived, so this ends only with two processes.
    let (one, other) = tokio::join!(
        local.outcome("fixture-echo", meet.clone()),
        local.outcome("fixture-echo", meet.clone())
    );
    assert_eq!((one.0, other.0), (None, None));
    assert_ne!(one.1, other.1);
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn more_invocations_than_processes_wait_for_their_turn() {
    let mut spec = spec("echo");
    spec.concurrency = 1;
    let local = Local::start(spec).await;
    let (one, two, three) =
        tokio::join!(local.echo("fixture-echo"), local.echo("fixture-echo"), local.echo("fixture-echo"));
    assert_eq!(one["pid"], two["pid"]);
    assert_eq!(two["pid"], three["pid"]);
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn what_a_function_prints_stands_between_its_log_lines() {
    let local = Local::start(spec("echo")).await;
    // Twice: the second time no start-up is in the way.
    for round in ["one", "two"] {
        let print = json!({"do": "print", "out": format!("out {round}"), "err": format!("err {round}")});
        assert_eq!(local.outcome("fixture-echo", print).await, (None, Value::Null));
        assert!(local.log("fixture-echo").contains(&format!("err {round}")), "printed before the answer");
    }
    eventually("the last line is written", || local.log("fixture-echo").matches("\nREPORT ").count() == 2)
        .await;
    let log = local.log("fixture-echo");
    let shape: Vec<&str> = log
        .lines()
        .map(|line| line.split_once("RequestId: ").map_or(line, |(begin, _)| begin))
        .filter(|line| !line.starts_with("err "))
        .collect();
    let round = |out| ["START ", out, "half a line", "END ", "REPORT "];
    assert_eq!(shape, [&["initialising"][..], &round("out one"), &round("out two")].concat());
    for round in ["one", "two"] {
        let (from, to) = (log.find(&format!("err {round}")).unwrap(), log.find("END").unwrap());
        assert!((round == "one") == (from < to), "{log}");
    }
    let reports: Vec<&str> = log.lines().filter(|line| line.starts_with("REPORT ")).collect();
    assert!(reports[0].contains("\tInit Duration: "), "{log}");
    assert!(!reports[1].contains("\tInit Duration: "), "{log}");
    assert!(reports[1].contains("\tMemory Size: 128 MB\tMax Memory Used: "), "{log}");
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn a_function_that_cannot_start_says_why() {
    let local = Local::start(spec("init_error")).await;
    let failure = local.emulator.warm("fixture-init_error").await.unwrap_err();
    assert!(matches!(failure, InitFailure::Reported { .. }), "{failure:?}");
    assert_eq!(failure.to_string(), "SMTP_URL is not set");
    let (error, payload) = local.outcome("fixture-init_error", json!({})).await;
    assert_eq!(error.as_deref(), Some("Unhandled"));
    assert_eq!(payload, json!({"errorType": "Config", "errorMessage": "SMTP_URL is not set"}));
    local.emulator.shut_down().await;

    let local = Local::start(spec("exit_at_start")).await;
    let failure = local.emulator.warm("fixture-exit_at_start").await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "Runtime exited with error: exit status 3; its last lines were:\n    the database\n    is not there"
    );
    let (error, payload) = local.outcome("fixture-exit_at_start", json!({})).await;
    assert_eq!(error.as_deref(), Some("Unhandled"));
    assert_eq!(payload["errorType"], "Runtime.ExitError");
    assert!(local.log("fixture-exit_at_start").contains("INIT_REPORT Init Duration: "));
    local.emulator.shut_down().await;

    let mut never = spec("never_ready");
    never.init_timeout = Duration::from_millis(200);
    let local = Local::start(never).await;
    let failure = local.emulator.warm("fixture-never_ready").await.unwrap_err();
    assert!(matches!(failure, InitFailure::TimedOut { .. }), "{failure:?}");
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_init_failure() {
    let mut missing = spec("echo");
    missing.program = "/nonexistent/users".into();
    let local = Local::start(missing).await;
    let failure = local.emulator.warm("fixture-echo").await.unwrap_err();
    assert_eq!(failure.to_string(), "cannot start /nonexistent/users");
    let (error, payload) = local.outcome("fixture-echo", json!({})).await;
    assert_eq!(error.as_deref(), Some("Unhandled"));
    assert_eq!(payload["errorType"], "Runtime.InvalidEntrypoint");
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn a_process_has_lambdas_environment_and_its_package_as_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = spec("echo").variable("EG_DATA_DIR", "/data/fixture");
    spec.root = folder.path().to_owned();
    let local = Local::start(spec).await;
    let (_, answer) = local.outcome("fixture-echo", json!({"do": "environment"})).await;
    let variables = &answer["variables"];
    assert_eq!(variables["AWS_LAMBDA_FUNCTION_NAME"], "fixture-echo");
    assert_eq!(variables["_HANDLER"], "echo");
    assert_eq!(variables["EG_DATA_DIR"], "/data/fixture");
    assert_eq!(variables["PATH"], std::env::var("PATH").unwrap());
    assert_eq!(variables.get("CARGO_MANIFEST_DIR"), None, "cargo's own variables stay out");
    assert_eq!(answer["folder"], json!(folder.path().canonicalize().unwrap()));
    local.emulator.shut_down().await;
}

#[tokio::test]
async fn stopping_leaves_no_process_and_answers_who_waits() {
    let local = Local::start(spec("echo")).await;
    let idle = u32::try_from(local.echo("fixture-echo").await["pid"].as_u64().unwrap()).unwrap();
    let url = local.invocations("fixture-echo");
    let hanging =
        tokio::spawn(
            async move { http().post(url).body(r#"{"do":"hang"}"#).send().await.unwrap().text().await },
        );
    let log = local.folder.path().join("fixture-echo.log");
    let starts = || std::fs::read_to_string(&log).unwrap().matches("START").count();
    eventually("the second invocation has begun", || starts() == 2).await;
    local.emulator.shut_down().await;
    assert!(!is_running(idle));
    let answer = hanging.await.unwrap().unwrap();
    assert!(answer.contains("Sandbox.Stopped"), "{answer}");
}

#[tokio::test]
async fn dropping_the_emulator_kills_its_processes() {
    let local = Local::start(spec("echo")).await;
    let pid = u32::try_from(local.echo("fixture-echo").await["pid"].as_u64().unwrap()).unwrap();
    assert!(is_running(pid));
    drop(local);
    eventually("the process is gone", || !is_running(pid)).await;
}

/// The emulator cannot clean up after SIGKILL. Its children must notice by themselves, or the kernel
/// must: it does not leave a stopped process group behind whose parent has died.
#[tokio::test]
async fn processes_end_when_their_emulator_is_killed() {
    kill_emulator(None).await;
    kill_emulator(Some("freeze")).await;
}

async fn kill_emulator(option: Option<&str>) {
    use std::io::{BufRead as _, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let mut host = Command::new(example("host"))
        .args([example("function").as_os_str(), folder.path().as_os_str()])
        .args(option)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(host.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let url = format!("{}/2015-03-31/functions/fixture/invocations", url.trim());
    let answer = http().post(url).send().await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let child = u32::try_from(answer["pid"].as_u64().unwrap()).unwrap();
    assert!(is_running(child));
    if option.is_some() {
        eventually("the function's process is frozen", || crate::support::is_frozen(child)).await;
    }

    host.kill().unwrap();
    host.wait().unwrap();
    eventually("the function's process has ended", || !is_running(child)).await;
}
