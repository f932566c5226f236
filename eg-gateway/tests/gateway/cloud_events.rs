//! CloudEvents over HTTP, in every version and mode: a function gets an event in the version that it was emitted in.

use std::time::Duration;

use reqwest::Response;
use serde_json::{Value, json};

use crate::support::{CLOUDEVENTS, Functions, TestGateway};

const BATCH: &str = "application/cloudevents-batch+json";

async fn post(gateway: &TestGateway, headers: &[(&str, &str)], body: &str) -> Response {
    let mut request = gateway.api.client.post(&gateway.api.events);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.to_owned()).send().await.unwrap()
}

async fn subscribed(gateway: TestGateway, functions: &Functions) -> TestGateway {
    gateway.api.event_type("e").await;
    gateway.api.http_function("f", &functions.url("/")).await;
    gateway.api.subscribe("e", "f").await;
    gateway
}

/// How many events are on disk.
fn stored(gateway: &TestGateway) -> u32 {
    crate::support::stored(&gateway.dir, "SELECT count(*) AS value FROM events")[0].parse().unwrap()
}

#[tokio::test]
async fn versions_and_modes() {
    let mut functions = Functions::accepting().await;
    // It is the same event each time.
    let gateway = TestGateway::with(|options| options.dedupe_window = Duration::ZERO).await;
    let gateway = subscribed(gateway, &functions).await;
    let v0 =
        r#"{"eventType":"e","cloudEventsVersion":"0.1","source":"/s","eventID":"1","data":{"z":1,"a":2}}"#;
    let v1 = r#"{"specversion":"1.0","id":"1","source":"/s","type":"e","data":{"z":1,"a":2}}"#;
    let binary_v0 =
        [("ce-eventtype", "e"), ("ce-cloudeventsversion", "0.1"), ("ce-source", "/s"), ("ce-eventid", "1")];
    let binary_v1 = [("ce-type", "e"), ("ce-specversion", "1.0"), ("ce-source", "/s"), ("ce-id", "1")];
    for (headers, body, expected) in [
        (&[("content-type", CLOUDEVENTS)][..], v0, &[v0][..]),
        (&[("content-type", CLOUDEVENTS)], v1, &[v1]),
        (&binary_v0, "raw", &[&v0.replace(r#"{"z":1,"a":2}"#, r#""cmF3""#)]),
        (&binary_v1, "raw", &[&v1.replace(r#""data":{"z":1,"a":2}"#, r#""data_base64":"cmF3""#)]),
        (&[("content-type", BATCH)], &format!("[{v0},{v1}]"), &[v0, v1]),
    ] {
        let response = post(&gateway, headers, body).await;
        assert_eq!(
            (response.status().as_u16(), response.text().await.unwrap().as_str()),
            (202, ""),
            "{body}"
        );
        let mut delivered = Vec::new();
        for _ in expected {
            delivered.push(String::from_utf8(functions.next_call().await.body.to_vec()).unwrap());
        }
        delivered.sort();
        assert_eq!(delivered, expected, "{headers:?}");
    }
}

#[tokio::test]
async fn a_batch_is_accepted_whole_or_not_at_all() {
    let mut functions = Functions::accepting().await;
    let gateway = subscribed(TestGateway::start().await, &functions).await;
    gateway.api.event_type("ask").await;
    let ask = json!({ "type": "sync", "eventType": "ask", "functionId": "f" });
    gateway.api.create("subscriptions", ask).await;
    let event = |ty: &str| json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": ty });
    for (last, problem) in [
        (json!({ "specversion": "1.0", "id": "1", "source": "/s" }), "event 2 of the batch"),
        (event("eventgateway.function.invoked"), "is reserved"),
        (event("ask"), "a batch has no place for answers"),
    ] {
        let response =
            post(&gateway, &[("content-type", BATCH)], &json!([event("e"), last]).to_string()).await;
        assert_eq!(response.status(), 400);
        let error: Value = response.json().await.unwrap();
        assert!(error["errors"][0]["message"].as_str().unwrap().contains(problem), "{error}");
    }
    assert_eq!(stored(&gateway), 0);
    assert_eq!(post(&gateway, &[("content-type", BATCH)], "[]").await.status(), 202);
    assert_eq!(stored(&gateway), 0);
    // An event counts once, whether it comes again in the same batch or in another.
    let event = |n: u32| json!({ "specversion": "1.0", "id": n.to_string(), "source": "/s", "type": "e" });
    let batch: Vec<_> = (0..51).map(|n| event(n % 50)).collect();
    for _ in 0..2 {
        assert_eq!(post(&gateway, &[("content-type", BATCH)], &json!(batch).to_string()).await.status(), 202);
        assert_eq!(stored(&gateway), 50);
    }
    for _ in 0..50 {
        functions.next_call().await;
    }
    gateway.gateway.shutdown().await;
    assert!(functions.try_call().is_none());
}
