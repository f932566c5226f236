//! Authorizers: who asks them, what clients and functions get, and the answers to API Gateway and the event gateway.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]
#![allow(clippy::needless_pass_by_value, reason = "the tables read better with values than with references")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eg_runtime::testing::{Outcome, TestApp};
use eg_runtime::{
    App, Caller, Decision, Error, HeaderMap, Json, Method, Query, State, StatusCode, Uri, authorizer, http,
    subscribe,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// How often the authorizer was asked.
#[derive(Clone, Default)]
struct Asked(Arc<AtomicUsize>);

fn decide(headers: &HeaderMap) -> Result<Decision, Error> {
    let token = headers.get("authorization").and_then(|value| value.to_str().ok());
    match token.map(|token| token.trim_start_matches("Bearer ")) {
        None => Ok(Decision::unauthorized()),
        Some("good") => Ok(Decision::allow("donald").with("tier", "gold").with("roles", json!(["a", "b"]))),
        Some("rejected") => Err(Error::status(StatusCode::UNAUTHORIZED, "expired")),
        Some("forbidden") => Err(Error::status(StatusCode::FORBIDDEN, "blocked")),
        Some("broken") => Err(Error::retry("the keys cannot be read")),
        Some("panic") => panic!("as you wish"),
        Some(_) => Ok(Decision::deny()),
    }
}

/// Knows one token.
#[authorizer]
async fn check_token(State(asked): State<Asked>, headers: HeaderMap) -> Result<Decision, Error> {
    asked.0.fetch_add(1, Ordering::SeqCst);
    decide(&headers)
}

/// Answers HTTP APIs with policies.
#[authorizer(iam, name = "checkPolicy")]
pub async fn check_policy(
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    caller: Caller,
) -> Result<Decision, Error> {
    let ip = caller.source_ip().map(|ip| ip.to_string()).unwrap_or_default();
    Ok(decide(&headers)?.with("asked", format!("{method} {uri} {ip}")))
}

#[derive(Deserialize)]
struct Key {
    key: String,
}

/// Decides by a parameter of the query, whose absence is an error of the extractor.
#[authorizer]
async fn check_key(Query(key): Query<Key>) -> Decision {
    if key.key == "k" { Decision::allow("key") } else { Decision::deny() }
}

fn describe(caller: &Caller) -> Value {
    json!([caller.principal_id(), caller.authorizer(), caller.source_ip().map(|ip| ip.to_string())])
}

#[http(POST, "/orders", authorizer = check_token)]
async fn order(caller: Caller, body: String) -> Json<Value> {
    Json(json!([describe(&caller), body]))
}

#[http(GET, "/key", authorizer = check_key)]
async fn by_key() -> &'static str {
    "in"
}

#[http(GET, "/open")]
async fn open(caller: Caller) -> Json<Value> {
    Json(describe(&caller))
}

#[http(POST, "/later", mode = "async", authorizer = check_token)]
async fn later() {}

#[subscribe("other")]
async fn other() {}

fn app() -> (TestApp, Asked) {
    let asked = Asked::default();
    (TestApp::new(App::new().state(asked.clone())).unwrap(), asked)
}

const CONTEXT: &str = r#"{"roles":["a","b"],"tier":"gold"}"#;

fn gold() -> Value {
    serde_json::from_str(CONTEXT).unwrap()
}

#[tokio::test]
async fn a_request_passes_only_if_the_authorizer_says_so() {
    let (app, asked) = app();
    let ask = async |token: Option<&str>| {
        let request = app.request("POST", "/orders").body("lamp");
        let request = match token {
            Some(token) => request.bearer(token),
            None => request,
        };
        let answer = request.send().await;
        (answer.status().as_u16(), answer.json::<Value>().unwrap())
    };
    for (token, status, body) in [
        (Some("good"), 200, json!([["donald", gold(), null], "lamp"])),
        (None, 401, json!({"message": "Unauthorized"})),
        (Some("rejected"), 401, json!({"message": "Unauthorized"})),
        (Some("guess"), 403, json!({"message": "Forbidden"})),
        (Some("forbidden"), 403, json!({"message": "Forbidden"})),
        (Some("broken"), 500, json!({"message": "Internal Server Error"})),
        (Some("panic"), 500, json!({"message": "Internal Server Error"})),
    ] {
        assert_eq!(ask(token).await, (status, body), "{token:?}");
    }
    assert_eq!(asked.0.load(Ordering::SeqCst), 7, "once per request");
    assert_eq!(app.get("/key?key=k").await.text(), "in");
    assert_eq!(app.get("/key?key=x").await.status(), 403);
    assert_eq!(app.get("/key").await.status(), 403, "an extractor that refuses refuses the request");
    assert_eq!(app.get("/open").await.status(), 200, "a route without an authorizer");
}

async fn status(app: &TestApp, payload: Value) -> u64 {
    app.invoke(&payload.to_string()).await.unwrap()["statusCode"].as_u64().unwrap()
}

