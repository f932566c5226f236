//! Routes on the wire: which subscription answers a request, and what a request gets that none answers.

use eg_gateway::Activity;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Functions, TestGateway, error, sync};

/// An HTTP request that no function answers is refused, and nothing is stored: it may be a typo, and it may carry secrets.
#[tokio::test]
async fn a_request_without_a_route_is_refused() {
    let functions = Functions::accepting().await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("http.request").await;
    gateway.api.http_function("f", &functions.url("/f")).await;
    sync(&gateway, "POST", "/orders", "http.request", "f").await;
    sync(&gateway, "GET", "/orders/:id", "http.request", "f").await;
    let bulk = json!({ "type": "async", "eventType": "http.request", "functionId": "f", "path": "/bulk", "method": "PUT" });
    gateway.api.create("subscriptions", bulk).await;
    let mut watcher = gateway.activity();
    for (method, path, status, allow, message) in [
        ("POST", "/ordres", 404, None, "no function answers `POST /ordres`; did you mean `POST /orders`?"),
        ("POST", "/orders/", 404, None, "no function answers `POST /orders/`; did you mean `POST /orders`?"),
        ("GET", "/orders/", 404, None, "no function answers `GET /orders/`; did you mean `POST /orders`?"),
        ("GET", "/favicon.ico", 404, None, "no function answers `GET /favicon.ico`"),
        (
            "PUT",
            "/orders/7",
            405,
            Some("GET, HEAD"),
            "no function answers `PUT /orders/7`; this path accepts `GET` and `HEAD`",
        ),
        ("GET", "/bulk", 405, Some("PUT"), "no function answers `GET /bulk`; this path accepts `PUT`"),
        (
            "POST",
            "/",
            404,
            None,
            "no function answers `POST /`; to emit an event, send it with the content type `application/cloudevents+json`",
        ),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = gateway.api.client.request(method.clone(), format!("{}{path}", gateway.api.events));
        let response = request.header("authorization", "secret").send().await.unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers().get("allow").map(|allow| allow.to_str().unwrap()), allow);
        assert_eq!(error(status, &response.text().await.unwrap()).message, message);
        let Activity::Unrouted { method: seen, path: seen_path, status: answered, hint } =
            watcher.next().await
        else {
            panic!("{method} {path} is not in the feed")
        };
        assert_eq!((seen.as_str(), seen_path.as_str(), answered), (method.as_str(), path, status));
        assert!(message.contains(&hint), "{hint}");
    }
    let (_, events) = gateway.api.config(Method::GET, "default/events", "").await;
    assert_eq!(serde_json::from_str::<Value>(&events).unwrap()["events"], json!([]));

    let bulk = gateway.api.client.put(format!("{}/bulk", gateway.api.events)).send().await.unwrap();
    assert_eq!((bulk.status().as_u16(), bulk.text().await.unwrap()), (202, String::new()));
    let (_, events) = gateway.api.config(Method::GET, "default/events", "").await;
    assert_eq!(serde_json::from_str::<Value>(&events).unwrap()["events"].as_array().unwrap().len(), 1);
}

/// The original accepts every request, and knows no other answer to one that no function answers.
#[tokio::test]
async fn strict_compat_accepts_a_request_without_a_route() {
    let functions = Functions::accepting().await;
    let gateway = TestGateway::with(|options| options.strict_compat = true).await;
    gateway.api.event_type("http.request").await;
    gateway.api.http_function("f", &functions.url("/f")).await;
    sync(&gateway, "GET", "/orders/:id", "http.request", "f").await;
    let conflict = json!({ "type": "sync", "eventType": "http.request", "functionId": "f", "path": "/orders/new", "method": "GET" });
    let (status, body) =
        gateway.api.config(Method::POST, "default/subscriptions", conflict.to_string()).await;
    let text = "Subscription path conflict: parameter with different name (\"id\") already defined: for route: /orders/new";
    assert_eq!(error(status, &body).message, text);
    for (method, path, status) in [
        (Method::GET, "/favicon.ico", 202),
        (Method::PUT, "/orders/7", 202),
        (Method::HEAD, "/orders/7", 202),
        (Method::GET, "/orders/", 200),
    ] {
        let request = gateway.api.client.request(method.clone(), format!("{}{path}", gateway.api.events));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        assert_eq!(response.text().await.unwrap(), "");
    }
    let (_, events) = gateway.api.config(Method::GET, "default/events", "").await;
    assert_eq!(serde_json::from_str::<Value>(&events).unwrap()["events"].as_array().unwrap().len(), 3);
}

/// The function sees the method as it was sent; a function of `eg-runtime` leaves out the body and says its length.
#[tokio::test]
async fn head_is_answered_by_the_route_of_get() {
    let mut functions = Functions::start(|call| {
        let reply = match call.path.as_str() {
            "/body" => json!({ "headers": { "X-A": "b" }, "body": "hello" }),
            _ => json!({ "headers": { "X-A": "b", "Content-Length": "5", "Content-Type": "text/plain" } }),
        };
        Answer::Http(200, reply.to_string())
    })
    .await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("http.request").await;
    for path in ["/body", "/length"] {
        gateway.api.http_function(&path[1..], &functions.url(path)).await;
        sync(&gateway, "GET", path, "http.request", &path[1..]).await;
        let response = gateway.api.client.head(format!("{}{path}", gateway.api.events)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["x-a"], "b");
        assert_eq!(response.headers()["content-length"], "5", "{path}");
        assert!(response.headers().contains_key("content-type"), "{path}");
        assert_eq!(response.text().await.unwrap(), "");
        assert_eq!(functions.next_call().await.json()["data"]["method"], "HEAD");
    }
}

#[tokio::test]
async fn the_more_specific_route_answers() {
    let functions =
        Functions::start(|call| Answer::Http(200, json!({ "body": call.path }).to_string())).await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("http.request").await;
    let routes =
        ["/f/*rest", "/:code", "/a/:id", "/f/index", "/a/me", "/a/:user/orders", "/links/:code/stats"];
    for (n, path) in routes.iter().enumerate() {
        let id = format!("f{n}");
        gateway.api.http_function(&id, &functions.url(&format!("/{n}"))).await;
        sync(&gateway, "GET", path, "http.request", &id).await;
    }
    for (path, expected) in [
        ("/a/me", "/a/me"),
        ("/a/you", "/a/:id"),
        ("/a/me/orders", "/a/:user/orders"),
        ("/f/index", "/f/index"),
        ("/f/index/x", "/f/*rest"),
        ("/links", "/:code"),
        ("/links/7/stats", "/links/:code/stats"),
    ] {
        let response = gateway.api.client.get(format!("{}{path}", gateway.api.events)).send().await.unwrap();
        let answered: usize = response.text().await.unwrap()[1..].parse().unwrap();
        assert_eq!(routes[answered], expected, "{path}");
    }
}
