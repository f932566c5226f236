//! Records of streams: one call each, in the order of their shard, and the first failure of each shard in the form that
//! Lambda wants. Events of AWS's services from EventBridge.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eg_runtime::testing::{Outcome, TestApp};
use eg_runtime::{App, Bytes, Change, ChangeKind, CloudEvent, Error, Json, State, stream, subscribe};
use proptest::prelude::*;
use serde::Deserialize;
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

#[derive(Debug, PartialEq, Deserialize)]
struct Order {
    id: String,
    count: f64,
    #[serde(default)]
    tags: Vec<String>,
}

#[stream(dynamodb("orders"), batch_size = 100, window = "5s", retry(attempts = 5, max_age = "1h"))]
async fn order(State(calls): State<Calls>, event: CloudEvent<Change<Order>>) -> Result<(), Error> {
    let change = event.data;
    let count = |order: Option<Order>| order.map_or_else(|| "-".to_owned(), |order| order.count.to_string());
    let kind = match change.kind {
        ChangeKind::Insert => "insert",
        ChangeKind::Modify => "modify",
        ChangeKind::Remove => "remove",
        _ => "?",
    };
    let id = &change.keys["id"];
    calls.note(&format!("{kind} {id} {} {}", count(change.old), count(change.new)))
}

#[stream(kinesis("clicks"))]
async fn click(State(calls): State<Calls>, event: CloudEvent<Value>) -> Result<(), Error> {
    calls.note(&format!("{} {} {}", event.ty(), event.subject().unwrap_or_default(), event.data))
}

#[stream(kafka("visits"))]
#[stream(kinesis("visits"))]
async fn visit(State(calls): State<Calls>, Json(visit): Json<Value>) -> Result<(), Error> {
    calls.note(&visit.to_string())
}

#[stream(kinesis("binary"))]
async fn binary(State(calls): State<Calls>, bytes: Bytes) -> Result<(), Error> {
    calls.note(&format!("{bytes:?}"))
}

#[subscribe(eventbridge(
    source = "aws.s3",
    detail_type = ["Object Created", "Object Deleted"],
    detail = {"bucket": {"name": ["pictures"]}},
))]
async fn picture(State(calls): State<Calls>, event: CloudEvent<Value>) -> Result<(), Error> {
    calls.note(&format!("{} {}", event.ty(), event.data["object"]["key"]))
}

fn app() -> (TestApp, Calls) {
    let calls = Calls::default();
    (TestApp::new(App::new().state(calls.clone())).unwrap(), calls)
}

fn change(number: &str, name: &str, images: &Value) -> Value {
    let mut record = json!({"SequenceNumber": number, "Keys": {"id": {"S": "10"}}, "ApproximateCreationDateTime": 1769860800.0});
    record.as_object_mut().unwrap().extend(images.as_object().unwrap().clone());
    json!({
        "eventID": format!("e{number}"), "eventName": name, "eventSource": "aws:dynamodb", "dynamodb": record,
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2026-01-31T00:00:00.000",
    })
}

fn click_record(stream: &str, shard: usize, number: usize, data: &[u8]) -> Value {
    json!({
        "kinesis": {"partitionKey": "k", "sequenceNumber": format!("s{number}"), "data": STANDARD.encode(data),
            "approximateArrivalTimestamp": 1769860800.123},
        "eventSource": "aws:kinesis", "eventID": format!("shardId-{shard}:s{number}"), "eventName": "aws:kinesis:record",
        "eventSourceARN": format!("arn:aws:kinesis:us-east-1:000000000000:stream/{stream}"),
    })
}

/// Invokes the app with records, and returns the ids that it reports.
async fn reported(app: &TestApp, records: &[Value]) -> Value {
    let answer = app.invoke(&json!({ "Records": records }).to_string()).await.unwrap();
    let items = answer["batchItemFailures"].as_array().unwrap();
    items.iter().map(|item| item["itemIdentifier"].clone()).collect()
}

