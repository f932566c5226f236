//! Tests the first five minutes of a user: from nothing to a delivered event, a change of the code while a thousand
//! more events arrive, and the commands that show what happened.

use std::process::Command;
use std::time::Duration;

use crate::support::app::Transcript;
use crate::support::load::{Load, SlowBuild};
use crate::support::shell::Shell;
use crate::support::{eventually, http};
use rustix::process::Signal;

/// The first build of a new service compiles everything that it depends on.
const FIRST_BUILD: Duration = Duration::from_secs(30 * 60);

#[track_caller]
fn succeeded(transcript: Transcript) -> Transcript {
    assert_eq!(transcript.code, Some(0), "{transcript:?}");
    transcript
}

/// Returns the id that `emit` has printed.
fn id_of(emitted: &Transcript) -> String {
    emitted.stdout.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_nothing_to_a_delivered_event() {
    let (shell, build) = (Shell::new(), SlowBuild::new());
    succeeded(shell.eg("", &["new", "orders"]));
    shell.lock("orders");
    shell.write("orders/build.rs", &build.script());
    let mut run = shell.run("orders");
    let url = run.ready_within(FIRST_BUILD).await;
    let eg = |arguments: &[&str]| shell.eg("orders", arguments);

    // curl
    let curl = Command::new("curl")
        .args(["-sS", "-X", "POST", &(url("events") + "/orders"), "-H", "content-type: application/json"])
        .args(["-d", r#"{"id":"1","name":"first"}"#])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(curl.stdout).unwrap(), r#"{"id":"1","name":"first"}"#, "{}", run.stderr());
    eventually("the event is delivered", || run.stderr().contains("→ orders-announce delivered")).await;
    let log = succeeded(eg(&["logs", "--function", "announce", "--since", "5m"])).stdout;
    assert!(log.contains("\nfirst has been created\n"), "{log}");
    let log = succeeded(eg(&["logs", "--function", "announce", "--since", "2999-01-01"])).stdout;
    assert_eq!(log, "", "nothing is as new as that");

    // what `run` says to try
    let said = run.stderr();
    let line = said.lines().map(str::trim).find(|line| line.starts_with("curl ")).unwrap();
    let tried = Command::new("sh").args(["-c", &format!("{line} -sS")]).output().unwrap();
    assert_eq!(String::from_utf8(tried.stdout).unwrap(), r#"{"id":"10","name":"name"}"#, "{line}");
    run.says("→ orders-announce delivered", 2).await;

    // edit, while events keep coming
    build.hold();
    shell.edit("orders/src/main.rs", "{} has been created", "{} is new");
    let load = Load { client: &http(), url: &url("events"), ty: "orders.created" };
    let log = || shell.read("orders/.eg/logs/orders-announce.log");
    load.during(&build, log, " has been created", " is new", run.says("reloaded", 1)).await;

    // emit, and show
    let emitted =
        succeeded(eg(&["emit", "--event", "orders.created", "--data", r#"{"id":"2","name":"second"}"#]));
    assert_eq!(emitted.stderr, "to orders-announce\n");
    let id = id_of(&emitted);
    eventually("show tells of the delivery", || {
        succeeded(eg(&["show", &id])).stdout.contains("orders-announce delivered\n  attempt 1")
    })
    .await;
    let short = &id[id.len() - 8..];
    assert_eq!(eg(&["show", short]).stdout, eg(&["show", &id]).stdout, "the end of an id, as run shows it");
    let events = succeeded(eg(&["events", "--type", "orders.created", "--limit", "2"])).stdout;
    assert_eq!(events.lines().count(), 2, "{events}");
    assert!(events.lines().next().unwrap().contains(&id), "the newest first: {events}");

    // what goes wrong
    let rejected =
        id_of(&succeeded(eg(&["emit", "--event", "orders.created", "--data", r#"{"id":"3","name":""}"#])));
    eventually("a rejection is a dead letter", || {
        let shown = succeeded(eg(&["show", &rejected])).stdout;
        shown.contains("dead letter") && shown.contains("there is nothing to announce without a name")
    })
    .await;
    run.says("→ orders-announce dead letter: rejected: there is nothing to announce without a name\n", 1)
        .await;
    let letters = succeeded(eg(&["dead-letters"])).stdout;
    let number = letters.split_whitespace().next().unwrap().to_owned();
    succeeded(eg(&["dead-letters", "retry", &number, "--data", r#"{"id":"3","name":"third"}"#]));
    eventually("the corrected event is delivered", || {
        succeeded(eg(&["logs", "--function", "announce"])).stdout.contains("\nthird is new\n")
    })
    .await;
    assert_eq!(succeeded(eg(&["dead-letters"])).stdout, "");

    // again
    let replayed = succeeded(eg(&["replay", &id, "--to", "announce"])).stdout;
    assert!(replayed.starts_with("1 event replayed: 1 delivery\n"), "{replayed}");
    eventually("the replay is delivered", || {
        let log = succeeded(eg(&["logs", "--function", "announce"])).stdout;
        log.matches("second is new").count() == 2
    })
    .await;

    // one function alone, with what it may take and with what is given
    let invoked = succeeded(eg(&["invoke", "create"]));
    assert!(invoked.stdout.contains(r#"\"name\":\"name\""#), "{invoked:?}");
    let invoked =
        succeeded(eg(&["invoke", "create", "--sample", "http", "--data", r#"{"id":"4","name":"fourth"}"#]));
    assert!(invoked.stdout.contains(r#"\"name\":\"fourth\""#), "{invoked:?}");
    assert!(invoked.stderr.contains("\nREPORT RequestId: "), "{invoked:?}");

    let checked = succeeded(eg(&["check"]));
    assert_eq!(checked.stderr, "checked 1 service, 2 functions: no problems found\n");

    run.signal(Signal::INT);
    assert_eq!(run.wait(), Some(0), "{}", run.stderr());
}
