//! Tests `#[queue]` and `#[schedule]` functions in `cargo eg run`: the live feed, `emit --queue`, `dead-letters
//! --queue`, and what survives a crash.

use std::time::Duration;

use crate::support::app::{App, Main, record};
use crate::support::{eventually, eventually_within};
use rustix::process::Signal;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Sends a message to a queue of the running app. The function fails for messages that are `0`.
#[track_caller]
fn send(app: &App, arguments: &[&str], body: &str) {
    let sent = app.eg(&[&["emit"], arguments, &["--data", body]].concat());
    assert_eq!(sent.code, Some(0), "{sent:?}");
}

#[tokio::test]
async fn messages_reach_their_function_and_bad_ones_end_as_dead_letters() {
    let app = App::new();
    app.service("shop", &[record("shop", "pack", "queue orders")], &Main::Serves);
    let mut run = app.run_with(&["--queue-visibility", "0"]);
    let url = run.ready().await;
    let shown = run.stderr();
    assert!(shown.contains("  orders  shop-pack  dead letters in orders-dead-letters\n"), "{shown}");
    for body in ["1", "0"] {
        send(&app, &["--queue", "orders"], body);
    }

    run.says("dead letter: received 5 times; `cargo eg dead-letters --queue orders` lists it\n", 1).await;
    assert!(run.stderr().contains("queue orders → shop-pack"), "{}", run.stderr());
    let log = app.log("shop-pack");
    assert_eq!(log.matches("\"body\":\"0\"").count(), 5, "{log}");
    assert_eq!(log.matches("\"body\":\"1\"").count(), 1, "what was handled does not come again: {log}");

    // The dashboard of the app has the calls of its queues, too.
    let calls = eg_tests::http().get(format!("{}/v1/spaces/default/calls?function=shop-pack", url("config")));
    let calls: serde_json::Value = calls.send().await.unwrap().json().await.unwrap();
    let calls = calls["calls"].as_array().unwrap();
    assert!(calls.len() >= 6 && calls.iter().all(|call| call["trigger"] == "queue orders"), "{calls:?}");
    assert!(calls.iter().any(|call| call["log"].as_str().unwrap().contains("\"body\":\"1\"")), "{calls:?}");

    let letters = |arguments: &[&str]| {
        app.eg(
            &[&["dead-letters"], arguments, &["--queue", "orders", "--lambda-url", &url("lambda")]].concat()
        )
    };
    let listed = letters(&[]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(listed.stdout.lines().count() == 1 && listed.stdout.contains("  0  "), "{listed:?}");
    assert_eq!(
        listed.stderr,
        "`cargo eg dead-letters retry ID --queue orders` puts a message back into the queue, `discard ID` deletes it; \
         write `--all` instead of ID for all\n"
    );
    let line: serde_json::Value = serde_json::from_str(&letters(&["list", "--json"]).stdout).unwrap();
    assert_eq!((&line["body"], &line["receives"]), (&"0".into(), &5.into()));
    let id = line["id"].as_str().unwrap();
    let plain = app.eg(&["dead-letters"]);
    assert_eq!(
        plain.stderr,
        "no dead letters of subscriptions\n\
         1 dead letter of queue orders; `cargo eg dead-letters --queue orders` lists them\n"
    );
    let part = &id[id.len() - 8..];
    let shown = letters(&["show", part]);
    assert!(
        shown.stdout.starts_with(&format!("dead letter {id} of queue orders\n  reason    ")),
        "{shown:?}"
    );
    assert!(shown.stdout.ends_with("\n  received  5 times\n  message   0\n"), "{shown:?}");
    let retried = letters(&["retry", part]);
    assert_eq!(
        (retried.code, &*retried.stdout),
        (Some(0), "1 message put back into queue orders\n"),
        "{retried:?}"
    );
    run.says("dead letter: received 5 times", 2).await;
    assert_eq!(app.log("shop-pack").matches("\"body\":\"0\"").count(), 10);
    let edited = letters(&["retry", id, "--data", "2"]);
    assert_eq!(
        (edited.code, &*edited.stdout),
        (Some(0), "1 message put back into queue orders\n"),
        "{edited:?}"
    );
    eventually("the edited message is handled", || app.log("shop-pack").contains("\"body\":\"2\"")).await;
    letters(&["retry", id])
        .fails(6, &format!("error: queue `orders` has no dead letter `{id}`\nhint: `cargo eg dead-letters --queue orders` lists them with their ids\n"));
    assert_eq!(letters(&["retry", "--all"]).stdout, "0 messages put back into queue orders\n");

    for body in ["0", "0"] {
        send(&app, &["--queue", "orders"], body);
    }
    run.says("dead letter: received 5 times", 4).await;
    let dead_at = |line: &str| {
        let letter: serde_json::Value = serde_json::from_str(line).unwrap();
        OffsetDateTime::parse(letter["deadAt"].as_str().unwrap(), &Rfc3339).unwrap()
    };
    let times: Vec<OffsetDateTime> = letters(&["list", "--json"]).stdout.lines().map(dead_at).collect();
    assert!(times.len() == 2 && times.is_sorted_by(|a, b| a >= b), "newest first: {times:?}");
    assert_eq!(letters(&["discard"]).code, Some(2), "without an id or --all, nothing is discarded");
    letters(&["discard", ""]).fails(
        2,
        "error: the id is empty\nhint: `cargo eg dead-letters --queue orders` lists them with their ids\n",
    );
    assert_eq!(letters(&["discard", "--all"]).stdout, "2 messages discarded\n");
    let none = letters(&["list"]);
    assert_eq!(
        (none.code, &*none.stdout, &*none.stderr),
        (Some(0), "", "queue `orders` has no dead letters\n")
    );
    let unknown = app.eg(&["dead-letters", "--queue", "order"]);
    unknown.fails(
        6,
        "error: there is no queue `order`; the queues are orders\n\
         hint: the app creates the queues of its `#[queue(\"NAME\")]` functions when it starts\n",
    );
}

#[tokio::test]
async fn what_is_in_a_queue_survives_a_crash() {
    let app = App::new();
    app.service("shop", &[record("shop", "pack", "queue orders.fifo")], &Main::Says("hears"));
    let mut run = app.run();
    drop(run.ready().await);
    let group = ["--queue", "orders.fifo", "--group", "7"];
    send(&app, &group, "0");
    run.says("1 message 1 failed", 1).await;
    // Its message group waits for it: half a minute, unless the app is killed before.
    send(&app, &group, "2");
    assert!(!app.log("shop-pack").contains("\"body\":\"2\""));
    run.signal(Signal::KILL);
    run.wait();

    let mut run = app.run();
    drop(run.ready().await);
    eventually("both come, in their order", || app.log("shop-pack").contains("\"body\":\"2\"")).await;
    let log = app.log("shop-pack");
    let bad: Vec<usize> = log.match_indices("\"body\":\"0\"").map(|(at, _)| at).collect();
    assert!(bad.len() == 2 && bad[1] < log.find("\"body\":\"2\"").unwrap(), "{log}");
}

#[tokio::test]
async fn a_function_is_called_by_the_clock() {
    let app = App::new();
    app.service(
        "shop",
        &[record("shop", "sweep", "cron(* * * * ? *)"), record("shop", "list", "GET /list")],
        &Main::Serves,
    );
    let mut run = app.run_with(&["--no-schedules"]);
    drop(run.ready().await);
    assert!(run.stderr().contains("  shop-sweep  cron(* * * * ? *)  off\n"), "{}", run.stderr());
    run.signal(Signal::INT);
    assert_eq!(run.wait(), Some(0));

    let mut run = app.run();
    drop(run.ready().await);
    assert!(run.stderr().contains("  shop-sweep  cron(* * * * ? *)  next "), "{}", run.stderr());
    eventually_within(Duration::from_secs(90), "the minute is full", || {
        run.stderr().contains("cron(* * * * ? *) → shop-sweep done")
    })
    .await;
    let log = app.log("shop-sweep");
    assert!(log.contains("\"detail-type\":\"Scheduled Event\"") && log.contains(":00Z\""), "{log}");
}

/// Functions send with any SDK of AWS to the URL in the variable, which on AWS is that of the real queue.
#[tokio::test]
async fn a_queue_to_send_to_is_on_this_machine() {
    let app = App::new();
    app.write(
        "eg.toml",
        "[deploy.queues.parcels]\nvariable = \"PARCEL_QUEUE\"\nservices = [\"shop\"]\n\
         existing = \"https://sqs.eu-central-1.amazonaws.com/123456789012/company-parcels\"\n",
    );
    app.service("shop", &[record("shop", "list", "GET /list")], &Main::Tells("PARCEL_QUEUE"));
    let mut run = app.run_with(&[]);
    let url = run.ready().await;
    let answer = eg_tests::http().get(url("events") + "/list").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let told = format!("PARCEL_QUEUE is Ok(\"{}/000000000000/parcels\")", url("lambda"));
    eventually("the variable", || app.log("shop-list").contains(&told)).await;
    send(&app, &["--queue", "parcels"], "1");
    let missing = app.eg(&["emit", "--queue", "letters", "--data", "1"]);
    assert_eq!(missing.code, Some(6), "{missing:?}");
}
