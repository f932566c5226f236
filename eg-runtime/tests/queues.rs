//! Messages of queues: one call each, and the batch's failures in the form that Lambda wants.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use std::sync::{Arc, Mutex};

use eg_runtime::testing::TestApp;
use eg_runtime::{App, CloudEvent, Error, Json, State, queue, subscribe};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What the functions were called with, in order.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn note(&self, call: &str) -> Result<(), Error> {
        self.0.lock().unwrap().push(call.to_owned());
        match call {
            call if call.contains("retry") => Err(Error::retry("later")),
            call if call.contains("reject") => Err(Error::reject("never")),
            call if call.contains("panic") => panic!("as you wish"),
            _ => Ok(()),
        }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[queue("orders", batch_size = 100, window = "5s")]
#[queue("orders.fifo")]
async fn order(State(calls): State<Calls>, event: CloudEvent<String>) -> Result<(), Error> {
    calls.note(&event.data)
}

#[queue("raw")]
async fn raw(State(calls): State<Calls>, Json(body): Json<Value>) -> Result<(), Error> {
    calls.note(&body.to_string())
}

#[queue("text")]
async fn text(State(calls): State<Calls>, body: String) -> Result<(), Error> {
    calls.note(&body)
}

#[subscribe("order.paid")]
async fn paid(State(calls): State<Calls>, event: CloudEvent<Value>) -> Result<(), Error> {
    calls.note(&format!("{} {}", event.ty(), event.data))
}

fn app() -> (TestApp, Calls) {
    let calls = Calls::default();
    (TestApp::new(App::new().state(calls.clone())).unwrap(), calls)
}

fn message(queue: &str, id: &str, group: Option<&str>, body: &str) -> Value {
    let mut attributes = json!({"ApproximateReceiveCount": "1", "SentTimestamp": "1545082650636"});
    if let Some(group) = group {
        attributes["MessageGroupId"] = json!(group);
    }
    json!({"messageId": id, "receiptHandle": "h", "body": body, "attributes": attributes, "messageAttributes": {},
        "md5OfBody": "x", "eventSource": "aws:sqs", "eventSourceARN": format!("arn:aws:sqs:eu-central-1:1:{queue}"),
        "awsRegion": "eu-central-1"})
}

/// The ids that are reported as failed.
async fn failed(app: &TestApp, records: Vec<Value>) -> Vec<String> {
    let reply = app.invoke(&json!({"Records": records}).to_string()).await.unwrap();
    let failures = reply["batchItemFailures"].as_array().unwrap();
    failures.iter().map(|item| item["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_message_is_a_call_and_only_failed_ones_come_again() {
    let (app, calls) = app();
    let bodies = ["\"a\"", "\"retry\"", "\"panic\"", "\"b\"", "\"reject\"", "5", "\"c\""];
    let records = bodies.iter().enumerate().map(|(n, body)| message("orders", &format!("m{n}"), None, body));
    assert_eq!(failed(&app, records.collect()).await, ["m1", "m2", "m4", "m5"]);
    assert_eq!(calls.take(), ["a", "retry", "panic", "b", "reject", "c"], "5 is no text");
    assert!(failed(&app, vec![message("orders", "m", None, "\"fine\"")]).await.is_empty());
}

/// Ten messages, of which those fail for which `bad` has a body.
fn ten(queue: &str, group: Option<&str>, bad: impl Fn(usize) -> Option<&'static str>) -> Vec<Value> {
    let body = |n| bad(n).map_or_else(|| json!(format!("fine {n}")), |body| json!(body));
    (0..10).map(|n| message(queue, &format!("m{n}"), group, &body(n).to_string())).collect()
}

fn ids(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|n| format!("m{n}")).collect()
}

#[tokio::test]
async fn every_subset_of_a_batch_can_fail() {
    let (app, calls) = app();
    for subset in 0..1_u32 << 10 {
        let fails = |n: usize| subset & (1 << n) != 0;
        let batch = ten("orders", None, |n| fails(n).then_some("retry"));
        assert_eq!(failed(&app, batch).await, ids((0..10).filter(|n| fails(*n))), "{subset:b}");
        assert_eq!(calls.take().len(), 10);
    }
}

#[tokio::test]
async fn a_panic_at_any_place_takes_nobody_along() {
    let (app, calls) = app();
    for place in 0..10 {
        let panics = |n| (n == place).then_some("panic");
        assert_eq!(failed(&app, ten("orders", None, panics)).await, ids([place]));
        assert_eq!(calls.take().len(), 10, "every message was a call");
        assert_eq!(failed(&app, ten("orders.fifo", Some("g"), panics)).await, ids(place..10));
        assert_eq!(calls.take().len(), place + 1, "what comes after it in its group waits");
    }
}

#[tokio::test]
async fn groups_of_fifo_queues_keep_their_order() {
    let (app, calls) = app();
    let batch = |queue: &'static str| {
        let messages =
            [("1", "a"), ("2", "retry b"), ("1", "c"), ("2", "d"), ("1", "panic e"), ("3", "f"), ("1", "g")];
        let record = move |(n, (group, body)): (usize, &(&str, &str))| {
            message(queue, &format!("m{n}"), Some(group), &json!(body).to_string())
        };
        messages.iter().enumerate().map(record).collect::<Vec<_>>()
    };
    assert_eq!(failed(&app, batch("orders.fifo")).await, ["m1", "m3", "m4", "m6"]);
    assert_eq!(calls.take(), ["a", "retry b", "c", "panic e", "f"]);
    assert_eq!(failed(&app, batch("orders")).await, ["m1", "m4"], "a standard queue's groups are no order");
}

proptest! {
    /// However groups and failures are mixed: what was not reported was done, and after a failure nothing of its group.
    #[test]
    fn no_message_of_a_group_overtakes_a_failed_one(messages in prop::collection::vec((0..3_usize, prop::bool::weighted(0.2)), 1..20)) {
        let (app, calls) = app();
        let body = |n: usize, bad: bool| json!(format!("{} {n}", if bad { "retry" } else { "fine" })).to_string();
        let record = |(n, (group, bad)): (usize, &(usize, bool))| {
            message("orders.fifo", &format!("m{n}"), Some(&format!("g{group}")), &body(n, *bad))
        };
        let batch = messages.iter().enumerate().map(record).collect();
        let failed = block_on(failed(&app, batch));
        let mut stopped = [false; 3];
        let (mut expected, mut called) = (Vec::new(), 0);
        for (n, (group, bad)) in messages.iter().enumerate() {
            called += usize::from(!stopped[*group]);
            stopped[*group] |= bad;
            if stopped[*group] {
                expected.push(n);
            }
        }
        prop_assert_eq!(failed, ids(expected));
        prop_assert_eq!(calls.take().len(), called);
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[tokio::test]
async fn a_message_may_be_an_event_in_any_envelope() {
    let (app, calls) = app();
    let cloud_event = json!({"specversion": "1.0", "id": "1", "source": "/x", "type": "t", "data": "event"});
    let version_0_1 =
        json!({"cloudEventsVersion": "0.1", "eventID": "1", "source": "/x", "eventType": "t", "data": "0.1"});
    let bridge = json!({"version": "0", "id": "7", "detail-type": "t", "source": "app", "account": "1",
        "time": "2026-01-01T00:00:00Z", "region": "eu-central-1", "resources": [], "detail": "bridge"});
    let notification = |message: &str| {
        json!({"Type": "Notification", "MessageId": "n", "TopicArn": "arn:aws:sns:eu-central-1:1:t", "Message": message,
            "Timestamp": "2026-01-01T00:00:00Z"})
    };
    let events = [
        json!("plain"),
        cloud_event.clone(),
        version_0_1,
        bridge,
        notification("\"notified\""),
        notification(&cloud_event.to_string()),
    ];
    let records = events
        .iter()
        .enumerate()
        .map(|(n, event)| message("orders", &format!("m{n}"), None, &event.to_string()));
    assert_eq!(failed(&app, records.collect()).await, Vec::<String>::new());
    assert_eq!(calls.take(), ["plain", "event", "0.1", "bridge", "notified", "event"]);
}

#[tokio::test]
async fn bodies_reach_extractors_as_they_are() {
    let (app, calls) = app();
    let records = vec![
        message("raw", "m1", None, "{\"specversion\": 7, \"n\": 1}"),
        message("raw", "m2", None, "not json"),
        message("text", "m3", None, "not json"),
        message("text", "m4", None, "[1]"),
    ];
    assert_eq!(failed(&app, records).await, ["m2"]);
    assert_eq!(calls.take(), ["{\"n\":1,\"specversion\":7}", "not json", "[1]"]);
}

#[tokio::test]
async fn messages_without_a_queue_function_go_to_the_subscribers_of_the_event() {
    let (app, calls) = app();
    let paid =
        json!({"specversion": "1.0", "id": "1", "source": "/x", "type": "order.paid", "data": {"n": 1}});
    let records = vec![
        message("buffer", "m1", None, &paid.to_string()),
        message("buffer", "m2", None, "{}"),
        message(
            "buffer",
            "m3",
            None,
            "{\"specversion\":\"9\",\"id\":\"1\",\"source\":\"/x\",\"type\":\"t\"}",
        ),
    ];
    assert_eq!(failed(&app, records).await, ["m2", "m3"]);
    assert_eq!(calls.take(), ["order.paid {\"n\":1}"]);
}