/// API Gateway has asked the authorizer, or nobody has. A client can write headers, and nothing else.
#[tokio::test]
async fn the_process_asks_where_nobody_in_front_has_done_so() {
    let (app, asked) = app();
    let http_api = |authorizer: Value, token: &str| {
        json!({"version": "2.0", "rawPath": "/orders", "headers": {"authorization": token}, "requestContext":
            {"http": {"method": "POST"}, "stage": "$default", "authorizer": authorizer}})
    };
    let rest = |authorizer: Value, token: &str| {
        json!({"httpMethod": "POST", "path": "/orders", "resource": "/orders", "headers": {"authorization": token},
            "requestContext": {"stage": "prod", "authorizer": authorizer}})
    };
    let balancer = |token: &str| {
        json!({"httpMethod": "POST", "path": "/orders", "headers": {"authorization": token}, "body": "",
            "requestContext": {"elb": {}, "authorizer": {"lambda": {}, "principalId": "p"}}})
    };
    let gateway = |token: &str| {
        json!({"eventType": "http.request", "cloudEventsVersion": "0.1", "source": "/x", "eventID": "1",
            "extensions": {"eventgateway": {"authorization": {"principalId": "p"}}},
            "data": {"method": "POST", "path": "/orders", "headers": {"authorization": token}}})
    };
    for (payload, expected, questions) in [
        (http_api(json!({"lambda": {"principalId": "p", "egAuthorizer": "check_token"}}), "guess"), 200, 0),
        // The decision of another authorizer.
        (http_api(json!({"lambda": {"principalId": "p", "egAuthorizer": "check_key"}}), "guess"), 403, 1),
        (http_api(json!({"lambda": {"principalId": "p"}}), "guess"), 403, 1),
        (http_api(json!({"lambda": null}), "guess"), 403, 1),
        (http_api(json!({"jwt": {"claims": {}}}), "guess"), 403, 1),
        (http_api(json!({"iam": {}}), "guess"), 403, 1),
        (http_api(Value::Null, "good"), 200, 1),
        (
            rest(
                json!({"principalId": "p", "integrationLatency": 1, "egAuthorizer": "check_token"}),
                "guess",
            ),
            200,
            0,
        ),
        (rest(json!({"principalId": "p", "integrationLatency": 1}), "guess"), 403, 1),
        (rest(json!({"claims": {"sub": "u"}}), "guess"), 403, 1),
        (rest(Value::Null, "good"), 200, 1),
        (balancer("guess"), 403, 1),
        (balancer("good"), 200, 1),
        (gateway("guess"), 403, 1),
        (gateway("good"), 200, 1),
    ] {
        let before = asked.0.load(Ordering::SeqCst);
        assert_eq!(status(&app, payload.clone()).await, expected, "{payload}");
        assert_eq!(asked.0.load(Ordering::SeqCst) - before, questions, "{payload}");
    }
}

/// The gateway has answered the client of an asynchronous route already, so a refused request becomes a dead letter.
#[tokio::test]
async fn a_refused_request_to_an_asynchronous_route_is_a_rejection() {
    let (app, _) = app();
    for (token, expected) in [("good", Ok(())), ("guess", Err("Reject")), ("broken", Err("Retry"))] {
        let event = json!({"eventType": "http.request", "cloudEventsVersion": "0.1", "source": "/x", "eventID": "1",
            "data": {"method": "POST", "path": "/later", "headers": {"authorization": token}}});
        let outcome = app.invoke(&event.to_string()).await.map(drop).map_err(|error| error.error_type);
        assert_eq!(outcome, expected.map_err(str::to_owned), "{token}");
    }
}

const ARN: &str = "arn:aws:execute-api:eu-central-1:123456789012:api/prod/POST/orders/7";

fn policy(effect: &str, principal: &str, context: Value) -> Value {
    json!({"principalId": principal, "context": context, "policyDocument": {"Version": "2012-10-17",
        "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": ARN}]}})
}

fn format_2(token: &str) -> Value {
    json!({"version": "2.0", "type": "REQUEST", "routeArn": ARN, "identitySource": [token], "routeKey": "POST /orders/{id}",
        "rawPath": "/prod/orders/7", "rawQueryString": "a=1", "cookies": ["c=1"], "headers": {"Authorization": token},
        "requestContext": {"stage": "prod", "http": {"method": "POST", "sourceIp": "203.0.113.7"}}})
}

fn format_1(token: &str) -> Value {
    json!({"type": "REQUEST", "methodArn": ARN, "resource": "/orders/{id}", "path": "/orders/7", "httpMethod": "POST",
        "headers": {"Authorization": token}, "multiValueHeaders": {"Authorization": [token]},
        "queryStringParameters": {"a": "1"}, "requestContext": {"stage": "prod", "identity": {"sourceIp": "203.0.113.7"}}})
}

