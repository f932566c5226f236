//! Tests emitting to EventBridge, with a server that implements `PutEvents`, checks signatures, and fails on demand.

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eg_sdk::config::Aws;
use eg_sdk::eventbridge::DetailFormat;
use eg_sdk::{CloudEvent, Data, Error, EventBus, EventGateway, RetryPolicy, Settings, TraceContext};
use serde_json::{Value, json};

use crate::server::{Seen, Server, json as answer, nobody, status};
use crate::signature::{SECRET, Signed, is_signed};

/// A call of EventBridge in a region.
fn call_of(region: &str) -> Signed<'_> {
    let headers = &["content-type", "host", "x-amz-date", "x-amz-security-token", "x-amz-target"];
    Signed { service: "events", region, path: "/", headers }
}

fn settings(endpoint: &str, bus: &str) -> Settings {
    let mut event_bus = EventBus::new(bus);
    event_bus.aws = Aws::new("eu-central-1");
    event_bus.aws.aws_access_key_id = Some("AKIDEXAMPLE".into());
    event_bus.aws.aws_secret_access_key = Some(SECRET.into());
    event_bus.aws.aws_session_token = Some("the/token==".into());
    event_bus.endpoint = Some(endpoint.to_owned());
    let mut settings = Settings::default();
    settings.event_bus = Some(event_bus);
    settings
}

fn gateway(endpoint: &str) -> EventGateway {
    let mut policy = RetryPolicy::default();
    policy.attempts = 20;
    policy.base = Duration::from_millis(1);
    EventGateway::with_settings(settings(endpoint, "shop")).unwrap().with_retry(policy)
}

fn event(id: usize) -> CloudEvent {
    CloudEvent::of_type("order.paid", "/shop", json!({"order": id})).with_id(id.to_string()).encode().unwrap()
}

/// Returns the ids of the events in a call.
fn ids(call: &Seen) -> Vec<usize> {
    let id = |entry: &Value| {
        let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
        let id = detail.pointer("/ce/id").unwrap_or(&detail["id"]);
        id.as_str().unwrap().parse().unwrap()
    };
    call.json()["Entries"].as_array().unwrap().iter().map(id).collect()
}

/// Accepts every entry except those for which `code` returns an error code.
fn put_events(call: &Seen, mut code: impl FnMut(usize) -> Option<&'static str>) -> axum::response::Response {
    let entries: Vec<_> = ids(call)
        .into_iter()
        .map(|id| match code(id) {
            Some(code) => json!({"ErrorCode": code, "ErrorMessage": format!("no {id}")}),
            None => json!({"EventId": format!("bus-{id}")}),
        })
        .collect();
    let failed = entries.iter().filter(|entry| entry["ErrorCode"].is_string()).count();
    answer(200, &json!({"FailedEntryCount": failed, "Entries": entries}))
}

