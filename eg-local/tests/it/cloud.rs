//! The handle on a whole cloud: what it promises to tests that use it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use eg_local::{Cloud, Error, FunctionSpec, Mapping, QueueError, TriggerActivity};
use serde_json::json;

use crate::support::{eventually, example};

fn function(handler: &str) -> FunctionSpec {
    FunctionSpec::new("fixture", example("function")).handler(handler)
}

#[tokio::test]
async fn a_function_is_deployed_called_and_replaced() {
    let cloud = Cloud::start().await.unwrap();
    cloud.deploy(function("echo").variable("VERSION", "1")).await.unwrap();
    let answer = cloud.invoke("fixture", json!({"n": 1})).await.unwrap();
    assert_eq!((&answer["echo"], &answer["version"]), (&json!({"n": 1}), &json!("1")));

    cloud.deploy(function("echo").variable("VERSION", "2")).await.unwrap();
    assert_eq!(cloud.invoke("fixture", json!({})).await.unwrap()["version"], "2");

    let variables = cloud.invoke("fixture", json!({"do": "environment"})).await.unwrap()["variables"].clone();
    assert_eq!(variables["AWS_ENDPOINT_URL_SQS"], cloud.url());
    assert_eq!(variables["AWS_ENDPOINT_URL_LAMBDA"], cloud.url());
    assert!(cloud.log("fixture").unwrap().contains("REPORT RequestId: "));
    cloud.stop().await;
}

#[tokio::test]
async fn failures_name_the_function_and_the_reason() {
    let cloud = Cloud::start().await.unwrap();
    let failed = cloud.deploy(function("exit_at_start")).await.unwrap_err();
    assert!(matches!(&failed, Error::Init { function, .. } if function == "fixture"), "{failed:?}");
    let unknown = cloud.invoke("fixture", json!({})).await.unwrap_err();
    assert!(unknown.to_string().starts_with("function fixture failed: Function not found: "), "{unknown}");
    let no_log = cloud.log("nobody").unwrap_err();
    assert_eq!(no_log.to_string(), "cannot read the log of function nobody");

    cloud.deploy(function("echo")).await.unwrap();
    let failed = cloud.invoke("fixture", json!({"do": "fail", "why": "no database"})).await.unwrap_err();
    assert_eq!(failed.to_string(), "function fixture failed: no database");
    let large = cloud.invoke("fixture", "x".repeat(6 * 1024 * 1024)).await.unwrap_err();
    assert!(large.to_string().contains("must be smaller than 6291456 bytes"), "{large}");
    cloud.stop().await;
}

#[tokio::test]
async fn a_tick_sends_the_event_of_a_schedule() {
    let cloud = Cloud::start().await.unwrap();
    cloud.deploy(function("print_event")).await.unwrap();
    cloud.tick("fixture").await.unwrap();
    let log = cloud.log("fixture").unwrap();
    assert!(log.contains("\"detail-type\":\"Scheduled Event\"") && log.contains("rule/fixture"), "{log}");
    cloud.stop().await;
}

#[tokio::test]
async fn messages_are_handled_in_batches_and_bad_ones_are_dead_letters() {
    let seen: Arc<Mutex<Vec<TriggerActivity>>> = Arc::default();
    let sink = seen.clone();
    let cloud = Cloud::builder()
        .visibility(Duration::ZERO)
        .max_receives(2)
        .observe(move |activity| sink.lock().unwrap().push(activity))
        .start()
        .await
        .unwrap();
    cloud.deploy(function("batch")).await.unwrap();
    let orders = cloud.queue("orders").await.unwrap();
    for body in ["good", "bad", "better"] {
        orders.send(body).await.unwrap();
    }
    assert_eq!(orders.counts().await.unwrap().visible, 3);
    cloud.map(Mapping::new("orders", "fixture")).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), orders.drained()).await.unwrap().unwrap();
    assert_eq!(orders.dead_letters().await.unwrap(), ["bad"]);
    let log = cloud.log("fixture").unwrap();
    assert_eq!(
        ["good", "bad", "better"].map(|body| log.matches(&format!("handling {body}\n")).count()),
        [1, 2, 1]
    );

    let dead = |activity: &&TriggerActivity| matches!(activity, TriggerActivity::DeadLettered { queue, receives: 2, .. } if queue == "orders");
    // The queue is empty as soon as the message has moved; the report follows.
    eventually("the dead letter is reported", || seen.lock().unwrap().iter().filter(dead).count() == 1).await;
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    let batches: Vec<(usize, usize)> = seen
        .iter()
        .filter_map(|activity| match activity {
            TriggerActivity::Batch { messages, failed, .. } => Some((*messages, *failed)),
            _ => None,
        })
        .collect();
    assert_eq!(batches, [(3, 1), (1, 1)]);
    cloud.stop().await;
}

#[tokio::test]
async fn what_breaks_sqs_rules_is_refused() {
    let cloud = Cloud::start().await.unwrap();
    let name = cloud.queue("orders.v2").await.unwrap_err();
    assert!(name.to_string().contains("cannot name a queue"), "{name}");
    let fifo = cloud.queue("orders.fifo").await.unwrap();
    let no_group = fifo.send("first").await.unwrap_err();
    assert!(matches!(&no_group, QueueError::Refused(text) if text.contains("MessageGroupId")), "{no_group}");
    fifo.send_in_group("7", "first").await.unwrap();
    assert_eq!(fifo.counts().await.unwrap().visible, 1);
    cloud.stop().await;
}

#[tokio::test]
async fn messages_in_a_given_folder_outlive_the_cloud_and_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let start = async || {
        let cloud = Cloud::builder().folder(folder.path()).start().await.unwrap();
        cloud.deploy(function("batch")).await.unwrap();
        let orders = cloud.queue("orders.fifo").await.unwrap();
        (cloud, orders)
    };
    let (cloud, orders) = start().await;
    orders.send_in_group("7", "bad").await.unwrap();
    cloud.map(Mapping::new("orders.fifo", "fixture")).await.unwrap();
    crate::support::eventually("the first one has failed", || {
        cloud.log("fixture").unwrap().contains("bad\n")
    })
    .await;
    // Its group waits for it: half a minute, unless the cloud ends before.
    orders.send_in_group("7", "second").await.unwrap();
    cloud.stop().await;

    let (cloud, _) = start().await;
    cloud.map(Mapping::new("orders.fifo", "fixture")).await.unwrap();
    crate::support::eventually("both come", || cloud.log("fixture").unwrap().contains("handling second\n"))
        .await;
    let log = cloud.log("fixture").unwrap();
    assert_eq!(log.matches("handling bad\n").count(), 2, "{log}");
    assert!(log.rfind("handling bad\n") < log.find("handling second\n"), "{log}");
    cloud.stop().await;
}
