//! Who called: what `Caller` reads from each sender, and what `Context` has of Lambda's headers.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]
#![allow(clippy::needless_pass_by_value, reason = "the tables read better with values than with references")]

use eg_runtime::axum::body::Body;
use eg_runtime::axum::http::Request;
use eg_runtime::testing::TestApp;
use eg_runtime::{App, Caller, Context, Error, Json, http, subscribe};
use serde_json::{Value, json};

fn describe(caller: &Caller) -> Value {
    json!({
        "ip": caller.source_ip().map(|ip| ip.to_string()),
        "principal": caller.principal_id(),
        "claims": caller.claims(),
        "scopes": caller.scopes(),
        "authorizer": caller.authorizer(),
        "iam": caller.iam().map(|iam| json!([iam.user_arn, iam.account_id, iam.cognito_identity_id])),
        "request": caller.request_id(),
        "stage": caller.stage(),
        "variables": caller.stage_variables(),
    })
}

#[http(GET, "/me")]
async fn me(caller: Caller) -> Json<Value> {
    Json(describe(&caller))
}

#[subscribe("websocket.message", mode = "sync")]
async fn message(caller: Caller) -> Json<Value> {
    Json(describe(&caller))
}

/// What a caller is of whom nothing is known.
fn nobody() -> Value {
    describe(&Caller::new())
}

/// Returns `nobody` with other members.
fn with(members: Value) -> Value {
    let mut expected = nobody();
    expected.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    expected
}