#[tokio::test]
async fn an_emit_is_one_signed_call() {
    let server = Server::start(|_, call| put_events(call, |_| None)).await;
    let trace = TraceContext::root();
    let gateway = gateway(&server.url).with_trace_context(trace.clone());
    let time = eg_sdk::OffsetDateTime::from_unix_timestamp(1_767_323_045).unwrap();
    let receipt = gateway.emit(event(7).with_time(time)).await.unwrap();
    assert_eq!(receipt.id, "7");
    let [call] = &server.seen()[..] else { panic!("one call") };
    assert_eq!(call.line(), "POST /");
    assert_eq!(call.header("x-amz-target"), Some("AWSEvents.PutEvents"));
    assert_eq!(call.header("content-type"), Some("application/x-amz-json-1.1"));
    assert_eq!(call.header("x-amz-security-token"), Some("the/token=="));
    assert!(is_signed(call, &call_of("eu-central-1")), "{call:?}");
    let (id, span) = (trace.trace_id(), trace.span_id());
    assert_eq!(
        call.json(),
        json!({"Entries": [{
            "Time": 1_767_323_045,
            "Source": "/shop",
            "DetailType": "order.paid",
            "Detail": format!(r#"{{"order":7,"ce":{{"specversion":"1.0","id":"7","time":"2026-01-02T03:04:05Z","datacontenttype":"application/json","traceparent":"{trace}"}}}}"#),
            "EventBusName": "shop",
            "TraceHeader": format!("Root=1-{}-{};Parent={span};Sampled=1", &id[..8], &id[8..]),
        }]})
    );
}

#[tokio::test]
async fn the_region_of_an_arn_wins() {
    let server = Server::start(|_, call| put_events(call, |_| None)).await;
    let arn = "arn:aws:events:us-west-2:123456789012:event-bus/shop";
    EventGateway::with_settings(settings(&server.url, arn)).unwrap().emit(event(1)).await.unwrap();
    let call = &server.seen()[0];
    assert!(is_signed(call, &call_of("us-west-2")));
    assert_eq!(call.json()["Entries"][0]["EventBusName"], arn);
}

#[tokio::test]
async fn batches_are_cut_by_count_and_bytes() {
    let server = Server::start(|_, call| put_events(call, |_| None)).await;
    let results = gateway(&server.url).emit_batch((0..25).map(event)).await;
    assert!(results.iter().all(Result::is_ok));
    let calls: Vec<_> = server.seen().iter().map(ids).collect();
    assert_eq!(calls, [(0..10).collect::<Vec<_>>(), (10..20).collect(), (20..25).collect()]);

    let server = Server::start(|_, call| put_events(call, |_| None)).await;
    let mut small = settings(&server.url, "shop");
    small.event_bus.as_mut().unwrap().max_event_bytes = 400;
    let small = EventGateway::with_settings(small).unwrap();
    let large = |id: usize| {
        let data = json!({"p": "x".repeat(id * 10)});
        CloudEvent::of_type("t", "/s", data).with_id(id.to_string()).with_time(None).encode().unwrap()
    };
    let results = small.emit_batch((1..40).map(large)).await;
    let sizes: Vec<usize> = server
        .seen()
        .iter()
        .map(|call| {
            let entries = call.json()["Entries"].clone();
            let size = |entry: &Value| {
                ["Source", "DetailType", "Detail"]
                    .map(|f| entry[f].as_str().unwrap().len())
                    .iter()
                    .sum::<usize>()
            };
            entries.as_array().unwrap().iter().map(size).sum()
        })
        .collect();
    assert!(sizes.iter().all(|size| *size <= 400) && sizes.len() > 3, "{sizes:?}");
    let accepted: Vec<usize> = server.seen().iter().flat_map(ids).collect();
    for (id, result) in (1..40).zip(results) {
        match result {
            Ok(receipt) => assert!(receipt.id == id.to_string() && accepted.contains(&id)),
            Err(e @ Error::Entry { .. }) => {
                assert_eq!(e.to_string(), format!("event `t` (id {id}) cannot go to EventBridge"));
                assert!(e.source().unwrap().to_string().contains("the limit is 400"));
                assert!(!accepted.contains(&id));
            }
            Err(e) => panic!("{e}"),
        }
    }
    assert_eq!(accepted, (1..=accepted.len()).collect::<Vec<_>>());
}

#[tokio::test]
async fn only_failed_entries_are_sent_again_in_their_order() {
    let server = Server::start(|n, call| {
        put_events(call, |id| match (n, id % 3) {
            (0, 0) => Some("ThrottlingException"),
            (1, 0) if id > 3 => Some("InternalFailure"),
            _ => None,
        })
    })
    .await;
    let results = gateway(&server.url).emit_batch((0..10).map(event)).await;
    assert!(results.iter().all(Result::is_ok));
    let calls: Vec<_> = server.seen().iter().map(ids).collect();
    assert_eq!(calls, [(0..10).collect(), vec![0, 3, 6, 9], vec![6, 9]]);
    assert!(server.seen().iter().all(|call| is_signed(call, &call_of("eu-central-1"))));
}

#[tokio::test]
async fn permanent_failures_are_reported_for_their_event_alone() {
    let server = Server::start(|_, call| put_events(call, |id| (id == 1).then_some("NotAuthorized"))).await;
    let results = gateway(&server.url).emit_batch((0..3).map(event)).await;
    assert_eq!(server.seen().len(), 1);
    assert!(results[0].is_ok() && results[2].is_ok());
    assert_eq!(
        results[1].as_ref().unwrap_err().to_string(),
        "cannot emit event `order.paid` (id 1): event bus `shop` refused it: NotAuthorized: no 1"
    );
}

#[tokio::test]
async fn attempts_are_bounded_for_entries_that_keep_failing() {
    let server = Server::start(|_, call| put_events(call, |_| Some("ThrottlingException"))).await;
    let mut policy = RetryPolicy::default();
    policy.attempts = 3;
    policy.base = Duration::from_millis(1);
    let e = gateway(&server.url).with_retry(policy).emit(event(1)).await.unwrap_err();
    assert!(e.to_string().ends_with("ThrottlingException: no 1"), "{e}");
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn calls_that_fail_as_a_whole_are_repeated_if_that_can_help() {
    let throttled =
        json!({"__type": "com.amazon.coral.availability#ThrottlingException", "message": "Rate exceeded"});
    for (first, calls) in [(answer(400, &throttled), 2), (status(503), 2), (status(500), 2)] {
        let first = Mutex::new(Some(first));
        let server = Server::start(move |_, call| {
            first.lock().unwrap().take().unwrap_or_else(|| put_events(call, |_| None))
        })
        .await;
        let results = gateway(&server.url).emit_batch((0..2).map(event)).await;
        assert!(results.iter().all(Result::is_ok));
        assert_eq!(server.seen().len(), calls);
    }
    let expired = json!({"__type": "ExpiredTokenException", "Message": "The security token is expired"});
    let server = Server::start(move |_, _| answer(400, &expired)).await;
    let results = gateway(&server.url).emit_batch((0..2).map(event)).await;
    assert_eq!(server.seen().len(), 1);
    for (id, result) in results.iter().enumerate() {
        let e = result.as_ref().unwrap_err();
        assert_eq!(
            e.to_string(),
            format!("cannot emit event `order.paid` (id {id}): the call that held it failed")
        );
        assert_eq!(e.status(), Some(400));
        let reason = e.source().unwrap().to_string();
        assert!(
            reason.ends_with("answered 400: ExpiredTokenException: The security token is expired"),
            "{reason}"
        );
    }
    let e = gateway(&server.url).emit(event(1)).await.unwrap_err();
    assert!(matches!(e, Error::Refused { status: 400, .. }), "{e}");
}

#[tokio::test]
async fn answers_that_are_none_are_errors() {
    for (body, expected) in [
        (json!({"FailedEntryCount": 0, "Entries": []}), "it has 0 results for 1 events"),
        (json!({"Other": 1}), "missing field `Entries`"),
    ] {
        let server = Server::start(move |_, _| answer(200, &body)).await;
        let e = gateway(&server.url).emit(event(1)).await.unwrap_err().to_string();
        assert!(e.contains(expected) && e.contains("unexpected answer"), "{e}");
        assert_eq!(server.seen().len(), 1);
    }
    let url = nobody().await;
    let e = gateway(&url).with_retry(RetryPolicy::none()).emit(event(1)).await.unwrap_err();
    assert_eq!(e.to_string(), format!("cannot emit event `order.paid` (id 1): no answer from {url}/"));
    assert!(matches!(e, Error::NoAnswer { .. }) && e.source().is_some());
}

#[tokio::test]
async fn what_eventbridge_refuses_is_not_sent() {
    let server = Server::start(|_, call| put_events(call, |_| None)).await;
    let reserved = CloudEvent::of_type("t", "aws.mine", json!({})).encode().unwrap();
    let array = CloudEvent::of_type("t", "/s", json!([1])).with_id("4").encode().unwrap();
    let results =
        gateway(&server.url).emit_batch([reserved, event(2), array.clone(), event(3).with_id("")]).await;
    assert_eq!(ids(&server.seen()[0]), [2]);
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true, false, false]);
    let mut whole = settings(&server.url, "shop");
    whole.event_bus.as_mut().unwrap().detail = DetailFormat::CloudEvent;
    EventGateway::with_settings(whole).unwrap().emit(array.clone()).await.unwrap();
    let entry = server.seen()[1].json()["Entries"][0].clone();
    let detail = entry["Detail"].as_str().unwrap();
    assert_eq!(CloudEvent::from_json(detail.as_bytes()).unwrap(), array);
}

