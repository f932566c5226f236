//! Every family of HTTP payloads against one app: what the function sees of the request, and in which shape its sender
//! gets the answer.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use axum::extract::{RawQuery, Request};
use axum::http::HeaderValue;
use axum::response::{AppendHeaders, IntoResponse};
use eg_runtime::testing::TestApp;
use eg_runtime::{App, Bytes, HeaderMap, Json, Path, Response, StatusCode, http};
use serde_json::{Value, json};

/// Says what it sees of a request.
#[http(PUT, "/echo/{*rest}")]
async fn echo(
    Path(rest): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Json<Value> {
    let all = |name: &str| headers.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
    Json(
        json!({"rest": rest, "query": query, "many": all("x-many"), "cookie": all("cookie"), "body": body.to_vec()}),
    )
}

#[http(GET, "/")]
async fn root(request: Request) -> String {
    request.uri().to_string()
}

/// Two cookies, and a header with two values.
#[http(GET, "/cookies")]
async fn cookies() -> impl IntoResponse {
    let headers = [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-many", "1"), ("x-many", "2")];
    (AppendHeaders(headers), "text")
}

/// A header in ISO-8859-1 and one in UTF-8.
#[http(GET, "/names")]
async fn names() -> Response {
    let mut response = Response::default();
    for (name, value) in [("x-latin", &b"caf\xe9"[..]), ("x-utf", "café".as_bytes())] {
        response.headers_mut().insert(name, HeaderValue::from_bytes(value).unwrap());
    }
    response
}

#[http(DELETE, "/")]
async fn gone() -> StatusCode {
    StatusCode::NO_CONTENT
}

#[http(PATCH, "/")]
async fn unchanged() -> StatusCode {
    StatusCode::NOT_MODIFIED
}

#[http(GET, "/binary")]
async fn binary() -> Vec<u8> {
    vec![0, 159, 146, 150]
}

/// As many bytes as the path says.
#[http(GET, "/bytes/{n}")]
async fn bytes(Path(n): Path<usize>) -> Vec<u8> {
    vec![255; n]
}

fn app() -> TestApp {
    TestApp::new(App::new()).unwrap()
}

/// `base` with the members of `changes`.
fn with(mut base: Value, changes: &Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        base[key] = value.clone();
    }
    base
}

fn http_api(changes: &Value) -> Value {
    with(
        json!({"version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": "", "headers": {},
            "requestContext": {"stage": "$default", "http": {"method": "GET"}}, "isBase64Encoded": false}),
        changes,
    )
}

fn rest_api(changes: &Value) -> Value {
    with(
        json!({"resource": "/{proxy+}", "path": "/", "httpMethod": "GET", "headers": null, "multiValueHeaders": null,
            "queryStringParameters": null, "multiValueQueryStringParameters": null, "pathParameters": null,
            "stageVariables": null, "requestContext": {"stage": "prod", "httpMethod": "GET"}, "body": null}),
        changes,
    )
}

fn balancer(changes: &Value) -> Value {
    let group = "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/t/1";
    with(
        json!({"requestContext": {"elb": {"targetGroupArn": group}}, "httpMethod": "GET", "path": "/", "body": "",
            "isBase64Encoded": false}),
        changes,
    )
}

fn lattice_2(changes: &Value) -> Value {
    with(
        json!({"version": "2.0", "path": "/", "method": "GET", "headers": {}, "queryStringParameters": {},
            "body": null, "requestContext": {"serviceNetworkArn": "arn:aws:vpc-lattice:x"}}),
        changes,
    )
}

fn lattice_1(changes: &Value) -> Value {
    with(
        json!({"raw_path": "/", "method": "GET", "headers": {}, "body": "", "is_base64_encoded": false}),
        changes,
    )
}

#[tokio::test]
async fn functions_see_the_same_request_whoever_carries_it() {
    let app = app();
    let put = json!({"stage": "$default", "http": {"method": "PUT"}});
    for (family, payload) in [
        (
            "HTTP API",
            http_api(
                &json!({"rawPath": "/echo/a%2Fb", "rawQueryString": "q=%201&q=2", "requestContext": put,
                "headers": {"x-many": "1,2"}, "cookies": ["a=1", "b=2"], "body": "AP8=", "isBase64Encoded": true}),
            ),
        ),
        (
            "REST API",
            rest_api(
                &json!({"path": "/echo/a%2Fb", "httpMethod": "PUT", "headers": {"X-Many": "2", "Cookie": "a=1; b=2"},
                "multiValueHeaders": {"X-Many": ["1", "2"], "Cookie": ["a=1; b=2"]},
                "queryStringParameters": {"q": "2"}, "multiValueQueryStringParameters": {"q": [" 1", "2"]},
                "body": "AP8=", "isBase64Encoded": true}),
            ),
        ),
        (
            "load balancer, multi-value",
            balancer(&json!({"path": "/echo/a%2Fb", "httpMethod": "PUT",
                "multiValueHeaders": {"x-many": ["1", "2"], "cookie": ["a=1; b=2"]},
                "multiValueQueryStringParameters": {"q": ["%201", "2"]}, "body": "AP8=", "isBase64Encoded": true})),
        ),
        (
            "VPC Lattice 2",
            lattice_2(
                &json!({"path": "/echo/a%2Fb", "method": "PUT", "headers": {"x-many": ["1", "2"], "cookie": ["a=1; b=2"]},
                "queryStringParameters": {"q": ["%201", "2"]}, "body": "AP8=", "isBase64Encoded": true}),
            ),
        ),
        (
            "VPC Lattice 1",
            lattice_1(&json!({"raw_path": "/echo/a%2Fb?q=%201&q=2", "method": "PUT",
                "headers": {"x-many": "1,2", "cookie": "a=1; b=2"}, "body": "AP8=", "is_base64_encoded": true})),
        ),
    ] {
        let answer = app.invoke(&payload.to_string()).await.unwrap();
        assert_eq!(answer["statusCode"], 200, "{family}: {answer}");
        let mut body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        let many = body["many"].as_array().unwrap().iter().map(|v| v.as_str().unwrap());
        assert_eq!(many.collect::<Vec<_>>().join(","), "1,2", "{family}");
        body["many"] = json!(null);
        assert_eq!(
            body,
            json!({"rest": "a/b", "query": "q=%201&q=2", "many": null, "cookie": ["a=1; b=2"], "body": [0, 255]}),
            "{family}"
        );
    }
}

#[tokio::test]
async fn single_values_where_the_sender_has_no_more() {
    let app = app();
    let headers = json!({"x-many": "2", "cookie": "a=1"});
    let path = json!({"path": "/echo/x", "httpMethod": "PUT", "headers": headers,
        "queryStringParameters": {"q": "%C3%A4 b"}, "body": "text"});
    let answer = app.invoke(&balancer(&path).to_string()).await.unwrap();
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!((&body["query"], &body["many"]), (&json!("q=%C3%A4%20b"), &json!(["2"])));

    let answer = app.invoke(&rest_api(&path).to_string()).await.unwrap();
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["query"], "q=%25C3%25A4%20b", "API Gateway has decoded it once");
}

