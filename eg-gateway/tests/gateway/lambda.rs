//! Functions on AWS Lambda, called through AWS's client against a server that speaks the Invoke API.

use axum::body::Body;
use axum::response::Response;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Functions, TestGateway};

/// Answers by the function's name.
async fn lambda() -> Functions {
    Functions::start(|call| {
        let name = call.path.split('/').nth(3).unwrap_or_default();
        let reply = |status: u16, error: Option<(&'static str, &str)>, body: Value| {
            let mut response = Response::builder().status(status);
            if let Some((name, value)) = error {
                response = response.header(name, value);
            }
            Answer::Full(response.body(Body::from(body.to_string())).unwrap())
        };
        match name {
            "hello" => reply(200, None, json!({ "statusCode": 201, "body": "hi" })),
            "rejects" => {
                let error = json!({ "errorType": "Reject", "errorMessage": "no such user" });
                reply(200, Some(("x-amz-function-error", "Unhandled")), error)
            }
            "fails" => {
                let error = json!({ "errorType": "Boom", "errorMessage": "try later" });
                reply(200, Some(("x-amz-function-error", "Unhandled")), error)
            }
            "denied" => reply(
                403,
                Some(("x-amzn-errortype", "AccessDeniedException")),
                json!({ "Message": "not you" }),
            ),
            "large" => {
                let message = json!({ "Type": "User", "message": "too large" });
                reply(413, Some(("x-amzn-errortype", "RequestTooLargeException")), message)
            }
            _ => {
                let message = json!({ "Type": "User", "Message": "Function not found" });
                reply(404, Some(("x-amzn-errortype", "ResourceNotFoundException")), message)
            }
        }
    })
    .await
}

async fn gateway(lambda: &Functions) -> TestGateway {
    let endpoint = lambda.url("");
    let gateway = TestGateway::with(|options| {
        options.lambda_endpoint = Some(endpoint);
        options.retry.attempts = 2;
    })
    .await;
    for name in ["hello", "rejects", "fails", "denied", "large", "missing"] {
        let provider = json!({ "arn": name, "region": "eu-central-1", "awsAccessKeyId": "k", "awsSecretAccessKey": "s" });
        gateway
            .api
            .create("functions", json!({ "functionId": name, "type": "awslambda", "provider": provider }))
            .await;
    }
    gateway
}

#[tokio::test]
async fn answers() {
    let mut lambda = lambda().await;
    let gateway = gateway(&lambda).await;
    gateway.api.event_type("http.request").await;
    let failed = r#"{"errors":[{"message":"Function call failed. Please check logs."}]}"#.to_owned() + "\n";
    for (name, status, body) in [
        ("hello", 201, "hi"),
        ("rejects", 500, &failed),
        ("fails", 500, &failed),
        ("missing", 500, &failed),
        ("denied", 500, "Function call failed with AccessDeniedException. The provided"),
    ] {
        let subscription = json!({ "type": "sync", "eventType": "http.request", "functionId": name,
                                   "path": format!("/{name}"), "method": "GET" });
        gateway.api.create("subscriptions", subscription).await;
        let response = gateway.api.client.get(format!("{}/{name}", gateway.api.events)).send().await.unwrap();
        assert_eq!(response.status(), status, "{name}");
        let text = response.text().await.unwrap();
        assert!(text.contains(body), "{name}: {text}");
        let call = lambda.next_call().await;
        assert_eq!(call.path, format!("/2015-03-31/functions/{name}/invocations"));
        assert_eq!(call.json()["data"]["path"], format!("/{name}"));
        assert!(lambda.try_call().is_none(), "{name} was called more than once");
    }
}

#[tokio::test]
async fn outcomes() {
    let lambda = lambda().await;
    let gateway = gateway(&lambda).await;
    for (name, attempts, reason) in [
        ("rejects", 1, "rejected: no such user"),
        ("large", 1, "rejected: RequestTooLargeException: too large"),
        ("fails", 2, "all 2 attempts failed, the last one with: Boom: try later"),
        ("denied", 2, "all 2 attempts failed, the last one with: AccessDeniedException: not you"),
        (
            "missing",
            2,
            "all 2 attempts failed, the last one with: ResourceNotFoundException: Function not found",
        ),
    ] {
        let before = gateway.api.dead_letters().await.len();
        gateway.api.event_type(name).await;
        gateway.api.subscribe(name, name).await;
        gateway.api.emit(name, "1").await;
        let letter = &gateway.api.wait_for_dead_letters(before + 1).await[0];
        assert_eq!(letter["reason"], reason, "{name}");
        assert_eq!(letter["attempts"].as_array().unwrap().len(), attempts, "{name}");
    }
    let (status, _) = gateway.api.config(Method::GET, "default/dead-letters", "").await;
    assert_eq!(status, 200);
}
