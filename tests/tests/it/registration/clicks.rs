//! Tests clicks, and which pages may send which events to the endpoint for browsers.

use std::collections::BTreeSet;

use eg_tests::{PATIENCE, http};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::support::Registration;

#[tokio::test(flavor = "multi_thread")]
async fn clicks_are_recorded_and_nothing_else_comes_in_where_browsers_emit() {
    let app = Registration::start(&[]).await;
    let user = app.register("donald@disney.com").await;
    let cloud_event = |ty: &str, id: &str, data: &Value| json!({"specversion": "1.0", "id": id, "source": "/web", "type": ty, "data": data});
    let structured = [("content-type", "application/cloudevents+json")];
    let click = |target: &str| json!({"target": target, "session": user["session"]});
    let accepted = (202, String::new());

    let event = cloud_event("user.clicked", "1", &click("homepage.button.build-value"));
    assert_eq!(app.post("/clicks", &structured, &event).await, accepted);
    // The format of Event Gateway's first clients, from any origin.
    let legacy = [("content-type", "application/json"), ("event", "user.clicked")];
    assert_eq!(app.post("/clicks", &legacy, &click("homepage.button.event-driven")).await, accepted);
    assert_eq!(app.post("/", &legacy, &click("homepage.button.minimize-overhead")).await, accepted);

    let (status, body) = app
        .post(
            "/clicks",
            &structured,
            &cloud_event("user.clicked", "2", &json!({"target": "x", "session": "y"})),
        )
        .await;
    assert_eq!((status, body.as_str()), (403, r#"{"errors":["the session is unknown: register first"]}"#));
    let (status, _) =
        app.post("/clicks", &structured, &cloud_event("user.clicked", "3", &json!({"target": "x"}))).await;
    assert_eq!(status, 400);
    let (status, _) = app.post("/clicks", &legacy[..1], &click("x")).await;
    assert_eq!(status, 400, "a request that is no event");
    // Other events have no subscriber there: they are accepted and reach nobody.
    let forged = cloud_event("user.registered", "4", &user);
    assert_eq!(app.post("/clicks", &structured, &forged).await, accepted);

    app.settle(PATIENCE).await;
    let rows = app.get("/analytics/user.clicked").await;
    let targets: BTreeSet<String> = rows
        .iter()
        .map(|row| serde_json::from_str::<Value>(row["data"].as_str().unwrap()).unwrap())
        .map(|data| data["target"].as_str().unwrap().to_owned())
        .collect();
    let clicked = ["build-value", "event-driven", "minimize-overhead"];
    assert_eq!(targets, clicked.map(|button| format!("homepage.button.{button}")).into());
    assert_eq!((rows.len(), app.get("/analytics/user.registered").await.len()), (3, 1));
    assert_eq!(app.events("email.sent").await.len(), 1);
    app.stop().await;
}

/// Tests the CORS headers for pages from other origins. `browser` tests that browsers obey them.
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_may_register_and_click_only_where_that_is_allowed() {
    let app = Registration::start(&[]).await;
    let ask = async |path: &str, origin: &str| {
        let request = http().request(reqwest::Method::OPTIONS, format!("{}{path}", app.app.events));
        let (method, header) =
            if path == "/journal" { ("GET", "authorization") } else { ("POST", "content-type") };
        let request = request.header("origin", origin).header("access-control-request-method", method);
        let response = request.header("access-control-request-headers", header).send().await.unwrap();
        allowed(response.headers())
    };
    for (path, origin, expected) in [
        ("/users", "http://localhost:3000", Some("http://localhost:3000")),
        ("/clicks", "http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
        ("/journal", "http://localhost:3000", Some("http://localhost:3000")),
        ("/clicks", "https://evil.example", None),
        ("/journal", "https://evil.example", None),
        ("/users", "http://localhost.evil.example", None),
        ("/", "http://localhost:3000", None),
        ("/analytics/user.clicked", "http://localhost:3000", None),
    ] {
        assert_eq!(ask(path, origin).await.as_deref(), expected, "{path} from {origin}");
    }
    app.stop().await;
}

fn allowed(headers: &HeaderMap) -> Option<String> {
    headers.get("access-control-allow-origin").map(|origin| origin.to_str().unwrap().to_owned())
}