#[tokio::test]
async fn changes_of_a_table_have_both_images() {
    let (app, calls) = app();
    let image = |count: &str| json!({"id": {"S": "10"}, "count": {"N": count}, "tags": {"SS": ["a"]}});
    let records = [
        change("1", "INSERT", &json!({"NewImage": image("1")})),
        change("2", "MODIFY", &json!({"OldImage": image("1"), "NewImage": image("2.5")})),
        change("3", "REMOVE", &json!({"OldImage": image("2.5")})),
        change("4", "MODIFY", &json!({})),
    ];
    assert_eq!(reported(&app, &records).await, json!([]));
    let expected = ["insert \"10\" - 1", "modify \"10\" 1 2.5", "remove \"10\" 2.5 -", "modify \"10\" - -"];
    assert_eq!(calls.take(), expected);
}

/// An image that the function cannot read, and one that DynamoDB would not write.
#[tokio::test]
async fn a_record_that_cannot_be_read_stops_its_shard() {
    let (app, calls) = app();
    let fine = change("1", "INSERT", &json!({"NewImage": {"id": {"S": "10"}, "count": {"N": "1"}}}));
    let behind = change("3", "INSERT", &json!({"NewImage": {"id": {"S": "11"}, "count": {"N": "1"}}}));
    for wrong in [json!({"NewImage": {"id": {"N": "10"}}}), json!({"NewImage": {"id": {"X": "10"}}})] {
        let records = [fine.clone(), change("2", "INSERT", &wrong), behind.clone()];
        assert_eq!(reported(&app, &records).await, json!(["2"]));
        assert_eq!(calls.take().len(), 1, "nothing behind the failure is handled");
    }
    assert_eq!(reported(&app, &[fine, change("2", "EXPLODE", &json!({})), behind]).await, json!(["2"]));
}

#[tokio::test]
async fn a_record_is_its_content_or_the_event_in_it() {
    let (app, calls) = app();
    let event = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "page.seen", "subject": "home", "data": 1});
    let records = [
        click_record("clicks", 0, 1, b"{\"page\":1}"),
        click_record("clicks", 0, 2, b"\"plain\""),
        click_record("clicks", 0, 3, event.to_string().as_bytes()),
    ];
    assert_eq!(reported(&app, &records).await, json!([]));
    let seen = calls.take();
    assert_eq!(seen[0], "com.amazonaws.kinesis.Record k {\"page\":1}");
    assert_eq!(
        (seen[1].as_str(), seen[2].as_str()),
        ("com.amazonaws.kinesis.Record k \"plain\"", "page.seen home 1")
    );
    assert_eq!(reported(&app, &[click_record("binary", 0, 1, &[0, 255])]).await, json!([]));
    assert_eq!(calls.take(), ["b\"\\0\\xff\""]);
}

#[tokio::test]
async fn kafka_reports_partition_and_offset() {
    let (app, calls) = app();
    let record = |partition: u32, offset: u32, value: Option<&str>| {
        json!({"topic": "visits", "partition": partition, "offset": offset, "timestamp": 1_769_860_800_000_i64,
            "key": STANDARD.encode("k"), "value": value.map(|value| STANDARD.encode(value))})
    };
    for source in ["aws:kafka", "SelfManagedKafka"] {
        let batch = json!({"eventSource": source, "bootstrapServers": "b-1:9092,b-2:9092", "records": {
            "visits-0": [record(0, 15, Some("1")), record(0, 16, Some("\"retry\"")), record(0, 17, Some("3"))],
            "visits-1": [record(1, 7, None), record(1, 8, Some("5"))],
        }});
        let answer = app.invoke(&batch.to_string()).await.unwrap();
        let failed = json!([{"itemIdentifier": {"partition": "visits-0", "offset": 16}}]);
        assert_eq!(answer["batchItemFailures"], failed);
        assert_eq!(answer["errors"], json!({"visits-0-16": "later"}));
        assert_eq!(calls.take(), ["1", "\"retry\"", "null", "5"]);
    }
}

