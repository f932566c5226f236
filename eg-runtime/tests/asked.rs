//! A synchronous subscription with a path answers requests that carry its event: through the gateway, and through an HTTP API,
//! which has no other way to it.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use axum::http::Request;
use eg_runtime::testing::TestApp;
use eg_runtime::{App, CloudEvent, Context, Error, Json, StatusCode, http, subscribe};
use serde_json::{Value, json};

/// Answers with what it got.
#[subscribe("price.asked", mode = "sync", path = "/prices/{shop}", method = PUT)]
async fn quote(context: Context, event: CloudEvent<u32>) -> Result<Json<Value>, Error> {
    if event.data == 0 {
        return Err(Error::status(StatusCode::NOT_FOUND, "we have none"));
    }
    Ok(Json(json!({"data": event.data, "id": event.id(), "hops": context.hops()})))
}

#[subscribe("prices.asked", mode = "sync", path = "/prices/{shop}", method = PUT)]
async fn quote_all() -> &'static str {
    "all"
}

/// Without a path of its own, only the gateway reaches it.
#[subscribe("time.asked", mode = "sync")]
async fn tell_time() {}

/// The function that takes requests itself goes first.
#[http(POST, "/clicks")]
#[subscribe("page.clicked", mode = "sync", path = "/clicks")]
async fn click(event: CloudEvent<Value>) -> String {
    format!("click {}", event.ty())
}

fn event(ty: &str, data: &Value) -> String {
    json!({"specversion": "1.0", "id": "7", "source": "/s", "type": ty, "hops": 3, "data": data}).to_string()
}

async fn send(
    app: &TestApp,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> (u16, String) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = app.http(request.body(body).unwrap()).await;
    (answer.status().as_u16(), answer.text())
}

const STRUCTURED: &[(&str, &str)] = &[("content-type", "application/cloudevents+json")];

#[tokio::test]
async fn requests_with_the_event_reach_the_function() {
    let app = TestApp::new(App::new()).unwrap();
    let binary = [
        ("ce-specversion", "1.0"),
        ("ce-id", "8"),
        ("ce-source", "/s"),
        ("ce-type", "price.asked"),
        ("content-type", "application/json"),
    ];
    let unknown = r#"{"errors":[{"code":"unknown_path","message":"no function answers event `time.asked` here; this path takes `price.asked` and `prices.asked`"}]}"#;
    for (method, path, headers, body, status, answer) in [
        (
            "PUT",
            "/prices/1",
            STRUCTURED,
            event("price.asked", &json!(5)),
            200,
            r#"{"data":5,"hops":4,"id":"7"}"#,
        ),
        (
            "PUT",
            "/prices/1",
            STRUCTURED,
            event("price.asked", &json!(0)),
            404,
            r#"{"errors":["we have none"]}"#,
        ),
        ("PUT", "/prices/1", STRUCTURED, event("prices.asked", &json!(0)), 200, "all"),
        ("PUT", "/prices/1", STRUCTURED, event("time.asked", &json!(0)), 404, unknown),
        ("PUT", "/prices/1", &binary, "6".to_owned(), 200, r#"{"data":6,"hops":1,"id":"8"}"#),
        ("POST", "/clicks", STRUCTURED, event("other", &json!(0)), 200, "click other"),
    ] {
        assert_eq!(send(&app, method, path, headers, body).await, (status, answer.to_owned()), "{path}");
    }
    assert_eq!(send(&app, "PUT", "/prices/1", &[], "{}".to_owned()).await.0, 400, "no event");
    assert_eq!(send(&app, "POST", "/prices/1", STRUCTURED, event("price.asked", &json!(5))).await.0, 405);
    assert_eq!(send(&app, "POST", "/", STRUCTURED, event("time.asked", &json!(5))).await.0, 404);
}

#[tokio::test]
async fn an_http_api_reaches_it() {
    let app = TestApp::new(App::new()).unwrap();
    let request = |data: Value| {
        json!({"version": "2.0", "routeKey": "PUT /prices/{shop}", "rawPath": "/prices/1", "rawQueryString": "",
            "headers": {"content-type": "application/cloudevents+json"}, "isBase64Encoded": false,
            "requestContext": {"stage": "$default", "http": {"method": "PUT", "path": "/prices/1"}},
            "body": event("price.asked", &data)})
    };
    for (data, status, body) in
        [(json!(5), 200, r#"{"data":5,"hops":4,"id":"7"}"#), (json!("no number"), 400, "")]
    {
        let answer = app.call("quote", &request(data)).await.unwrap();
        assert_eq!(answer["statusCode"], status, "{answer}");
        assert!(answer["body"].as_str().unwrap().contains(body), "{answer}");
    }
    // The event itself, as the gateway sends it.
    let asked: Value = serde_json::from_str(&event("price.asked", &json!(5))).unwrap();
    assert_eq!(app.call("quote", &asked).await.unwrap()["body"], r#"{"data":5,"hops":4,"id":"7"}"#);
}