#[tokio::test]
async fn answers_have_the_shape_of_the_sender() {
    let app = app();
    let check = async |family: &str, payload: Value, expected: Value| {
        let mut answer = app.invoke(&payload.to_string()).await.unwrap();
        for headers in ["headers", "multiValueHeaders"] {
            if let Some(headers) = answer.get_mut(headers).and_then(Value::as_object_mut) {
                headers.retain(|name, _| !name.starts_with("content-"));
            }
        }
        assert_eq!(answer, expected, "{family}");
    };
    let common = json!({"statusCode": 200, "body": "text", "isBase64Encoded": false});
    let all = json!({"set-cookie": ["a=1", "b=2"], "x-many": ["1", "2"]});
    let one = json!({"set-cookie": "a=1", "x-many": "1, 2"});
    let get = json!({"path": "/cookies"});
    check(
        "HTTP API",
        http_api(&json!({"rawPath": "/cookies"})),
        with(common.clone(), &json!({"headers": {"x-many": "1, 2"}, "cookies": ["a=1", "b=2"]})),
    )
    .await;
    check("REST API", rest_api(&get), with(common.clone(), &json!({"multiValueHeaders": all}))).await;
    let in_words = with(common, &json!({"statusDescription": "200 OK"}));
    check(
        "load balancer, multi-value",
        balancer(&json!({"path": "/cookies", "multiValueHeaders": {}})),
        with(in_words.clone(), &json!({"multiValueHeaders": all})),
    )
    .await;
    let single = with(in_words, &json!({"headers": one}));
    check("load balancer", balancer(&json!({"path": "/cookies", "headers": {}})), single.clone()).await;
    check("VPC Lattice 2", lattice_2(&get), single.clone()).await;
    check("VPC Lattice 1", lattice_1(&json!({"raw_path": "/cookies"})), single).await;
}

