//! `PutEvents`, as clients of Amazon EventBridge send it.

use eg_sdk::config::Secret;
use serde_json::{Value, json};

use crate::support::{Answer, Functions, TestGateway};

const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=root/20260102/eu-central-1/events/aws4_request, SignedHeaders=host, Signature=00";

async fn put(gateway: &TestGateway, authorization: &str, body: &str) -> (u16, Value) {
    call(gateway, "AWSEvents.PutEvents", authorization, body).await
}

async fn call(gateway: &TestGateway, target: &str, authorization: &str, body: &str) -> (u16, Value) {
    let request = gateway.api.client.post(&gateway.api.events);
    let request = request
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", target)
        .header("authorization", authorization);
    let response = request.body(body.to_owned()).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/x-amz-json-1.1");
    assert!(response.headers().contains_key("x-amzn-requestid"));
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn entries_have_results_of_their_own() {
    let mut functions = Functions::start(|call| match call.path.as_str() {
        "/auth" => Answer::Http(200, r#"{"error":{"message":"not you"}}"#.to_owned()),
        _ => Answer::Http(200, "{}".to_owned()),
    })
    .await;
    let gateway = TestGateway::start().await;
    for id in ["f", "auth"] {
        gateway.api.http_function(id, &functions.url(&format!("/{id}"))).await;
    }
    gateway.api.event_type("user.created").await;
    gateway.api.subscribe("user.created", "f").await;
    gateway.api.event_type("ask").await;
    gateway
        .api
        .create("subscriptions", json!({ "type": "sync", "eventType": "ask", "functionId": "f" }))
        .await;
    gateway.api.create("eventtypes", json!({ "name": "closed", "authorizerId": "auth" })).await;
    let entry = |ty: &str, detail: &str| json!({ "Source": "my.app", "DetailType": ty, "Detail": detail });
    let body = json!({ "Entries": [
        entry("user.created", r#"{"n":1}"#),
        entry("user.created", "oops"),
        entry("ask", "{}"),
        entry("closed", "{}"),
        entry("nobody.listens", "{}"),
    ] });
    let (status, answer) = put(&gateway, SIGNATURE, &body.to_string()).await;
    assert_eq!((status, &answer["FailedEntryCount"]), (200, &json!(3)), "{answer}");
    let results = answer["Entries"].as_array().unwrap();
    let codes: Vec<_> = results.iter().map(|result| result["ErrorCode"].as_str()).collect();
    let denied = "NotAuthorizedForDetailTypeException";
    assert_eq!(codes, [None, Some("MalformedDetail"), Some("InvalidArgument"), Some(denied), None]);
    assert!(results[3]["ErrorMessage"].as_str().unwrap().ends_with("is not authorized: not you"));
    assert!(results[4]["EventId"].is_string());
    assert_eq!(functions.next_call().await.path, "/auth");
    let event = functions.next_call().await.json();
    assert_eq!((&event["type"], &event["data"]), (&json!("user.created"), &json!({ "n": 1 })));
    assert_eq!(event["id"], results[0]["EventId"]);
    gateway.gateway.shutdown().await;
    assert!(functions.try_call().is_none());
}

/// Types with blanks, as services of AWS emit them, are routed with `-` instead, and the authorizer of that type decides.
#[tokio::test]
async fn types_with_blanks_reach_their_subscriptions() {
    let mut functions = Functions::start(|call| match call.path.as_str() {
        "/auth" => Answer::Http(200, r#"{"error":{"message":"not you"}}"#.to_owned()),
        _ => Answer::Http(200, "{}".to_owned()),
    })
    .await;
    let gateway = TestGateway::start().await;
    for id in ["f", "auth"] {
        gateway.api.http_function(id, &functions.url(&format!("/{id}"))).await;
    }
    gateway.api.event_type("Object-Created").await;
    let filter = json!({ "source": ["my.storage"], "type": ["Object Created"], "data": { "bucket": { "name": ["pictures"] } } });
    let subscription =
        json!({ "type": "async", "eventType": "Object-Created", "functionId": "f", "filter": filter });
    gateway.api.create("subscriptions", subscription).await;
    gateway.api.create("eventtypes", json!({ "name": "Object-Deleted", "authorizerId": "auth" })).await;
    let entry = |ty: &str, bucket: &str| {
        let detail = json!({ "bucket": { "name": bucket } }).to_string();
        json!({ "Source": "my.storage", "DetailType": ty, "Detail": detail })
    };
    let entries = [
        entry("Object Created", "films"),
        entry("Object-Created", "pictures"),
        entry("Object Deleted", "pictures"),
        entry("Object Created", "pictures"),
    ];
    let (status, answer) = put(&gateway, SIGNATURE, &json!({ "Entries": entries }).to_string()).await;
    assert_eq!((status, &answer["FailedEntryCount"]), (200, &json!(1)), "{answer}");
    assert_eq!(answer["Entries"][2]["ErrorCode"], "NotAuthorizedForDetailTypeException");
    assert_eq!(functions.next_call().await.path, "/auth");
    let event = functions.next_call().await.json();
    assert_eq!((&event["type"], &event["source"]), (&json!("Object Created"), &json!("my.storage")));
    assert_eq!(event["id"], answer["Entries"][3]["EventId"]);
    gateway.gateway.shutdown().await;
    assert!(functions.try_call().is_none());
}

#[tokio::test]
async fn refused_calls() {
    let gateway = TestGateway::with(|options| {
        options.access_keys.all = Some(Secret::from("root"));
        options.access_keys.events = true;
        options.body_limit = 1000;
    })
    .await;
    let wrong = SIGNATURE.replace("root", "other");
    let large = "x".repeat(1001);
    for (authorization, body, status, code) in [
        ("", "{}", 401, "MissingAuthenticationTokenException"),
        (&wrong, "{}", 403, "AccessDeniedException"),
        (SIGNATURE, "{}", 400, "ValidationException"),
        (SIGNATURE, "oops", 400, "SerializationException"),
        (SIGNATURE, &large, 413, "ValidationException"),
    ] {
        let (found, answer) = put(&gateway, authorization, body).await;
        assert_eq!((found, &answer["__type"]), (status, &json!(code)), "{answer}");
        assert!(!answer["message"].as_str().unwrap().is_empty());
    }
    let entry = json!({ "Entries": [{ "Source": "a", "DetailType": "b", "Detail": "{}" }] });
    assert_eq!(put(&gateway, SIGNATURE, &entry.to_string()).await.0, 200);
}

/// Clients of AWS take a 202 for success. They read errors in AWS's format only.
#[tokio::test]
async fn other_operations_are_unknown() {
    let gateway = TestGateway::start().await;
    let targets = [
        "AWSEvents.PutRule",
        "AWSEvents.ListRules",
        "AWSEvents.",
        "AmazonSQS.SendMessage",
        "DynamoDB_20120810.PutItem",
    ];
    for target in targets {
        let (status, answer) = call(&gateway, target, SIGNATURE, "{}").await;
        assert_eq!((status, &answer["__type"]), (400, &json!("UnknownOperationException")), "{target}");
        assert!(answer["message"].as_str().unwrap().contains(target), "{answer}");
    }
    // A header alone makes no AWS client.
    let webhook = gateway.api.client.post(&gateway.api.events).header("x-amz-target", "my.hook");
    assert_ne!(webhook.body("{}").send().await.unwrap().status(), 400);
}

/// Emitters find out here what would fail in AWS.
#[tokio::test]
async fn limits_are_those_of_event_bridge() {
    let gateway = TestGateway::start().await;
    let entry = |source: &str, ty: &str| json!({ "Source": source, "DetailType": ty, "Detail": "{}" });
    let body = json!({ "Entries": [
        entry("aws.s3", "t"),
        entry(&"s".repeat(257), "t"),
        entry("s", &"t".repeat(129)),
        entry(&"s".repeat(256), &"t".repeat(128)),
    ] });
    let (status, answer) = put(&gateway, SIGNATURE, &body.to_string()).await;
    assert_eq!((status, &answer["FailedEntryCount"]), (200, &json!(3)), "{answer}");
    let codes: Vec<_> =
        answer["Entries"].as_array().unwrap().iter().map(|r| r["ErrorCode"].as_str()).collect();
    let invalid = Some("InvalidArgument");
    assert_eq!(codes, [Some("NotAuthorizedForSourceException"), invalid, invalid, None]);
    let large = json!({ "Source": "s", "DetailType": "t", "Detail": format!("{{\"a\":\"{}\"}}", "x".repeat(600_000)) });
    for body in [json!({ "Entries": [large, large] }), json!({ "Entries": vec![entry("s", "t"); 11] })] {
        let (status, answer) = put(&gateway, SIGNATURE, &body.to_string()).await;
        assert_eq!((status, &answer["__type"]), (400, &json!("ValidationException")), "{answer}");
    }
    assert_eq!(put(&gateway, SIGNATURE, &json!({ "Entries": [large] }).to_string()).await.0, 200);
}
