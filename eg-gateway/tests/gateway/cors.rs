//! CORS: the configurations as resources, and what browsers get to see of them.

use reqwest::{Method, RequestBuilder, Response};
use serde_json::json;

use crate::config_api::check;
use crate::support::{Answer, Functions, TestGateway};

const HELLO: &str = "default/cors/GET%2Fhello%2F:id";

#[tokio::test]
async fn resources() {
    let created = r#"{"space":"default","corsId":"GET%2Fhello%2F:id","method":"GET","path":"/hello/:id","allowedOrigins":["*"],"allowedMethods":["HEAD","GET","POST"],"allowedHeaders":["Origin","Accept","Content-Type"],"allowCredentials":false}"#;
    let updated = r#"{"space":"default","corsId":"GET%2Fhello%2F:id","method":"GET","path":"/hello/:id","allowedOrigins":["http://a"],"allowedMethods":["PUT"],"allowedHeaders":["Origin","Accept","Content-Type"],"allowCredentials":true,"metadata":{"k":"v"}}"#;
    let other = r#"{"space":"default","corsId":"POST%2F","method":"POST","path":"/","allowedOrigins":["*"],"allowedMethods":["HEAD","GET","POST"],"allowedHeaders":["Origin","Accept","Content-Type"],"allowCredentials":false}"#;
    let invalid = |detail: &str| format!("~CORS configuration doesn't validate. Validation error: {detail}");
    let rule = |field: &str, tag: &str| {
        format!("Key: 'CORS.{field}' Error:Field validation for '{field}' failed on the '{tag}' tag")
    };
    let methods = "eq=GET|eq=POST|eq=DELETE|eq=PUT|eq=PATCH|eq=HEAD|eq=OPTIONS";
    let (get, post, put, delete) = (Method::GET, Method::POST, Method::PUT, Method::DELETE);
    check(&[
        (get.clone(), "default/cors", "", 200, r#"{"cors":[]}"#),
        (post.clone(), "default/cors", r#"{"method":"GET","path":"/hello/:id","corsId":"x"}"#, 201, created),
        (post.clone(), "default/cors", r#"{"method":"GET","path":"/hello/:id"}"#, 409, r#"~CORS configuration "GET%2Fhello%2F:id" already exists."#),
        (post.clone(), "default/cors", r#"{"method":"GET","path":"/hello/:name"}"#, 400, r#"~CORS configuration path conflict: parameter with different name ("id") already defined: for route: /hello/:name"#),
        (post.clone(), "default/cors", r#"{"method":"POST","path":"/"}"#, 201, other),
        (post.clone(), "default/cors", "", 400, &invalid("the body is empty")),
        (post.clone(), "default/cors", r#"{"allowedOrigins":"*"}"#, 400, &invalid("`allowedOrigins` is a string: it must be a list of strings")),
        (post.clone(), "default/cors", r#"{"allowedHeaders":[1]}"#, 400, &invalid("an item of `allowedHeaders` is a number: it must be a string")),
        (post.clone(), "default/cors", r#"{"allowCredentials":"yes"}"#, 400, &invalid("`allowCredentials` is a string: it must be true or false")),
        (post.clone(), "default/cors", "{}", 400, &invalid(&format!("{}\n{}", rule("Method", "required"), rule("Path", "path")))),
        (post.clone(), "default/cors", r#"{"method":"get","path":"hello"}"#, 400, &invalid(&format!("{}\n{}", rule("Method", methods), rule("Path", "path")))),
        (post.clone(), "default/cors", r#"{"method":"GET","path":"/n","allowedOrigins":["null"]}"#, 400, &invalid("allowedOrigins: `null` is the origin of every sandboxed page: name an origin like `https://app.example`")),
        (post, "x/cors", r#"{"method":"GET","path":"/"}"#, 400, &invalid(&rule("Space", "min"))),
        (get.clone(), HELLO, "", 200, created),
        (get.clone(), "default/cors", "", 200, &format!(r#"{{"cors":[{other},{created}]}}"#)),
        (get.clone(), "other/cors", "", 200, r#"{"cors":[]}"#),
        (get.clone(), "default/cors/GET/hello", "", 404, r#"~CORS configuration "" not found."#),
        (put.clone(), HELLO, r#"{"method":"GET","path":"/hello/:id","allowedOrigins":["http://a"],"allowedMethods":["PUT"],"allowCredentials":true,"metadata":{"k":"v"}}"#, 200, updated),
        (get.clone(), "default/cors?metadata.k=v", "", 200, &format!(r#"{{"cors":[{updated}]}}"#)),
        (put.clone(), HELLO, r#"{"method":"PUT","path":"/hello/:id"}"#, 400, "~Invalid update. 'Method' of existing CORS configuration cannot be updated."),
        (put.clone(), HELLO, r#"{"method":"GET","path":"/hello"}"#, 400, "~Invalid update. 'Path' of existing CORS configuration cannot be updated."),
        (put.clone(), HELLO, "{}", 400, &invalid(&format!("{}\n{}", rule("Method", "required"), rule("Path", "path")))),
        (put.clone(), "default/cors/none", r#"{"method":"GET","path":"/"}"#, 404, r#"~CORS configuration "none" not found."#),
        (put.clone(), HELLO, r#"{"method":"GET","path":"/hello/:id"}"#, 200, created),
        (put, HELLO, r#"{"method":"GET","path":"/hello/:id","allowCredentials":true}"#, 400, &invalid("allowedOrigins: credentials are allowed for named origins only: list the origins instead of `*`")),
        (delete.clone(), HELLO, "", 204, ""),
        (delete, HELLO, "", 404, r#"~CORS configuration "GET%2Fhello%2F:id" not found."#),
        (get, HELLO, "", 404, r#"~CORS configuration "GET%2Fhello%2F:id" not found."#),
    ])
    .await;
}

async fn send(request: RequestBuilder, headers: &[(&str, &str)]) -> Response {
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.send().await.unwrap()
}

fn header(response: &Response, name: &str) -> Option<String> {
    let name = format!("access-control-allow-{name}");
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
}

/// The function never sees a preflight; what it says itself about an actual request wins.
#[tokio::test]
async fn browsers() {
    let mut functions = Functions::start(|call| {
        let headers =
            if call.path == "/own" { r#"{"Access-Control-Allow-Origin":"https://own"}"# } else { "{}" };
        Answer::Http(200, format!(r#"{{"headers":{headers},"body":"ok"}}"#))
    })
    .await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("http.request").await;
    for path in ["/own", "/plain"] {
        let id = &path[1..];
        gateway.api.http_function(id, &functions.url(path)).await;
        let subscription = json!({ "type": "sync", "eventType": "http.request", "functionId": id, "path": path, "method": "GET" });
        gateway.api.create("subscriptions", subscription).await;
        gateway.api.create("cors", json!({ "method": "GET", "path": path })).await;
    }
    let url = |path: &str| format!("{}{path}", gateway.api.events);
    let ask = [("origin", "https://page"), ("access-control-request-method", "GET")];
    let preflight = send(gateway.api.client.request(Method::OPTIONS, url("/plain")), &ask).await;
    assert_eq!(preflight.status(), 200);
    assert_eq!(header(&preflight, "origin").as_deref(), Some("*"));
    assert_eq!(header(&preflight, "methods").as_deref(), Some("GET"));
    assert_eq!(preflight.headers().get_all("vary").iter().count(), 3);
    assert_eq!(preflight.text().await.unwrap(), "");
    assert!(functions.try_call().is_none(), "a preflight reached a function");

    for (path, origin) in [("/plain", "*"), ("/own", "https://own")] {
        let response = send(gateway.api.client.get(url(path)), &ask[..1]).await;
        assert_eq!(header(&response, "origin").as_deref(), Some(origin), "{path}");
        assert_eq!(response.headers()["vary"], "Origin");
        assert_eq!(response.text().await.unwrap(), "ok");
        functions.next_call().await;
    }

    let unconfigured = send(gateway.api.client.request(Method::OPTIONS, url("/else")), &ask).await;
    assert_eq!(unconfigured.status(), 403);
    assert_eq!(header(&unconfigured, "origin"), None);
    assert_eq!(unconfigured.headers().get("vary"), None);
}

/// CORS of a route with a parameter let the pages of other origins read a more specific route, which has none.
#[tokio::test]
async fn cors_of_a_route_does_not_open_a_more_specific_one() {
    let functions = Functions::start(|_| Answer::Http(200, r#"{"body":"ok"}"#.to_owned())).await;
    let gateway = TestGateway::start().await;
    gateway.api.event_type("http.request").await;
    gateway.api.http_function("f", &functions.url("/")).await;
    for path in ["/users/:id", "/users/me"] {
        let subscription = json!({ "type": "sync", "eventType": "http.request", "functionId": "f", "path": path, "method": "GET" });
        gateway.api.create("subscriptions", subscription).await;
    }
    gateway.api.create("cors", json!({ "method": "GET", "path": "/users/:id" })).await;
    let headers = [("origin", "https://page"), ("access-control-request-method", "GET")];
    for (path, origin, status) in [("/users/7", Some("*"), 200), ("/users/me", None, 403)] {
        let url = format!("{}{path}", gateway.api.events);
        let response = send(gateway.api.client.get(&url), &headers[..1]).await;
        assert_eq!(
            (response.status().as_u16(), header(&response, "origin").as_deref()),
            (status, origin),
            "{path}"
        );
        let response = send(gateway.api.client.request(Method::OPTIONS, &url), &headers).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(header(&response, "origin").as_deref(), origin, "{path}");
    }
}

/// A page has to be able to read why it was refused.
#[tokio::test]
async fn errors_carry_the_headers_too() {
    let gateway = TestGateway::start().await;
    gateway.api.create("cors", json!({ "method": "POST", "path": "/" })).await;
    let headers = [("origin", "https://page"), ("content-type", "text plain")];
    let response = send(gateway.api.client.post(&gateway.api.events), &headers).await;
    assert_eq!(response.status(), 400);
    assert_eq!(header(&response, "origin").as_deref(), Some("*"));
}

/// The original stored updates, but routed by what was there first.
#[tokio::test]
async fn changes_are_in_force_before_they_are_answered() {
    let gateway = TestGateway::start().await;
    let origin = async || {
        let request = gateway.api.client.post(format!("{}/a/7", gateway.api.events));
        header(&send(request, &[("origin", "https://page")]).await, "origin")
    };
    assert_eq!(origin().await, None);
    gateway.api.create("cors", json!({ "method": "POST", "path": "/a/:id" })).await;
    assert_eq!(origin().await.as_deref(), Some("*"));
    for (body, expected) in [
        (json!({ "method": "POST", "path": "/a/:id", "allowedOrigins": ["https://other"] }), None),
        (
            json!({ "method": "POST", "path": "/a/:id", "allowedOrigins": ["https://page"] }),
            Some("https://page"),
        ),
    ] {
        let (status, answer) =
            gateway.api.config(Method::PUT, "default/cors/POST%2Fa%2F:id", body.to_string()).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(origin().await.as_deref(), expected, "{body}");
    }
    let gateway = gateway.restart().await;
    let request = gateway.api.client.post(format!("{}/a/7", gateway.api.events));
    let response = send(request, &[("origin", "https://page")]).await;
    assert_eq!(header(&response, "origin").as_deref(), Some("https://page"), "after a restart");
    assert_eq!(gateway.api.config(Method::DELETE, "default/cors/POST%2Fa%2F:id", "").await.0, 204);
    let request = gateway.api.client.post(format!("{}/a/7", gateway.api.events));
    assert_eq!(header(&send(request, &[("origin", "https://page")]).await, "origin"), None);
}