/// Bytes of headers that are not UTF-8 became U+FFFD.
#[tokio::test]
async fn headers_keep_their_characters_in_every_family() {
    let app = app();
    for payload in [
        http_api(&json!({"rawPath": "/names"})),
        rest_api(&json!({"path": "/names", "resource": "/names"})),
        balancer(&json!({"path": "/names", "headers": {}})),
        balancer(&json!({"path": "/names", "multiValueHeaders": {}})),
        lattice_1(&json!({"raw_path": "/names"})),
        lattice_2(&json!({"path": "/names"})),
    ] {
        let answer = app.invoke(&payload.to_string()).await.unwrap();
        let value = |name: &str| {
            let single = answer["headers"][name].as_str();
            single.or_else(|| answer["multiValueHeaders"][name][0].as_str()).map(str::to_owned)
        };
        assert_eq!(
            (value("x-latin"), value("x-utf")),
            (Some("café".to_owned()), Some("café".to_owned())),
            "{answer}"
        );
    }
}

/// axum sets a length for every answer; RFC 9110 §8.6 forbids it for 204.
#[tokio::test]
async fn answers_without_a_body_have_no_length() {
    let app = app();
    for (method, status) in [("DELETE", 204), ("PATCH", 304)] {
        let context = json!({"stage": "$default", "http": {"method": method}});
        let answer = app.invoke(&http_api(&json!({"requestContext": context})).to_string()).await.unwrap();
        assert_eq!((&answer["statusCode"], &answer["headers"]), (&json!(status), &json!({})), "{answer}");
    }
    let answer = app.invoke(&http_api(&json!({"rawPath": "/names"})).to_string()).await.unwrap();
    assert_eq!(answer["headers"]["content-length"], "0", "a 200 has one");
}

#[tokio::test]
async fn answers_that_are_no_text_travel_in_base64() {
    let app = app();
    for payload in [http_api(&json!({"rawPath": "/binary"})), balancer(&json!({"path": "/binary"}))] {
        let answer = app.invoke(&payload.to_string()).await.unwrap();
        assert_eq!((&answer["body"], &answer["isBase64Encoded"]), (&json!("AJ+Slg=="), &json!(true)));
    }
}

#[tokio::test]
async fn answers_over_six_megabytes_are_errors_that_say_so() {
    let app = app();
    // Base64 makes four bytes of three, so this is where 6 MB end.
    let most = 6 * 1024 * 1024 / 4 * 3;
    let bytes =
        async |n: usize| app.invoke(&http_api(&json!({"rawPath": format!("/bytes/{n}")})).to_string()).await;
    assert_eq!(bytes(most - 300).await.unwrap()["statusCode"], 200);
    let error = bytes(most).await.unwrap_err();
    assert_eq!(error.error_type, "ResponseTooLarge");
    assert!(error.error_message.contains("larger than 6291456 bytes"), "{error}");
}