fn only_token(token: &str) -> Value {
    json!({"type": "TOKEN", "methodArn": ARN, "authorizationToken": token})
}

fn connect(token: &str) -> Value {
    let arn = "arn:aws:execute-api:eu-central-1:123456789012:api/prod/$connect";
    json!({"type": "REQUEST", "methodArn": arn, "headers": {"Authorization": token}, "queryStringParameters": {"a": "1"},
        "requestContext": {"stage": "prod", "eventType": "CONNECT", "routeKey": "$connect", "connectionId": "c"}})
}

#[tokio::test]
async fn each_api_gets_the_answer_in_its_form() {
    let (app, _) = app();
    let simple = |allowed, context| json!({"isAuthorized": allowed, "context": context});
    let texts = |asked: &str| json!({"tier": "gold", "roles": r#"["a","b"]"#, "asked": asked, "egAuthorizer": "checkPolicy"});
    let with_principal =
        json!({"tier": "gold", "roles": ["a", "b"], "principalId": "donald", "egAuthorizer": "check_token"});
    for (function, payload, expected) in [
        ("check_token", format_2("Bearer good"), simple(true, with_principal)),
        ("check_token", format_2("guess"), simple(false, json!({}))),
        (
            "check_token",
            format_1("good"),
            policy(
                "Allow",
                "donald",
                json!({"tier": "gold", "roles": r#"["a","b"]"#, "egAuthorizer": "check_token"}),
            ),
        ),
        ("check_token", only_token("guess"), policy("Deny", "", json!({}))),
        ("checkPolicy", format_2("good"), policy("Allow", "donald", texts("POST /orders/7?a=1 203.0.113.7"))),
        ("checkPolicy", format_1("good"), policy("Allow", "donald", texts("POST /orders/7?a=1 203.0.113.7"))),
        ("checkPolicy", only_token("good"), policy("Allow", "donald", texts("POST /orders/7 "))),
    ] {
        assert_eq!(app.call(function, &payload).await.unwrap(), expected, "{function} {payload}");
    }
    let answer = app.call("checkPolicy", &connect("good")).await.unwrap();
    assert_eq!(answer["context"]["asked"], "GET /?a=1 ");
    assert!(answer["policyDocument"]["Statement"][0]["Resource"].as_str().unwrap().ends_with("/$connect"));

    // The word by which API Gateway knows that the client gets a 401.
    for payload in [format_2("rejected"), format_1("rejected"), only_token("rejected")] {
        let error = app.call("check_token", &payload).await.unwrap_err();
        assert_eq!(
            (error.error_type.as_str(), error.error_message.as_str()),
            ("Unauthorized", "Unauthorized")
        );
    }
    let broken = app.call("check_token", &format_2("broken")).await.unwrap_err();
    assert_eq!(broken.to_string(), "Retry: the keys cannot be read");
}

#[tokio::test]
async fn the_event_gateway_gets_its_own_form() {
    let (app, _) = app();
    let question = |token: &str| {
        json!({"event": {"eventType": "x"}, "request": {"method": "POST", "path": "/a b", "host": "h", "params": null,
            "headers": {"Authorization": token}, "query": {"a": "1"}, "body": null}})
    };
    let context = json!({"tier": "gold", "roles": r#"["a","b"]"#, "asked": "POST /a%20b?a=1 "});
    for (token, expected) in [
        ("good", json!({"authorization": {"principalId": "donald", "context": context}})),
        ("guess", json!({"error": {"message": "Forbidden"}})),
        ("rejected", json!({"error": {"message": "Unauthorized"}})),
    ] {
        assert_eq!(app.call("checkPolicy", &question(token)).await.unwrap(), expected, "{token}");
    }
}

/// What asks nothing is no question, and one that this process cannot answer is no consent.
#[tokio::test]
async fn a_question_to_nobody_is_refused() {
    let (app, _) = app();
    let error = app.invoke(&format_2("good").to_string()).await.unwrap_err();
    assert!(error.error_message.contains("no authorizer, or several"), "{error}");
    for payload in [json!({}), json!({"event": {}}), json!({"type": "REQUEST", "methodArn": 7}), json!([1])] {
        let error = app.call("check_token", &payload).await.unwrap_err();
        assert_eq!(error.error_type, "Reject", "{payload}: {error}");
    }
    let error = app.call("open", &format_1("good")).await.unwrap_err();
    assert_eq!(error.error_type, "Reject");
    let deliveries =
        app.deliver(eg_runtime::CloudEvent::of_type("other", "/x", eg_runtime::Data::Empty)).await.unwrap();
    assert_eq!(deliveries[0].outcome, Outcome::Done, "an authorizer gets no events");
}

#[test]
fn the_values_of_an_authorizer_are_needed_where_its_routes_are() {
    let error = TestApp::new(App::new()).unwrap_err().to_string();
    assert!(error.contains("needs `State<") && error.contains("Asked"), "{error}");
}