async fn check(payload: Value, expected: Value) {
    let app = TestApp::new(App::new()).unwrap();
    let reply = app.invoke(&payload.to_string()).await.unwrap();
    let body: Value = serde_json::from_str(reply["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, expected, "{payload}");
}

fn http_api(context: Value, variables: Value) -> Value {
    let mut all = json!({"http": {"method": "GET", "path": "/me", "sourceIp": "203.0.113.7"}, "requestId": "r1",
        "stage": "$default"});
    all.as_object_mut().unwrap().extend(context.as_object().unwrap().clone());
    json!({"version": "2.0", "rawPath": "/me", "headers": {}, "requestContext": all, "stageVariables": variables})
}

#[tokio::test]
async fn http_apis_and_function_urls() {
    let known = json!({"ip": "203.0.113.7", "request": "r1", "stage": "$default"});
    let with = |members: Value| {
        let mut expected = with(known.clone());
        expected.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        expected
    };
    check(http_api(json!({}), Value::Null), with(json!({}))).await;
    let jwt = json!({"authorizer": {"jwt": {"claims": {"sub": "u7", "exp": "1"}, "scopes": ["read"]}}});
    let expected =
        json!({"claims": {"sub": "u7", "exp": "1"}, "scopes": ["read"], "variables": {"color": "blue"}});
    check(http_api(jwt, json!({"color": "blue"})), with(expected)).await;
    let lambda = json!({"authorizer": {"lambda": {"principalId": "p", "tier": 3}}});
    let expected = json!({"principal": "p", "authorizer": {"principalId": "p", "tier": 3}});
    check(http_api(lambda, Value::Null), with(expected)).await;
    let iam = json!({"authorizer": {"iam": {"userArn": "arn:aws:iam::1:user/a", "accountId": "1",
        "cognitoIdentity": {"identityId": "eu:1"}}}});
    let expected = json!({"iam": ["arn:aws:iam::1:user/a", "1", "eu:1"]});
    check(http_api(iam, Value::Null), with(expected)).await;
    // What is malformed is nothing, and no failure.
    let odd = json!({"authorizer": {"jwt": "x", "lambda": [1], "iam": 7}, "requestId": 1, "stage": null});
    let mut expected = nobody();
    expected["ip"] = json!("203.0.113.7");
    check(http_api(odd, json!("x")), expected).await;
}

#[tokio::test]
async fn rest_and_websocket_apis() {
    let context = json!({"requestId": "r2", "stage": "prod", "resourcePath": "/me", "httpMethod": "GET",
        "identity": {"sourceIp": "2001:db8::1", "userArn": null},
        "authorizer": {"principalId": "p", "tier": "gold", "integrationLatency": 7, "claims": {"sub": "u7"}}});
    let expected = json!({"ip": "2001:db8::1", "principal": "p", "claims": {"sub": "u7"}, "authorizer": {"tier": "gold"},
        "request": "r2", "stage": "prod"});
    let rest = json!({"httpMethod": "GET", "path": "/me", "resource": "/me", "headers": {}, "requestContext": context});
    check(rest, with(expected.clone())).await;

    let signed = json!({"requestId": "r3", "stage": "prod", "identity": {"sourceIp": "203.0.113.7", "userArn": "arn:a",
        "accountId": "1", "cognitoIdentityId": "eu:1"}});
    let rest = json!({"httpMethod": "GET", "path": "/me", "resource": "/me", "headers": {}, "requestContext": signed});
    let iam = json!({"ip": "203.0.113.7", "iam": ["arn:a", "1", "eu:1"], "request": "r3", "stage": "prod"});
    check(rest, with(iam)).await;

    let mut context = context;
    let socket =
        json!({"connectionId": "c", "eventType": "MESSAGE", "messageId": "m", "routeKey": "$default"});
    context.as_object_mut().unwrap().extend(socket.as_object().unwrap().clone());
    check(json!({"requestContext": context, "body": "{}"}), with(expected)).await;
}

/// What a client writes into `X-Forwarded-For` is before the address that the sender adds.
#[tokio::test]
async fn load_balancers_and_lattice() {
    let headers = json!({"x-forwarded-for": "10.0.0.1, 203.0.113.7"});
    let ip = json!({"ip": "203.0.113.7"});
    let balancer = json!({"httpMethod": "GET", "path": "/me", "headers": headers, "body": "",
        "requestContext": {"elb": {"targetGroupArn": "arn"}}});
    check(balancer, with(ip.clone())).await;
    let lattice = json!({"raw_path": "/me", "method": "GET", "headers": headers, "body": ""});
    check(lattice, with(ip)).await;
    let lattice = json!({"version": "2.0", "path": "/me", "method": "GET",
        "headers": {"x-forwarded-for": ["10.0.0.1, 203.0.113.7"]},
        "requestContext": {"serviceNetworkArn": "arn", "identity": {"type": "AWS_IAM", "principal": "arn:p"}}});
    check(lattice, with(json!({"ip": "203.0.113.7", "iam": ["arn:p", null, null]}))).await;
}

#[tokio::test]
async fn the_gateways_authorizer_and_plain_http() {
    let event = json!({"eventType": "http.request", "cloudEventsVersion": "0.1", "source": "/x", "eventID": "1",
        "extensions": {"eventgateway": {"authorization": {"principalId": "p", "context": {"tier": "gold"}}}},
        "data": {"method": "GET", "path": "/me", "headers": {"x-forwarded-for": "10.0.0.1"}}});
    check(event, with(json!({"principal": "p", "authorizer": {"tier": "gold"}}))).await;

    let app = TestApp::new(App::new()).unwrap();
    let request = Request::get("/me").header("x-forwarded-for", "10.0.0.1").body(Body::empty()).unwrap();
    assert_eq!(app.http(request).await.json::<Value>().unwrap(), nobody(), "a client's header is no address");
    let mut request = Request::get("/me").body(Body::empty()).unwrap();
    request.extensions_mut().insert(Caller::new().with_claim("sub", "u7").with_user_arn("arn:a"));
    let found = app.http(request).await.json::<Value>().unwrap();
    assert_eq!(found, with(json!({"claims": {"sub": "u7"}, "iam": ["arn:a", null, null]})));
}

async fn tenant(context: Context) -> Result<String, Error> {
    let tenant = context.tenant_id().ok_or_else(|| Error::reject("no tenant"))?;
    Ok(format!("{tenant} by {}", context.invoked_function_arn().unwrap_or("?")))
}

#[tokio::test]
async fn a_context_for_tests() {
    let context = Context::new("f")
        .with_tenant_id("blue")
        .with_invoked_function_arn("arn:aws:lambda:eu:1:function:f:7");
    assert_eq!(tenant(context).await.unwrap(), "blue by arn:aws:lambda:eu:1:function:f:7");
    assert!(tenant(Context::new("f")).await.is_err());
    let context =
        Context::new("f").with_client_context(r#"{"custom":{"a":"ä"}}"#).with_cognito_identity("{}");
    assert_eq!(context.client_context(), Some(r#"{"custom":{"a":"ä"}}"#));
    assert_eq!((context.cognito_identity(), context.deadline()), (Some("{}"), None));
}
