//! Functions of type `webhook`: receivers verify what the gateway sends.

use eg_tests::python::python;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Functions, TestGateway};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEXT: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Verifies a webhook with the official library, and prints the event's id.
const VERIFY: &str = "
import json, sys
from standardwebhooks.webhooks import Webhook
secret, body, headers = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
print(Webhook(secret).verify(body, headers)['id'])
";

fn webhook(url: &str, secrets: &[&str]) -> Value {
    json!({ "functionId": "hook", "type": "webhook", "provider": { "url": url, "secrets": secrets } })
}

#[tokio::test]
async fn receivers_verify_each_attempt() {
    let mut receiver = Functions::start(|call| match call.json()["id"].as_str() {
        Some("fails") => Answer::Http(500, "later".to_owned()),
        _ => Answer::Http(200, String::new()),
    })
    .await;
    let gateway =
        TestGateway::with(|options| options.retry.max_backoff = std::time::Duration::from_millis(1)).await;
    let api = &gateway.api;
    api.event_type("e").await;
    let url = receiver.url("/hooks");
    api.create("functions", webhook(&url, &[SECRET, NEXT])).await;
    let retry = json!({ "attempts": 2 });
    api.create(
        "subscriptions",
        json!({ "type": "async", "eventType": "e", "functionId": "hook", "retry": retry }),
    )
    .await;
    let mut ids = Vec::new();
    for id in ["fails", "works"] {
        api.emit("e", id).await;
        for _ in 0..if id == "fails" { 2 } else { 1 } {
            let call = receiver.next_call().await;
            assert_eq!((call.path.as_str(), &call.json()["id"]), ("/hooks", &json!(id)));
            let headers: serde_json::Map<String, Value> =
                ["webhook-id", "webhook-timestamp", "webhook-signature"]
                    .map(|name| (name.to_owned(), json!(call.headers[name].to_str().unwrap())))
                    .into_iter()
                    .collect();
            assert_eq!(headers["webhook-signature"].as_str().unwrap().split(' ').count(), 2);
            let headers_json = Value::from(headers.clone()).to_string();
            // During a rotation, receivers have one secret or the other.
            for secret in [SECRET, NEXT] {
                let body = std::str::from_utf8(&call.body).unwrap();
                let Some(output) = python(VERIFY, &[secret, body, &headers_json]) else { return };
                let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                assert_eq!(printed, id, "{}", String::from_utf8_lossy(&output.stderr));
            }
            ids.push(headers["webhook-id"].as_str().unwrap().to_owned());
        }
    }
    assert!(ids[0] == ids[1] && ids[1] != ids[2], "an attempt has the id of the one before: {ids:?}");
}

#[tokio::test]
async fn secrets_can_be_written_and_not_read() {
    let gateway = TestGateway::start().await;
    let api = &gateway.api;
    let created = api.create("functions", webhook("http://127.0.0.1:1/x", &[SECRET, NEXT])).await;
    assert_eq!(created["provider"]["secrets"], json!(["*****", "*****"]));
    let (status, read) = api.config(Method::GET, "default/functions/hook", "").await;
    assert_eq!(status, 200);
    assert!(!read.contains("whsec_"), "{read}");
    // What was read can be written back, as long as the host stays.
    let (status, answer) = api.config(Method::PUT, "default/functions/hook", read.clone()).await;
    assert_eq!(status, 200, "{answer}");
    let (status, answer) =
        api.config(Method::PUT, "default/functions/hook", read.replace("127.0.0.1:1", "127.0.0.1:2")).await;
    assert!(
        status == 400 && answer.contains("none is stored at this place for this host"),
        "{status} {answer}"
    );
    for (provider, expected) in [
        (json!({ "url": "http://127.0.0.1:1" }), "missing required fields for webhook"),
        (json!({ "url": "http://127.0.0.1:1", "secrets": [] }), "missing required fields for webhook"),
        (json!({ "secrets": [SECRET] }), "missing required fields for webhook"),
        (json!({ "url": "/x", "secrets": [SECRET] }), "is not an absolute http:// or https:// URL"),
        (json!({ "url": "http://127.0.0.1:1", "secrets": SECRET }), "secrets must be a list of texts"),
        (
            json!({ "url": "http://127.0.0.1:1", "secrets": ["whsec_AAAA"] }),
            "has 3 bytes: it must have 24 to 64",
        ),
        (json!({ "url": "http://127.0.0.1:1", "secrets": ["top secret"] }), "a secret begins with `whsec_`"),
    ] {
        let function = json!({ "functionId": "other", "type": "webhook", "provider": provider });
        let (status, answer) = api.config(Method::POST, "default/functions", function.to_string()).await;
        assert!(
            status == 400 && answer.contains(expected) && !answer.contains("top secret"),
            "{status} {answer}"
        );
    }
}

#[tokio::test]
async fn webhooks_reach_private_addresses_only_if_the_operator_allows_it() {
    let gateway =
        TestGateway::with(|options| options.private_targets = eg_gateway::PrivateTargets::none()).await;
    let function = webhook("http://169.254.169.254/latest", &[SECRET]).to_string();
    let (status, answer) = gateway.api.config(Method::POST, "default/functions", function).await;
    assert!(status == 400 && answer.contains("169.254.169.254"), "{status} {answer}");
}