#[test]
fn what_is_missing_is_named() {
    let check = |change: fn(&mut EventBus), expected: &str| {
        let mut settings = settings("http://h", "shop");
        change(settings.event_bus.as_mut().unwrap());
        let e = EventGateway::with_settings(settings).unwrap_err().to_string();
        assert!(e.contains(expected), "{e}");
    };
    check(
        |bus| bus.aws.region.clear(),
        "EVENT_BUS is set to `shop`, but its region is not known; set AWS_REGION",
    );
    check(|bus| bus.aws.aws_access_key_id = None, "there are no credentials; set AWS_ACCESS_KEY_ID");
    check(|bus| bus.aws.aws_secret_access_key = None, "AWS_SECRET_ACCESS_KEY");
    check(|bus| bus.endpoint = Some("nonsense".to_owned()), "`nonsense`");
    let debug = format!("{:?}", EventGateway::with_settings(settings("http://h", "shop")).unwrap());
    assert!(!debug.contains(SECRET) && !debug.contains("the/token"), "{debug}");
}

#[tokio::test]
async fn requests_go_to_the_gateway_all_the_same() {
    let bus = Server::start(|_, call| put_events(call, |_| None)).await;
    let server = Server::start(|_, _| answer(200, &json!({"ok": true}))).await;
    let mut both = settings(&bus.url, "shop");
    both.url.clone_from(&server.url);
    let gateway = EventGateway::with_settings(both).unwrap();
    assert_eq!(gateway.request(event(1)).await.unwrap().status, 200);
    gateway.emit(event(2)).await.unwrap();
    assert_eq!((server.seen().len(), bus.seen().len()), (1, 1));
}

