//! What a web page can do with a gateway on the same machine: nothing, in 1,024 combinations of headers. And what still
//! works: pages of the application, links, CORS, names that the operator allows, ports for other machines.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use eg_gateway::{Gateway, ListenAddr, StartError};
use eg_sdk::config::Secret;
use eg_sdk::errors::ErrorCode;
use eg_tests::visits;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Answer, Functions, TestGateway, error, options};

/// Sends a request; returns its status and body. An error has a code.
async fn send(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// The ids of the functions in the default space.
async fn ids(gateway: &TestGateway) -> BTreeSet<String> {
    let (_, list) = gateway.api.config(Method::GET, "default/functions", "").await;
    let list: Value = serde_json::from_str(&list).unwrap();
    let ids =
        list["functions"].as_array().unwrap().iter().map(|f| f["functionId"].as_str().unwrap().to_owned());
    ids.collect()
}

#[tokio::test]
async fn no_page_reads_or_changes_the_configuration() {
    let gateway = TestGateway::start().await;
    let port = visits::port(&gateway.api.config);
    let base = format!("http://127.0.0.1:{port}/v1/spaces/default/functions");
    let visits = visits::all(port);
    assert_eq!(visits.len(), 1024);
    let function =
        |id: &str, url: &str| json!({ "functionId": id, "type": "http", "provider": { "url": url } });
    gateway.api.create("functions", function("marker", "http://localhost:1/")).await;
    let mut expected = BTreeSet::from(["marker".to_owned()]);
    for visit in &visits {
        let id = format!("f{}", visit.number);
        let url = if visit.method == Method::POST { base.clone() } else { format!("{base}/{id}") };
        let url = if visit.method == Method::GET { format!("{base}/marker") } else { url };
        if visit.method == Method::PUT || visit.method == Method::DELETE {
            // Only every fourth one differs in what can be changed; the others find what their neighbour left.
            gateway.api.create("functions", function(&id, "http://localhost:1/")).await;
            expected.insert(id.clone());
        }
        let body = if matches!(visit.method, Method::GET | Method::DELETE) {
            String::new()
        } else {
            function(&id, "http://localhost:2/").to_string()
        };
        let (status, body) = send(visit.request(&gateway.api.client, &url).body(body)).await;
        if visit.method != Method::GET && !visit.is_json {
            assert_eq!(error(status, &body).code, Some(ErrorCode::UnsupportedType), "{visit:?}");
        } else if visit.is_foreign {
            assert_eq!(error(status, &body).code, Some(ErrorCode::Foreign), "{visit:?}");
        } else {
            assert!(status < 300, "{visit:?}: {status} {body}");
            match visit.method {
                Method::POST => drop(expected.insert(id)),
                Method::DELETE => drop(expected.remove(&id)),
                Method::PUT => assert!(body.contains("localhost:2"), "{body}"),
                _ => assert!(body.contains("marker"), "{body}"),
            }
        }
    }
    assert_eq!(ids(&gateway).await, expected);
    let (_, list) = gateway.api.config(Method::GET, "default/functions", "").await;
    let changed = list.matches("localhost:2").count();
    // Two hosts, two origins, two sites, two content types; POST and PUT.
    assert_eq!(changed, 2 * 16, "what POST and PUT have written");
}

#[tokio::test]
async fn no_page_uses_the_routes_of_the_application() {
    let mut functions = Functions::start(|_| Answer::Http(200, r#"{"body":"secret"}"#.to_owned())).await;
    let gateway = TestGateway::start().await;
    with_routes(&gateway, &functions, "/x").await;
    let port = visits::port(&gateway.api.events);
    let mut calls = 0;
    for visit in visits::all(port) {
        let url = format!("http://127.0.0.1:{port}/x");
        let body = if visit.method == Method::GET { "" } else { "{}" };
        let (status, body) = send(visit.request(&gateway.api.client, &url).body(body)).await;
        if visit.is_foreign {
            assert_eq!(error(status, &body).code, Some(ErrorCode::Foreign), "{visit:?}");
            assert!(functions.try_call().is_none(), "{visit:?}");
        } else {
            assert_eq!((status, body.as_str()), (200, "secret"), "{visit:?}");
            functions.next_call().await;
            calls += 1;
        }
    }
    assert_eq!(calls, 4 * 2 * 2 * 2 * 4);
}

/// A function that answers a path, with each method.
async fn with_routes(gateway: &TestGateway, functions: &Functions, path: &str) {
    gateway.api.event_type("http.request").await;
    gateway.api.http_function("f", &functions.url("/f")).await;
    for method in visits::METHODS {
        let subscription = json!({ "type": "sync", "eventType": "http.request", "functionId": "f", "path": path, "method": method.as_str() });
        gateway.api.create("subscriptions", subscription).await;
    }
}

#[tokio::test]
async fn browsers_may_do_what_the_application_wants() {
    let functions = Functions::start(|_| Answer::Http(200, r#"{"body":"page"}"#.to_owned())).await;
    let gateway = TestGateway::start().await;
    with_routes(&gateway, &functions, "/x").await;
    let cors = json!({ "method": "POST", "path": "/x", "allowedOrigins": ["https://app.example"], "allowedMethods": ["POST"] });
    gateway.api.create("cors", cors).await;
    gateway.api.create("cors", json!({ "method": "PUT", "path": "/x", "allowedMethods": ["PUT"] })).await;
    let url = format!("{}/x", gateway.api.events);
    let (navigate, cross) = (("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site"));
    let own = gateway.api.events.as_str();
    for (method, headers, expected) in [
        // Links and the address bar.
        (Method::GET, vec![cross, navigate], 200),
        (Method::GET, vec![("sec-fetch-site", "none"), navigate], 200),
        (Method::GET, vec![cross, ("sec-fetch-mode", "no-cors")], 403),
        // A form on another site, and one of the application itself.
        (Method::POST, vec![cross, navigate, ("origin", "https://evil.example")], 403),
        (Method::POST, vec![("sec-fetch-site", "same-origin"), navigate, ("origin", own)], 200),
        // The origins of a route.
        (Method::POST, vec![cross, ("origin", "https://app.example")], 200),
        (Method::POST, vec![cross, ("origin", "https://other.example")], 403),
        (Method::PUT, vec![cross, ("origin", "https://other.example")], 200),
        (Method::PUT, vec![cross], 200),
        (Method::DELETE, vec![cross, ("origin", "https://app.example")], 403),
        // Preflights: without a configuration, there is no answer that allows anything.
        (
            Method::OPTIONS,
            vec![("origin", "https://other.example"), ("access-control-request-method", "POST")],
            200,
        ),
        (
            Method::OPTIONS,
            vec![("origin", "https://other.example"), ("access-control-request-method", "DELETE")],
            403,
        ),
    ] {
        let request = gateway.api.client.request(method.clone(), &url);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), expected, "{method} {headers:?}");
        if method == Method::OPTIONS {
            assert_eq!(response.headers().get("access-control-allow-origin"), None);
        }
    }
}

/// The original served pages from everywhere, and its clients' browsers did not name the site.
#[tokio::test]
async fn strict_compat_serves_pages_that_do_not_name_their_site() {
    let functions = Functions::start(|_| Answer::Http(200, r#"{"body":"page"}"#.to_owned())).await;
    let gateway = TestGateway::with(|options| options.strict_compat = true).await;
    with_routes(&gateway, &functions, "/x").await;
    let url = format!("{}/x", gateway.api.events);
    let foreign = |name: &'static str, value: &'static str| {
        gateway.api.client.post(&url).header("origin", "https://page").header(name, value)
    };
    assert_eq!(send(foreign("accept", "*/*")).await.0, 200);
    assert_eq!(send(foreign("sec-fetch-site", "cross-site")).await.0, 403);
    assert_eq!(send(foreign("host", "evil.example")).await.0, 403);
    let config = format!("{}/v1/spaces/default/eventtypes", gateway.api.config);
    let create = |name: &str, ty: &'static str| {
        gateway.api.client.post(&config).header("content-type", ty).body(json!({ "name": name }).to_string())
    };
    assert_eq!(send(create("a", "text/plain")).await.0, 201, "the original ignored content types");
    assert_eq!(send(create("b", "text/plain").header("origin", "https://page")).await.0, 403);
}

#[tokio::test]
async fn the_operator_allows_names() {
    let gateway = TestGateway::with(|options| {
        options.allowed_hosts = ["shop.example", "*.dev.example"].map(str::to_owned).to_vec();
        options.domain = Some("spaces.example".to_owned());
    })
    .await;
    let list = format!("{}/v1/spaces/default/functions", gateway.api.config);
    for (host, origin, expected) in [
        ("shop.example", None, 200),
        ("a.dev.example:4001", None, 200),
        ("dev.example", None, 403),
        ("acme.spaces.example", None, 200),
        ("spaces.example", None, 200),
        ("other.example", None, 403),
        ("localhost", Some("https://shop.example"), 200),
        ("localhost", Some("https://acme.spaces.example"), 403),
    ] {
        for url in [&list, &gateway.api.events] {
            let request = gateway.api.client.get(url).header("host", host);
            let request =
                origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
            let status = send(request).await.0;
            let expected = if expected == 200 && url != &list { 404 } else { expected };
            assert_eq!(status, expected, "{url} {host} {origin:?}");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = options(&dir);
    wrong.allowed_hosts = vec!["shop.example:80".to_owned()];
    let error = Gateway::start(wrong).await.unwrap_err();
    assert!(matches!(error, StartError::Name(_)), "{error}");
}

/// A key protects better than a name: no page knows it. And a port for other machines is called by names that the gateway
/// does not know.
#[tokio::test]
async fn keys_and_public_ports_need_no_names() {
    let foreign = |client: &Client, url: &str, key: Option<&str>| {
        let request =
            client.get(url).header("host", "events.example").header("origin", "https://page.example");
        key.into_iter().fold(request, RequestBuilder::bearer_auth)
    };
    let public = |options: &mut eg_gateway::Options| {
        options.events_addr = ListenAddr::Exact((Ipv4Addr::LOCALHOST, 0).into());
        options.access_keys.all = Some(Secret::from("root"));
        options.access_keys.events = true;
    };
    let keyed = TestGateway::with(public).await;
    let client = &keyed.api.client;
    let list = format!("{}/v1/spaces/default/functions", keyed.api.config);
    assert_eq!(send(foreign(client, &list, None)).await.0, 401);
    assert_eq!(send(foreign(client, &list, Some("root"))).await.0, 200);
    assert_eq!(send(foreign(client, &keyed.api.events, None)).await.0, 401);
    assert_eq!(send(foreign(client, &keyed.api.events, Some("root"))).await.0, 404, "there is no route");

    let open = TestGateway::with(|options| {
        options.access_keys.spaces.insert("acme".to_owned(), Secret::from("acme-key"));
    })
    .await;
    let of = |space: &str| format!("{}/v1/spaces/{space}/functions", open.api.config);
    let client = &open.api.client;
    assert_eq!(send(foreign(client, &of("acme"), Some("acme-key"))).await.0, 200);
    assert_eq!(send(foreign(client, &of("default"), None)).await.0, 403);
    assert_eq!(send(foreign(client, &format!("{}/v1/status", open.api.config), None)).await.0, 200);
    for path in ["accounting", "metrics", "feed", "openapi.json"] {
        let (status, body) = send(client.get(format!("{}/v1/{path}", open.api.config))).await;
        assert_eq!(error(status, &body).code, Some(ErrorCode::KeyMissing), "{path}: one space has a key");
    }
}
