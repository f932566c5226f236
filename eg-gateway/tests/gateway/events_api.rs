//! The Events API on the wire: what is accepted, what functions get, what emitters get back.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{Answer, CLOUDEVENTS, Functions, TestGateway, error, sync};

#[tokio::test]
async fn what_is_accepted() {
    let gateway = TestGateway::with(|options| options.body_limit = 2000).await;
    let valid = r#"{"specversion":"1.0","type":"a","source":"/s","id":"1"}"#;
    let large = "x".repeat(2001);
    for (method, path, headers, body, status, error) in [
        (Method::GET, "/", &[][..], "", 404, "no function answers `GET /`"),
        (Method::DELETE, "/any/path?x=%zz", &[], "", 404, "no function answers `DELETE /any/path`"),
        (Method::POST, "/", &[("content-type", CLOUDEVENTS)], valid, 202, ""),
        (Method::POST, "/", &[("event", "a.b")], "raw", 202, ""),
        (Method::POST, "/", &[("content-type", CLOUDEVENTS)], "{}", 400, "CloudEvent doesn't validate: "),
        (
            Method::POST,
            "/",
            &[("content-type", "text plain")],
            "",
            400,
            "mime: expected slash after first token",
        ),
        (
            Method::POST,
            "/",
            &[("event", "eventgateway.x")],
            "",
            400,
            "event type \"eventgateway.x\" is reserved",
        ),
        (Method::POST, "/", &[], large.as_str(), 413, "the request body is larger than 2000 bytes"),
    ] {
        let mut request = gateway.api.client.request(method.clone(), format!("{}{path}", gateway.api.events));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body.to_owned()).send().await.unwrap();
        assert_eq!(response.status(), status, "{method} {path} {headers:?}");
        let json = response.headers().get("content-type").is_some_and(|value| value == "application/json");
        assert_eq!(json, !error.is_empty(), "{method} {path} {headers:?}");
        let text = response.text().await.unwrap();
        if error.is_empty() {
            assert_eq!(text, "");
        } else {
            let answer: Value = serde_json::from_str(&text).unwrap();
            let message = answer["errors"][0]["message"].as_str().unwrap();
            assert!(message.starts_with(error), "{message}");
        }
    }
}