/// A fifth of all entries and a twentieth of all calls fail, from a fixed seed. Events that are reported as accepted
/// were accepted once, and only failed ones are sent again, in order. Set `EG_TESTS_BATCHES=100000` for the long run.
#[tokio::test]
async fn under_seeded_failures_everything_arrives_exactly_once() {
    /// The calls that the bus received for one batch, and how often it accepted each event.
    #[derive(Default)]
    struct Bus {
        calls: Vec<Vec<usize>>,
        taken: HashMap<usize, u32>,
    }
    let batches: usize = std::env::var("EG_TESTS_BATCHES").map_or(200, |number| number.parse().unwrap());
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    let percent = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % 100
    };
    let bus: Arc<Mutex<Bus>> = Arc::default();
    let (shared, random) = (Arc::clone(&bus), Mutex::new(percent));
    let server = Server::start(move |_, call| {
        let mut random = random.lock().unwrap();
        let mut bus = shared.lock().unwrap();
        if random() < 5 {
            return status(500);
        }
        bus.calls.push(ids(call));
        put_events(call, |id| {
            if random() < 20 {
                return Some("InternalException");
            }
            *bus.taken.entry(id).or_default() += 1;
            None
        })
    })
    .await;
    let mut policy = RetryPolicy::default();
    policy.attempts = 50;
    policy.base = Duration::from_millis(1);
    policy.cap = policy.base;
    let gateway = gateway(&server.url).with_retry(policy);
    let mut again = 0;
    for batch in 0..batches {
        let results = gateway.emit_batch((batch * 10..batch * 10 + 10).map(event)).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        let Bus { calls, taken } = std::mem::take(&mut *bus.lock().unwrap());
        assert_eq!((taken.len(), taken.values().max()), (10, Some(&1)), "{calls:?}");
        assert!(calls.iter().all(|call| call.is_sorted()), "{calls:?}");
        again += calls.len() - 1;
    }
    assert!(again > batches / 2, "{again} calls were needed again");
}

#[tokio::test]
async fn an_empty_payload_is_an_event_too() {
    let server = Server::start(|_, call| put_events(call, |_| None)).await;
    gateway(&server.url).emit(CloudEvent::of_type("t", "/s", Data::Empty).with_id("5")).await.unwrap();
    assert_eq!(ids(&server.seen()[0]), [5]);
}

/// Run by `tests/event_bus_on_moto.py`, which then checks what the bus has delivered.
#[tokio::test]
#[ignore = "needs the server that `python3 eg-sdk/tests/event_bus_on_moto.py` starts"]
async fn the_bus_of_the_environment_gets_the_events() {
    let results = EventGateway::from_env().unwrap().emit_batch((0..25).map(event)).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}