#[tokio::test]
async fn a_panic_and_a_rejection_stop_their_shard_like_a_failure() {
    let (app, calls) = app();
    for how in ["panic", "reject", "retry"] {
        let failing = format!("\"{how}\"");
        let records = [
            click_record("visits", 0, 1, b"1"),
            click_record("visits", 0, 2, failing.as_bytes()),
            click_record("visits", 1, 3, b"3"),
            click_record("visits", 0, 4, b"4"),
        ];
        assert_eq!(reported(&app, &records).await, json!(["s2"]));
        assert_eq!(calls.take(), ["1", &failing, "3"]);
    }
}

#[tokio::test]
async fn a_stream_of_nobody_is_reported() {
    let (app, calls) = app();
    assert_eq!(reported(&app, &[click_record("unknown", 0, 1, b"1")]).await, json!(["s1"]));
    assert!(calls.take().is_empty());
    // A function that is served alone reads every stream, because deployed streams have other names.
    let records = json!({"Records": [click_record("stack-clicks-1", 0, 1, b"1")]});
    assert_eq!(app.call("click", &records).await.unwrap()["batchItemFailures"], json!([]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever fails: each shard is handled in order up to its first failure, which is the only record of it that is
    /// reported.
    #[test]
    fn nothing_behind_a_failure_is_handled(given in prop::collection::vec((0..3_usize, prop::bool::weighted(0.2)), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (app, calls) = app();
        let content = |(n, &(_, fails)): (usize, &(usize, bool))| format!("\"{n}{}\"", if fails { " retry" } else { "" });
        let records: Vec<_> = given
            .iter()
            .enumerate()
            .map(|(n, one)| click_record("visits", one.0, n, content((n, one)).as_bytes()))
            .collect();
        let reports = runtime.block_on(reported(&app, &records));
        let before = |n: usize| given[..n].iter().any(|(shard, fails)| *shard == given[n].0 && *fails);
        let handled: Vec<_> = given.iter().enumerate().filter(|(n, _)| !before(*n)).map(content).collect();
        prop_assert_eq!(calls.take(), handled);
        let failed: Vec<_> =
            (0..given.len()).filter(|n| given[*n].1 && !before(*n)).map(|n| Value::from(format!("s{n}"))).collect();
        prop_assert_eq!(reports, Value::from(failed));
    }
}

#[tokio::test]
async fn events_of_aws_reach_who_subscribes_to_their_source_and_type() {
    let (app, calls) = app();
    let event = |source: &str, ty: &str| {
        json!({"version": "0", "id": "1", "detail-type": ty, "source": source, "account": "000000000000",
            "time": "2026-01-31T12:00:00Z", "region": "us-east-1", "resources": ["arn:aws:s3:::pictures"],
            "detail": {"bucket": {"name": "pictures"}, "object": {"key": "a.png"}}})
    };
    app.invoke(&event("aws.s3", "Object Created").to_string()).await.unwrap();
    assert_eq!(calls.take(), ["Object Created \"a.png\""]);
    for other in [event("aws.ec2", "Object Created"), event("aws.s3", "Object Restored")] {
        let error = app.invoke(&other.to_string()).await.unwrap_err();
        assert!(
            error.error_message.contains("`picture` takes `Object Created`, `Object Deleted` from aws.s3"),
            "{error}"
        );
    }
    // The gateway delivers the same event as a CloudEvent.
    let event = json!({"specversion": "1.0", "id": "1", "source": "aws.s3", "type": "Object Deleted", "data": {"object": {"key": 1}}});
    let deliveries = app.deliver(serde_json::from_value::<CloudEvent>(event).unwrap()).await.unwrap();
    assert_eq!((deliveries[0].function, &deliveries[0].outcome), ("picture", &Outcome::Done));
}