#[tokio::test]
async fn listens_on_both_loopback_addresses_and_no_other() {
    let gateway = TestGateway::start().await;
    for url in [&gateway.api.events, &gateway.api.config] {
        let port = url.rsplit(':').next().unwrap().parse().unwrap();
        tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        // Another loopback address stands for all the addresses that are not meant.
        let other = tokio::net::TcpStream::connect((Ipv4Addr::new(127, 0, 0, 2), port)).await;
        assert!(other.is_err(), "{url} listens beyond 127.0.0.1");
        if tokio::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_ok() {
            tokio::net::TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn http_requests_reach_their_function_whole() {
    let mut functions = Functions::accepting().await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("http.request").await;
    gateway.api.http_function("f", &functions.url("/f")).await;
    sync(&gateway, "GET", "/u/:id", "http.request", "f").await;
    sync(&gateway, "POST", "/", "http.request", "f").await;

    let url =
        format!("{}/u/a%2Fb%20c?x=1&x=2&y=%20z&empty", gateway.api.events.replace("localhost", "127.0.0.1"));
    let request = gateway.api.client.get(&url).header("X-Foo", "1").header("X-Foo", "2");
    assert_eq!(request.send().await.unwrap().status(), 200);
    let call = functions.next_call().await;
    assert_eq!(call.headers["content-type"], CLOUDEVENTS);
    let event = call.json();
    let host = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    assert_eq!(event["eventType"], "http.request");
    assert_eq!(event["contentType"], "application/json");
    assert_eq!(event["data"]["headers"]["X-Foo"], "1, 2");
    assert_eq!(event["data"]["headers"].get("Host"), None);
    let rest = format!(
        r#""query":{{"x":["1","2"],"y":[" z"],"empty":[""]}},"body":"","host":"{host}","path":"/u/a/b c","method":"GET","params":{{"id":"a%2Fb%20c"}}}}}}"#
    );
    let text = String::from_utf8(call.body.to_vec()).unwrap();
    assert!(text.ends_with(&rest), "{text}");

    let body = r#"{"z":12345678901234567890,"a":2.50}"#;
    let request = gateway.api.client.post(&gateway.api.events).header("content-type", "application/json");
    request.body(body).send().await.unwrap();
    let text = String::from_utf8(functions.next_call().await.body.to_vec()).unwrap();
    assert!(text.contains(&format!(r#""body":{body},"#)), "{text}");
    assert!(text.ends_with(r#""params":null}}"#), "{text}");
}

/// The function's reply is what the emitter gets; everything that is not a reply is a 500 that says so.
#[tokio::test]
async fn replies() {
    let malformed = "HTTP response object malformed";
    let failed = "Function call failed. Please check logs.";
    let cases = [
        (
            "/a",
            200,
            r#"{"statusCode":201,"headers":{"X-A":"b","Content-Type":"a/b"},"body":"hi"}"#,
            201,
            Some("a/b"),
            "hi",
        ),
        ("/b", 200, "{}", 200, None, ""),
        ("/c", 200, r#"{"body":"{\"a\":1}"}"#, 200, Some("text/plain; charset=utf-8"), r#"{"a":1}"#),
        (
            "/d",
            200,
            r#"{"body":"aGk=","isBase64Encoded":true,"headers":{"content-type":"x/y"}}"#,
            200,
            Some("x/y"),
            "hi",
        ),
        ("/e", 200, r#"{"statusCode":404,"body":"<html>"}"#, 404, Some("text/html; charset=utf-8"), "<html>"),
        ("/f", 200, r#"{"statusCode":204,"body":"x"}"#, 204, None, ""),
        ("/g", 200, r#"{"statusCode":0}"#, 500, Some("application/json"), malformed),
        ("/h", 200, "text", 500, Some("application/json"), malformed),
        ("/i", 500, "{}", 500, Some("application/json"), failed),
        ("/j", 404, "{}", 500, Some("application/json"), failed),
    ];
    let script = cases.map(|(path, status, reply, ..)| (path, status, reply));
    let functions = Functions::start(move |call| {
        let (_, status, reply) = script.iter().find(|(path, ..)| *path == call.path).unwrap();
        Answer::Http(*status, (*reply).to_owned())
    })
    .await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("http.request").await;
    for (path, _, reply, status, content_type, body) in cases {
        let id = path.trim_start_matches('/');
        gateway.api.http_function(id, &functions.url(path)).await;
        sync(&gateway, "GET", path, "http.request", id).await;
        let response = gateway.api.client.get(format!("{}{path}", gateway.api.events)).send().await.unwrap();
        let found = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!((response.status().as_u16(), found.as_deref()), (status, content_type), "{reply}");
        let text = response.text().await.unwrap();
        if content_type == Some("application/json") {
            let message = error(status, &text).message;
            assert!(message.starts_with(body), "{message}");
        } else {
            assert_eq!(text, body, "{reply}");
        }
    }
}

/// Cookies and headers with several values used to be dropped without a word.
#[tokio::test]
async fn every_value_of_a_header_reaches_the_client() {
    let replies = [
        ("/cookies", r#"{"cookies":["a=1; Path=/","b=2"],"headers":{"x-many":"1"},"body":"x"}"#, 1),
        ("/multi", r#"{"multiValueHeaders":{"Set-Cookie":["a=1; Path=/","b=2"],"X-Many":["1","2"]}}"#, 2),
        ("/arrays", r#"{"headers":{"Set-Cookie":["a=1; Path=/","b=2"],"X-Many":["1","2"]}}"#, 2),
    ];
    let functions = Functions::start(move |call| {
        let (_, reply, _) = replies.iter().find(|(path, ..)| *path == call.path).unwrap();
        Answer::Http(200, (*reply).to_owned())
    })
    .await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("http.request").await;
    for (path, reply, many) in replies {
        let id = path.trim_start_matches('/');
        gateway.api.http_function(id, &functions.url(path)).await;
        sync(&gateway, "GET", path, "http.request", id).await;
        let response = gateway.api.client.get(format!("{}{path}", gateway.api.events)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{reply}");
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1; Path=/", "b=2"], "{reply}");
        assert_eq!(response.headers().get_all("x-many").iter().count(), many, "{reply}");
    }
}

/// A payload that is compressed used to be stored so that no function could read it.
#[tokio::test]
async fn events_with_a_content_encoding_are_refused() {
    let mut functions = Functions::start(|_| Answer::Http(200, "{}".to_owned())).await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("http.request").await;
    gateway.api.http_function("f", &functions.url("/")).await;
    sync(&gateway, "POST", "/hook", "http.request", "f").await;
    let post = |path: &str| {
        gateway.api.client.post(format!("{}{path}", gateway.api.events)).header("content-encoding", "gzip")
    };
    let legacy = post("/").header("event", "a").body("x");
    let structured = post("/").header("content-type", CLOUDEVENTS).body("x");
    let binary = post("/").header("ce-specversion", "1.0").header("ce-type", "a");
    let binary = binary.header("ce-id", "1").header("ce-source", "/s").body("x");
    for request in [legacy, structured, binary] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 415);
        let message = error(415, &response.text().await.unwrap()).message;
        assert_eq!(message, "the body has the content encoding \"gzip\": send it without one");
    }
    // A function gets the request as it is, with the header that says how to read it.
    assert_eq!(post("/hook").body("x").send().await.unwrap().status(), 200);
    let event = functions.next_call().await.json();
    assert_eq!(
        (&event["data"]["headers"]["Content-Encoding"], &event["data"]["body"]),
        (&json!("gzip"), &json!("eA=="))
    );
}

#[tokio::test]
async fn an_unreachable_function_is_a_500() {
    let gone = Functions::accepting().await.url("/");
    let gateway = TestGateway::start().await;
    gateway.api.event_type("http.request").await;
    gateway.api.http_function("f", &gone).await;
    sync(&gateway, "GET", "/", "http.request", "f").await;
    let response = gateway.api.client.get(&gateway.api.events).send().await.unwrap();
    assert_eq!(response.status(), 500);
    assert!(response.text().await.unwrap().contains("Function call failed. Please check logs."));
}

/// An event may have both kinds of subscribers. The synchronous one answers; the others get the same event, with the
/// parameters of the synchronous route.
#[tokio::test]
async fn asynchronous_copies_follow_the_answer() {
    let mut functions = Functions::start(|call| match call.path.as_str() {
        "/sync" => Answer::Http(200, r#"{"body":"answer"}"#.to_owned()),
        _ => Answer::Http(200, String::new()),
    })
    .await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("http.request").await;
    gateway.api.http_function("s", &functions.url("/sync")).await;
    gateway.api.http_function("a", &functions.url("/async")).await;
    sync(&gateway, "GET", "/:x", "http.request", "s").await;
    let copy = json!({ "type": "async", "eventType": "http.request", "functionId": "a", "path": "/one", "method": "GET" });
    gateway.api.create("subscriptions", copy).await;

    let response = gateway.api.client.get(format!("{}/one", gateway.api.events)).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "answer");
    let (first, second) = (functions.next_call().await, functions.next_call().await);
    assert_eq!((first.path.as_str(), second.path.as_str()), ("/sync", "/async"));
    assert_eq!(first.body, second.body);
    assert_eq!(second.json()["data"]["params"], json!({ "x": "one" }));

    gateway.api.client.get(format!("{}/two", gateway.api.events)).send().await.unwrap();
    assert_eq!(functions.next_call().await.path, "/sync");
    gateway.gateway.shutdown().await;
    assert!(functions.try_call().is_none(), "the other path has no asynchronous subscriber");
}

/// The gateway notices at once that an emitter has hung up. What began for it goes on all the same: the asynchronous
/// subscribers get their copies.
#[tokio::test]
async fn an_emitter_that_hangs_up_does_not_end_the_work() {
    let answer = Arc::new(Notify::new());
    let mut functions = Functions::start({
        let answer = Arc::clone(&answer);
        move |call| match call.path.as_str() {
            "/sync" => Answer::When(Arc::clone(&answer)),
            _ => Answer::Http(200, String::new()),
        }
    })
    .await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("http.request").await;
    gateway.api.http_function("s", &functions.url("/sync")).await;
    gateway.api.http_function("a", &functions.url("/async")).await;
    sync(&gateway, "GET", "/one", "http.request", "s").await;
    let copy = json!({ "type": "async", "eventType": "http.request", "functionId": "a", "path": "/one", "method": "GET" });
    gateway.api.create("subscriptions", copy).await;

    let request = tokio::spawn(gateway.api.client.get(format!("{}/one", gateway.api.events)).send());
    assert_eq!(functions.next_call().await.path, "/sync");
    request.abort();
    assert!(request.await.is_err());
    tokio::time::sleep(Duration::from_millis(100)).await;
    answer.notify_one();
    assert_eq!(functions.next_call().await.path, "/async");
}

#[tokio::test]
async fn custom_events_may_be_answered() {
    let mut functions = Functions::start(|_| Answer::Http(200, r#"{"body":"42"}"#.to_owned())).await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("ask").await;
    gateway.api.http_function("f", &functions.url("/")).await;
    sync(&gateway, "POST", "/", "ask", "f").await;
    let response = gateway.api.try_emit("ask", "1").await.unwrap();
    assert_eq!((response.status().as_u16(), response.text().await.unwrap()), (200, "42".to_owned()));
    assert_eq!(functions.next_call().await.json()["id"], "1");
}

#[tokio::test]
async fn spaces_do_not_see_each_other() {
    let mut functions = Functions::start(|call| {
        let body = json!({ "body": call.path }).to_string();
        Answer::Full(Response::new(Body::from(body)))
    })
    .await;
    let gateway = TestGateway::start().await;
    for space in ["default", "acme"] {
        let url = functions.url(&format!("/{space}"));
        for (kind, resource) in [
            ("eventtypes", json!({ "name": "http.request" })),
            ("functions", json!({ "functionId": "f", "type": "http", "provider": { "url": url } })),
            (
                "subscriptions",
                json!({ "type": "sync", "eventType": "http.request", "functionId": "f", "path": "/x", "method": "GET" }),
            ),
        ] {
            let (status, body) =
                gateway.api.config(Method::POST, &format!("{space}/{kind}"), resource.to_string()).await;
            assert_eq!(status, 201, "{body}");
        }
    }
    for (path, status, answer) in [
        ("/x", 200, "/default"),
        ("/spaces/acme/x", 200, "/acme"),
        ("/spaces/acme/y", 404, ""),
        ("/spaces/none/x", 404, ""),
    ] {
        let response = gateway.api.client.get(format!("{}{path}", gateway.api.events)).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
        let text = response.text().await.unwrap();
        assert!(status != 200 || text == answer, "{path}: {text}");
    }
    assert_eq!(functions.next_call().await.json()["data"]["path"], "/x");
    assert_eq!(
        functions.next_call().await.json()["data"]["path"],
        "/x",
        "the prefix is not part of the path"
    );
}

/// A 202 is a promise. When the disk does not take the event, the emitter has to hear that.
#[tokio::test]
async fn what_cannot_be_stored_is_not_accepted() {
    let gateway = TestGateway::start().await;
    let mut other = Connection::open(gateway.dir.path().join("data/event-gateway.db")).unwrap();
    let lock = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let response = gateway.api.try_emit("a", "1").await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(response.text().await.unwrap().contains("the store failed"));
    drop(lock);
    gateway.api.emit("a", "2").await;
    let stored: Vec<String> = {
        let mut statement = other.prepare("SELECT id FROM events").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    assert_eq!(stored, ["2"], "an event without subscriptions is stored, a refused one is not");
}
