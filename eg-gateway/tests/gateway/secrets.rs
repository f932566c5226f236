//! Credentials: functions get them, and clients that read the history or the configuration do not.

use std::collections::BTreeMap;

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

/// A gateway whose function `f` gets events with a sensitive `card`.
async fn charging(functions: &Functions) -> TestGateway {
    let gateway = TestGateway::start().await;
    let api = &gateway.api;
    let schema = r#"{"properties": {"card": {"writeOnly": true, "type": "string"}}}"#;
    api.create("eventtypes", json!({ "name": "card.charged", "metadata": { "schema": schema } })).await;
    api.http_function("f", &functions.url("/f")).await;
    api.subscribe("card.charged", "f").await;
    gateway
}

/// The schema of the event type says what is sensitive.
#[tokio::test]
async fn the_history_hides_the_sensitive_parts_of_payloads() {
    let mut functions = Functions::start(|call| {
        let rejected = call.json()["data"]["order"] == 1;
        Answer::Http(if rejected { 400 } else { 200 }, String::new())
    })
    .await;
    let gateway = charging(&functions).await;
    let api = &gateway.api;
    api.event_type("eventgateway.delivery.deadLettered").await;
    api.http_function("picky", &functions.url("/picky")).await;
    let picky = json!({ "type": "async", "eventType": "card.charged", "functionId": "picky",
        "filter": { "data": { "card": ["0815"] } } });
    api.create("subscriptions", picky).await;
    let mut watcher = gateway.activity();
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

/// An edited event used to be delivered with `*****` where the stored one has no value.
#[tokio::test]
async fn a_mask_is_never_delivered() {
    let mut functions = Functions::start(|call| {
        let accepted = call.json()["data"]["card"] == "new";
        Answer::Http(if accepted { 200 } else { 400 }, String::new())
    })
    .await;
    let gateway = charging(&functions).await;
    let api = &gateway.api;
    let event = json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "card.charged" });
    assert_eq!(api.emit_json(&event).await.status(), 202);
    let letter = api.wait_for_dead_letters(1).await.remove(0);
    functions.next_call().await;
    let path = format!("default/dead-letters/{}/redrive", letter["deadLetterId"]);
    let redrive = async |card: &str| {
        let mut edited = letter["event"].clone();
        edited["data"] = json!({ "card": card });
        api.config(Method::POST, &path, json!({ "event": edited }).to_string()).await
    };
    let (status, refused) = redrive("*****").await;
    assert_eq!(status, 400, "{refused}");
    assert!(refused.contains("`data.card` is masked"), "{refused}");
    assert_eq!(redrive("new").await.0, 202);
    assert_eq!(functions.next_call().await.json()["data"]["card"], "new");
}

/// The type of an event decides what is masked. With another one, the history showed what had been.
#[tokio::test]
async fn an_edit_cannot_uncover_what_is_masked() {
    let functions = Functions::start(|_| Answer::Http(400, String::new())).await;
    let gateway = charging(&functions).await;
    let api = &gateway.api;
    let event = json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "card.charged", "data": { "card": "4242" } });
    assert_eq!(api.emit_json(&event).await.status(), 202);
    let letter = api.wait_for_dead_letters(1).await.remove(0);
    assert_eq!(letter["event"]["data"]["card"], "*****");
    let path = format!("default/dead-letters/{}/redrive", letter["deadLetterId"]);
    let mut edited = letter["event"].clone();
    edited["type"] = json!("other");
    let (status, refused) =
        api.config(Method::POST, &path, json!({ "event": edited.clone() }).to_string()).await;
    assert!(status == 400 && refused.contains("keep the type of the stored event"), "{status} {refused}");
    // Of a member that is there twice, each mask would be replaced.
    let twice = edited.to_string().replace(r#""card":"*****""#, r#""card":"*****","card":"x""#);
    assert!(twice.contains(r#""card":"x""#), "{twice}");
    let (status, refused) = api.config(Method::POST, &path, format!(r#"{{"event":{twice}}}"#)).await;
    assert_eq!(status, 400, "{refused}");
    edited["data"]["card"] = json!("4243");
    assert_eq!(api.config(Method::POST, &path, json!({ "event": edited }).to_string()).await.0, 202);
}

/// Why an event did not match is told by values, and only by those that the history shows.
#[tokio::test]
async fn the_reasons_of_filters_have_no_secrets() {
    let functions = Functions::start(|_| Answer::Http(200, String::new())).await;
    let gateway = TestGateway::start().await;
    let api = &gateway.api;
    let schema = r#"{"properties": {"a.b": {"writeOnly": true}}}"#;
    api.create("eventtypes", json!({ "name": "card.charged", "metadata": { "schema": schema } })).await;
    for ty in ["http.request", "eventgateway.event.received"] {
        api.event_type(ty).await;
    }
    let subscribe = async |function: &str, ty: &str, filter: Value| {
        api.http_function(function, &functions.url(&format!("/{function}"))).await;
        let subscription =
            json!({ "type": "async", "eventType": ty, "functionId": function, "filter": filter });
        api.create("subscriptions", subscription).await;
    };
    let wanted = json!(["wanted"]);
    subscribe("dots", "card.charged", json!({ "data": { "a.b": wanted } })).await;
    subscribe("type", "card.charged", json!({ "datacontenttype": wanted })).await;
    let event = json!({ "data": { "event": { "data": { "a.b": wanted } } } });
    subscribe("about", "eventgateway.event.received", event).await;
    let header = |name: &str| json!({ "data": { "headers": { name: wanted } } });
    subscribe("key", "http.request", header("Authorization")).await;
    subscribe("plain", "http.request", header("X-Plain")).await;
    let event = json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "card.charged",
        "datacontenttype": "application/json", "data": { "a.b": "secret" } });
    let mut watcher = gateway.activity();
    assert_eq!(api.emit_json(&event).await.status(), 202);
    let request = api.client.post(&api.events).bearer_auth("secret").header("x-plain", "seen");
    assert_eq!(request.send().await.unwrap().status(), 202);

    let expected = BTreeMap::from([
        ("about", "*****"),
        ("dots", "*****"),
        ("key", "*****"),
        ("plain", "seen"),
        ("type", "application/json"),
    ]);
    let expected: BTreeMap<_, _> =
        expected.into_iter().map(|(function, value)| (function.to_owned(), json!(value))).collect();
    let mut live = BTreeMap::new();
    while live.len() < expected.len() {
        // The report about the HTTP request does not have what `about` tests.
        if let Activity::Filtered { mismatch, function, .. } = watcher.next().await
            && let Some(value) = mismatch.value
        {
            live.insert(function, value);
        }
    }
    assert_eq!(live, expected);
    let (_, page) = api.config(Method::GET, "default/events", "").await;
    let page: Value = serde_json::from_str(&page).unwrap();
    let mut shown = BTreeMap::new();
    for event in page["events"].as_array().unwrap() {
        let (id, ty) = (event["eventId"].as_str().unwrap(), event["eventType"].as_str().unwrap());
        let (_, body) = api.config(Method::GET, &format!("default/events/{id}?type={ty}"), "").await;
        assert!(!body.contains("secret"), "{body}");
        for delivery in serde_json::from_str::<Value>(&body).unwrap()["deliveries"].as_array().unwrap() {
            if let Some(value) = delivery["mismatch"].get("value") {
                shown.insert(delivery["functionId"].as_str().unwrap().to_owned(), value.clone());
            }
        }
    }
    assert_eq!(shown, expected);
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
