//! Credentials: functions get them, and clients that read the history or the configuration do not.

use eg_gateway::Activity;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Functions, TestGateway};

#[tokio::test]
async fn the_history_hides_the_credentials_of_requests() {
    let mut functions = Functions::start(|call| {
        let rejected = call.json()["data"]["path"] == "/orders";
        Answer::Http(if rejected { 400 } else { 200 }, "{}".to_owned())
    })
    .await;
    let gateway = TestGateway::start().await;
    let api = &gateway.api;
    api.event_type("http.request").await;
    api.http_function("f", &functions.url("/f")).await;
    let subscription =
        json!({ "type": "async", "eventType": "http.request", "functionId": "f", "path": "/orders" });
    api.create("subscriptions", subscription).await;
    let request =
        api.client.post(format!("{}/orders", api.events)).bearer_auth("key").header("cookie", "a=b");
    assert_eq!(request.header("x-plain", "seen").send().await.unwrap().status(), 202);
    let sent = functions.next_call().await.json()["data"]["headers"].clone();
    assert_eq!((&sent["Authorization"], &sent["Cookie"]), (&json!("Bearer key"), &json!("a=b")));

    let letter = api.wait_for_dead_letters(1).await.remove(0);
    let read = async |path: &str| {
        let (status, body) = api.config(Method::GET, &format!("default/{path}"), "").await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    };
    let id = letter["deadLetterId"].as_i64().unwrap();
    let event = letter["eventId"].as_str().unwrap();
    for path in ["events", &format!("events/{event}"), "dead-letters", &format!("dead-letters/{id}")] {
        let body = read(path).await;
        assert!(!body.contains("Bearer key") && !body.contains("a=b"), "{path}: {body}");
        assert!(body.contains("*****") && body.contains("seen"), "{path}: {body}");
    }

    // What a client has read, it can send back: the function gets the credentials.
    let mut edited = letter["event"].clone();
    edited["data"]["path"] = json!("/corrected");
    let path = format!("default/dead-letters/{id}/redrive");
    let (status, body) = api.config(Method::POST, &path, json!({ "event": edited }).to_string()).await;
    assert_eq!(status, 202, "{body}");
    let again = functions.next_call().await.json()["data"].clone();
    assert_eq!(again["path"], "/corrected");
    assert_eq!(again["headers"], sent);
    gateway.api.wait_for_books("delivered", 1).await;
    assert!(!read(&format!("events/{event}")).await.contains("Bearer key"));
}

/// The schema of the event type says what is sensitive.
#[tokio::test]
async fn the_history_hides_the_sensitive_parts_of_payloads() {
    let mut functions = Functions::start(|call| {
        let rejected = call.json()["data"]["order"] == 1;
        Answer::Http(if rejected { 400 } else { 200 }, String::new())
    })
    .await;
    let gateway = TestGateway::start().await;
    let api = &gateway.api;
    let schema = r#"{"properties": {"card": {"writeOnly": true, "type": "string"}}}"#;
    api.create("eventtypes", json!({ "name": "card.charged", "metadata": { "schema": schema } })).await;
    api.event_type("eventgateway.delivery.deadLettered").await;
    api.http_function("picky", &functions.url("/picky")).await;
    let picky = json!({ "type": "async", "eventType": "card.charged", "functionId": "picky",
        "filter": { "data": { "card": ["0815"] } } });
    api.create("subscriptions", picky).await;
    let mut watcher = gateway.activity();
    api.http_function("f", &functions.url("/f")).await;
    api.subscribe("card.charged", "f").await;
    api.http_function("report", &functions.url("/report")).await;
    api.subscribe("eventgateway.delivery.deadLettered", "report").await;
    let event = json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "card.charged",
        "data": { "order": 1, "card": "4711" } });
    assert_eq!(api.emit_json(&event).await.status(), 202);
    assert_eq!(functions.next_call().await.json()["data"]["card"], "4711", "functions get everything");

    let mismatch = loop {
        if let Activity::Filtered { mismatch, .. } = watcher.next().await {
            break mismatch;
        }
    };
    assert_eq!((mismatch.clause.as_str(), mismatch.value), ("data.card", Some(json!("*****"))));
    let letter = api.wait_for_dead_letters(1).await.remove(0);
    functions.next_call().await;
    let id = letter["deadLetterId"].as_i64().unwrap();
    for path in ["events", "events/1", "dead-letters", &format!("dead-letters/{id}")] {
        let (status, body) = api.config(Method::GET, &format!("default/{path}"), "").await;
        assert_eq!(status, 200, "{path}: {body}");
        assert!(!body.contains("4711") && body.contains(r#""card":"*****""#), "{path}: {body}");
    }
    let mut edited = letter["event"].clone();
    edited["data"]["order"] = json!(2);
    let path = format!("default/dead-letters/{id}/redrive");
    let (status, body) = api.config(Method::POST, &path, json!({ "event": edited }).to_string()).await;
    assert_eq!(status, 202, "{body}");
    assert_eq!(functions.next_call().await.json()["data"], json!({ "order": 2, "card": "4711" }));
}

#[tokio::test]
async fn passwords_in_urls_are_not_read_back() {
    let gateway = TestGateway::start().await;
    let function = |url: &str| json!({ "functionId": "f", "type": "http", "provider": { "url": url } });
    let created = gateway.api.create("functions", function("http://user:secret@localhost:9/x")).await;
    assert_eq!(created["provider"]["url"], "http://user:*****@localhost:9/x");
    let put = async |url: &str| {
        let (status, body) =
            gateway.api.config(Method::PUT, "default/functions/f", function(url).to_string()).await;
        (status, serde_json::from_str::<Value>(&body).unwrap())
    };
    let (status, updated) = put("http://user:*****@localhost:9/y").await;
    assert_eq!((status, &updated["provider"]["url"]), (200, &json!("http://user:*****@localhost:9/y")));
    assert_eq!(put("http://user:*****@elsewhere.example/y").await.0, 400);
    let (_, list) = gateway.api.config(Method::GET, "default/functions", "").await;
    assert!(!list.contains("secret"), "{list}");
}