#[tokio::test]
async fn paths_are_routed_without_stages_and_base_paths() {
    let app = app();
    let check = async |payload: Value, path: &str| {
        let answer = app.invoke(&payload.to_string()).await.unwrap();
        let seen = if answer["statusCode"] == 200 { answer["body"].as_str().unwrap() } else { "(no route)" };
        assert_eq!(seen, path, "{payload}: {answer}");
    };
    let stage = |path: &str, stage: &str, domain: &str| {
        http_api(&json!({"rawPath": path,
            "requestContext": {"stage": stage, "domainName": domain, "http": {"method": "GET"}}}))
    };
    check(stage("/", "$default", "x.execute-api.eu-central-1.amazonaws.com"), "/").await;
    check(stage("/prod", "prod", "x.execute-api.eu-central-1.amazonaws.com"), "/").await;
    check(stage("/prod/", "prod", "x.execute-api.eu-central-1.amazonaws.com"), "/").await;
    check(stage("/prod", "prod", "api.example.com"), "(no route)").await;
    check(stage("", "$default", "x.lambda-url.eu-central-1.on.aws"), "/").await;
    let mapped = http_api(
        &json!({"rawPath": "/mapping", "routeKey": "GET /{proxy+}", "pathParameters": {"proxy": "mapping"}}),
    );
    check(mapped, "(no route)").await;
    check(http_api(&json!({"rawPath": "/mapping/", "routeKey": "GET /"})), "/").await;
    check(rest_api(&json!({"path": "/base/", "resource": "/"})), "/").await;
    check(rest_api(&json!({"path": "/", "resource": "/"})), "/").await;
    check(rest_api(&json!({"path": "/prod", "resource": "/{proxy+}"})), "(no route)").await;
    check(rest_api(&json!({"path": "/prod", "resource": "$default", "version": "1.0"})), "/").await;
}

#[tokio::test]
async fn what_a_client_gets_wrong_is_answered_400() {
    let app = app();
    let long = format!("/{}", "x".repeat(70_000));
    for (payload, reason) in [
        (http_api(&json!({"body": "no base64!", "isBase64Encoded": true})), "not base64"),
        (rest_api(&json!({"body": "no base64!", "isBase64Encoded": true})), "not base64"),
        (balancer(&json!({"httpMethod": "G ET"})), "method `G ET`"),
        (lattice_2(&json!({"path": long})), "path and query"),
    ] {
        let answer = app.invoke(&payload.to_string()).await.unwrap();
        assert_eq!(answer["statusCode"], 400);
        assert!(answer["body"].as_str().unwrap().contains(reason), "{answer}");
    }
}

#[tokio::test]
async fn hostile_pieces_do_not_get_in_the_way() {
    let app = app();
    for piece in
        ["{dns_suffix}", "a b", "\u{0}", "\r\nx: y", "ä", "[::1", "%", "%zz", "//", "#", "\\", "\"", "?"]
    {
        let host = json!({"headers": {"host": piece, "x-forwarded-proto": piece, "x-forwarded-host": piece}});
        let payloads = [
            http_api(&with(host.clone(), &json!({"rawQueryString": piece}))),
            http_api(&json!({"rawPath": format!("/echo/{piece}")})),
            rest_api(&with(host.clone(), &json!({"queryStringParameters": {(piece): piece}}))),
            balancer(&with(host, &json!({"queryStringParameters": {(piece): piece}}))),
            lattice_2(&json!({"headers": {"host": [piece]}, "path": format!("/echo{piece}")})),
        ];
        for payload in payloads {
            let answer = app.invoke(&payload.to_string()).await.unwrap();
            assert!([200, 404, 405].contains(&answer["statusCode"].as_i64().unwrap()), "{payload}: {answer}");
        }
    }
}

#[tokio::test]
async fn authorizer_events_are_refused_as_such() {
    let app = app();
    let request = json!({"version": "2.0", "type": "REQUEST", "routeArn": "arn:x", "routeKey": "GET /", "rawPath": "/",
        "rawQueryString": "", "requestContext": {"http": {"method": "GET"}}});
    for (payload, kind) in [
        (json!({"type": "TOKEN", "authorizationToken": "t", "methodArn": "arn:x"}), "(TOKEN)"),
        (rest_api(&json!({"type": "REQUEST", "methodArn": "arn:x"})), "(REQUEST)"),
        (request, "(REQUEST, format 2.0)"),
        (json!({"authorizationToken": "t", "requestContext": {"apiId": "x"}}), "(TOKEN)"),
    ] {
        let error = app.invoke(&payload.to_string()).await.unwrap_err();
        assert_eq!(error.error_type, "Reject");
        assert!(error.error_message.contains("asks a Lambda authorizer"), "{error}");
        assert!(error.error_message.contains(kind), "{error}");
    }
}
