//! Functions that take webhooks: what reaches them, and what others get.

#![cfg(feature = "webhooks")]
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use eg_runtime::testing::TestApp;
use eg_runtime::webhook::{GitHub, Secrets, Slack, Webhook, sign};
use eg_runtime::{App, HeaderMap, http};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    branch: String,
}

#[http(POST, "/hooks/github")]
async fn pushed(hook: Webhook<GitHub, Push>) -> String {
    format!(
        "{} {} {} {}",
        hook.event_id(),
        hook.kind().unwrap_or_default(),
        hook.payload.branch,
        hook.body.len()
    )
}

#[http(POST, "/hooks/slack")]
async fn commanded(hook: Webhook<Slack, serde_json::Value>) -> String {
    format!("{} {}", hook.kind().unwrap_or_default(), hook.payload)
}

fn app() -> TestApp {
    let app = App::new().state(Secrets::<GitHub>::new(["s"])).state(Secrets::<Slack>::new(["s"]));
    TestApp::new(app).unwrap()
}

async fn post(app: &TestApp, path: &str, headers: &HeaderMap, kind: &str, body: &str) -> (u16, String) {
    let mut request = app.request("POST", path).header("content-type", kind);
    for (name, value) in headers {
        request = request.header(name.as_str(), value.to_str().unwrap());
    }
    let answer = request.body(body.to_owned()).send().await;
    (answer.status().as_u16(), answer.text())
}

#[tokio::test]
async fn a_function_gets_only_what_is_signed() {
    let (app, path, json) = (app(), "/hooks/github", "application/json");
    let body = " {\"ref\": \"main\"}\n";
    let headers = sign::<GitHub>("s", "", body.as_bytes());
    let expected = format!("github:72d3162e-cc78-11e3-81ab-4c9367dc0958 push main {}", body.len());
    assert_eq!(post(&app, path, &headers, json, body).await, (200, expected));
    for (headers, body, status, text) in [
        (HeaderMap::new(), body, 401, "github: the request has no header `x-hub-signature-256`"),
        (
            sign::<GitHub>("x", "", body.as_bytes()),
            body,
            401,
            "github: the signature fits none of the secrets",
        ),
        (headers, "{}", 401, "github: the signature fits none of the secrets"),
        (sign::<GitHub>("s", "", b"{}"), "{}", 422, "the payload of the webhook: "),
        (sign::<GitHub>("s", "", b"{"), "{", 422, "the payload of the webhook: "),
    ] {
        let (found, answer) = post(&app, path, &headers, json, body).await;
        assert!(found == status && answer.contains(text), "{body}: {found} {answer}");
    }
    // GitHub also sends the JSON in a form.
    let form = "payload=%7B%22ref%22%3A%22a+b%22%7D";
    let headers = sign::<GitHub>("s", "", form.as_bytes());
    let (status, answer) = post(&app, path, &headers, "application/x-www-form-urlencoded", form).await;
    assert!(status == 200 && answer.contains(" push a b "), "{answer}");
}

#[tokio::test]
async fn handshakes_are_answered_if_they_are_signed() {
    let app = app();
    let (json, body) = ("application/json", r#"{"type":"url_verification","challenge":"3eZb","token":"t"}"#);
    let headers = sign::<Slack>("s", "", body.as_bytes());
    let answered = post(&app, "/hooks/slack", &headers, json, body).await;
    assert_eq!(answered, (200, r#"{"challenge":"3eZb"}"#.to_owned()));
    let headers = sign::<Slack>("x", "", body.as_bytes());
    assert_eq!(post(&app, "/hooks/slack", &headers, json, body).await.0, 401);
    let mut headers = sign::<GitHub>("s", "", b"{\"zen\":\"\"}");
    headers.insert("x-github-event", "ping".parse().unwrap());
    assert_eq!(post(&app, "/hooks/github", &headers, json, "{\"zen\":\"\"}").await, (200, String::new()));
    // A command is a form.
    let body = "command=%2Fdeploy&text=now&trigger_id=1";
    let headers = sign::<Slack>("s", "", body.as_bytes());
    let (status, answer) =
        post(&app, "/hooks/slack", &headers, "application/x-www-form-urlencoded", body).await;
    assert_eq!(
        (status, answer.as_str()),
        (200, r#"/deploy {"command":"/deploy","text":"now","trigger_id":"1"}"#)
    );
}

#[test]
fn a_missing_secret_is_named_at_the_start() {
    let error = TestApp::new(App::new().state(Secrets::<GitHub>::new(["s"]))).unwrap_err().to_string();
    assert!(error.contains("SLACK_SIGNING_SECRET is not set") && error.contains("commanded"), "{error}");
    assert_eq!(format!("{:?}", Secrets::<GitHub>::new(["top secret"])), "Secrets<github>(1 of them)");
}
