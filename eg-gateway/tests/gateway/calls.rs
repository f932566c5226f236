//! What the last calls of functions answered and printed.

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eg_gateway::Options;
use eg_sdk::config::Secret;
use eg_sdk::history::{Call, CallPage};
use eg_tests::eventually;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::json;

use crate::support::{Answer, Api, Functions, TestGateway, sync};

async fn page(api: &Api, query: &str, key: Option<&str>) -> CallPage {
    let mut request = api.client.get(format!("{}/v1/spaces/default/calls?{query}", api.config));
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{query}");
    answer.json().await.unwrap()
}

/// Waits until `count` calls match.
async fn calls(api: &Api, query: &str, count: usize) -> Vec<Call> {
    eventually("the calls", async || {
        let calls = page(api, query, None).await.calls;
        (calls.len() == count).then_some(calls)
    })
    .await
}

#[tokio::test]
async fn calls_over_http_leave_status_and_answer() {
    let functions = Functions::start(|call| match call.path.as_str() {
        "/broken" => Answer::Http(503, "out of paper".to_owned()),
        "/page" => Answer::Http(200, json!({"statusCode": 201, "body": "made"}).to_string()),
        _ => Answer::Http(202, "thank you".to_owned()),
    })
    .await;
    let gateway = TestGateway::with(|options| {
        options.recent_calls = 10;
        options.retry.attempts = 1;
    })
    .await;
    let api = &gateway.api;
    for ty in ["e", "http.request"] {
        api.event_type(ty).await;
    }
    for id in ["good", "broken", "page"] {
        api.http_function(id, &functions.url(&format!("/{id}"))).await;
    }
    api.subscribe("e", "good").await;
    api.subscribe("e", "broken").await;
    sync(&gateway, "GET", "/", "http.request", "page").await;
    api.emit("e", "1").await;
    assert_eq!(api.client.get(&api.events).send().await.unwrap().status(), 201);

    let good = calls(api, "function=good", 1).await.remove(0);
    assert_eq!((good.status, good.answer.as_deref(), good.attempt), (Some(202), Some("thank you"), Some(1)));
    assert_eq!((good.trigger.as_str(), good.error), ("e", None));
    let id = good.event_id.unwrap();
    let delivered = api.client.get(format!("{}/v1/spaces/default/events/{id}", api.config));
    let delivered: serde_json::Value = delivered.send().await.unwrap().json().await.unwrap();
    let ids: Vec<_> =
        delivered["deliveries"].as_array().unwrap().iter().map(|one| &one["deliveryId"]).collect();
    assert!(ids.iter().any(|id| **id == json!(good.delivery_id)), "{ids:?}: {:?}", good.delivery_id);
    let broken = calls(api, "function=broken", 1).await.remove(0);
    assert_eq!((broken.status, broken.answer), (Some(503), None));
    assert!(broken.error.unwrap().contains("out of paper"));
    let asked = calls(api, "function=page", 1).await.remove(0);
    assert_eq!((asked.status, asked.answer.as_deref()), (Some(201), Some("made")));
    assert_eq!((asked.attempt, asked.delivery_id, asked.trigger.as_str()), (None, None, "GET /"));
    for (query, count) in [
        (format!("event={id}"), 2),
        ("text=PAPER".to_owned(), 1),
        ("text=thank".to_owned(), 1),
        ("limit=2".to_owned(), 2),
        ("function=other".to_owned(), 0),
    ] {
        assert_eq!(page(api, &query, None).await.calls.len(), count, "{query}");
    }
    let first = page(api, "limit=2", None).await;
    let rest = page(api, &format!("limit=2&before={}", first.next.unwrap()), None).await;
    assert_eq!((rest.calls.len(), rest.next, rest.kept), (1, None, 10));
    let wrong = api.client.get(format!("{}/v1/spaces/default/calls?limit=0", api.config));
    assert_eq!(wrong.send().await.unwrap().status(), 400);
}

/// Sets where Lambda is.
type Place = fn(&mut Options, String);

/// The two ways to call Lambda: the gateway's own client, and AWS's.
const PLACES: &[Place] = &[
    |options, url| options.local_lambda = Some(url),
    #[cfg(feature = "aws")]
    |options, url| options.lambda_endpoint = Some(url),
];

#[tokio::test]
async fn calls_of_lambda_leave_the_log() {
    let mut lambda = Functions::start(|call| {
        let wants_log = call.headers.get("x-amz-log-type").is_some_and(|kind| kind == "Tail");
        let mut response = Response::builder();
        if wants_log {
            response = response.header("x-amz-log-result", STANDARD.encode("START\nhello\nEND\n"));
        }
        if call.path.contains("fails") {
            response = response.header("x-amz-function-error", "Unhandled");
        }
        Answer::Full(response.body(Body::from(r#"{"errorType":"Boom","errorMessage":"no"}"#)).unwrap())
    })
    .await;
    for place in PLACES {
        for kept in [5, 0] {
            let url = lambda.url("");
            let gateway = TestGateway::with(|options| {
                place(options, url);
                options.recent_calls = kept;
                options.retry.attempts = 1;
            })
            .await;
            let api = &gateway.api;
            api.event_type("e").await;
            for name in ["good", "fails"] {
                let provider = json!({ "arn": name, "region": "eu-central-1", "awsAccessKeyId": "k", "awsSecretAccessKey": "s" });
                api.create(
                    "functions",
                    json!({ "functionId": name, "type": "awslambda", "provider": provider }),
                )
                .await;
                api.subscribe("e", name).await;
            }
            api.emit("e", "1").await;
            for _ in 0..2 {
                let call = lambda.next_call().await;
                assert_eq!(call.headers.contains_key("x-amz-log-type"), kept > 0);
            }
            if kept == 0 {
                let page = page(api, "", None).await;
                assert_eq!((page.kept, page.calls), (0, Vec::new()));
                continue;
            }
            for call in calls(api, "", 2).await {
                assert_eq!(call.log.as_deref(), Some("START\nhello\nEND\n"), "{call:?}");
                assert_eq!(call.error.is_some(), call.function_id == "fails");
            }
        }
    }
}

#[tokio::test]
async fn a_key_that_only_reads_gets_no_answers_and_no_logs() {
    let functions = Functions::start(|_| Answer::Http(200, "the secret".to_owned())).await;
    let gateway = TestGateway::with(|options| {
        options.recent_calls = 10;
        options.access_keys.all = Some(Secret::from("change"));
        options.access_keys.reading = Some(Secret::from("look"));
    })
    .await;
    let mut api = Api::new(&gateway.api.events, &gateway.api.config);
    let key = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer change"))]);
    api.client = reqwest::Client::builder().default_headers(key).build().unwrap();
    api.event_type("e").await;
    api.http_function("f", &functions.url("/f")).await;
    api.subscribe("e", "f").await;
    api.emit("e", "1").await;
    eventually("the call", async || {
        let calls = page(&api, "", Some("change")).await.calls;
        (calls.len() == 1).then(|| assert_eq!(calls[0].answer.as_deref(), Some("the secret")))
    })
    .await;
    for query in ["", "text=secret", "text=nothing"] {
        let calls = page(&api, query, Some("look")).await.calls;
        assert_eq!(
            (calls.len(), calls[0].status, calls[0].answer.as_deref()),
            (1, Some(200), None),
            "{query}"
        );
    }
    let refused =
        gateway.api.client.get(format!("{}/v1/spaces/default/calls", api.config)).send().await.unwrap();
    assert_eq!(refused.status(), 401);
}
