//! Tests the operations of the Config API: URLs, bodies, answers, errors.

use std::collections::BTreeMap;

use eg_sdk::config::{Aws, Cors, EventType, Function, Provider, Subscription, SubscriptionType};
use eg_sdk::{Error, EventGateway, Settings};
use serde_json::{Value, json};

use crate::server::{Server, json, status};

/// Returns a client of a Config API that echoes resources, and answers lists and deletes.
async fn echo(space: &str, list: Value) -> (Server, EventGateway) {
    let server = Server::start(move |_, seen| match seen.method.as_str() {
        "DELETE" => status(204),
        "GET" => json(200, &list),
        _ => json(if seen.method == "POST" { 201 } else { 200 }, &seen.json()),
    })
    .await;
    let mut settings = Settings::default();
    settings.config_url = Some(server.url.clone());
    settings.space = space.to_owned();
    settings.access_key = Some("key".into());
    (server, EventGateway::with_settings(settings).unwrap())
}

#[tokio::test]
async fn every_operation_has_its_method_and_url() {
    let (server, gateway) =
        echo("default", json!({"name": "t", "eventTypes": [{"space": "default", "name": "t"}]})).await;
    let types = gateway.event_types();
    let mut event_type = EventType::new("t");
    event_type.metadata = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
    assert_eq!(types.create(&event_type).await.unwrap(), event_type);
    assert_eq!(types.update(&event_type).await.unwrap(), event_type);
    assert_eq!(types.get("t").await.unwrap().name, "t");
    assert_eq!(types.list().await.unwrap()[0].space, "default");
    let filter = BTreeMap::from([("a b".to_owned(), "x&y".to_owned()), ("team".to_owned(), "é".to_owned())]);
    types.list_where(&filter).await.unwrap();
    types.delete("t").await.unwrap();
    let lines: Vec<_> = server.seen().iter().map(crate::server::Seen::line).collect();
    assert_eq!(
        lines,
        [
            "POST /v1/spaces/default/eventtypes",
            "PUT /v1/spaces/default/eventtypes/t",
            "GET /v1/spaces/default/eventtypes/t",
            "GET /v1/spaces/default/eventtypes",
            "GET /v1/spaces/default/eventtypes?metadata.a%20b=x%26y&metadata.team=%C3%A9",
            "DELETE /v1/spaces/default/eventtypes/t",
        ]
    );
    let first = &server.seen()[0];
    assert_eq!(first.json(), json!({"name": "t", "metadata": {"team": "a"}}));
    assert_eq!(first.header("authorization"), Some("bearer key"));
    assert_eq!(first.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn each_kind_has_its_collection_and_its_list() {
    let list = json!({"functions": [{"functionId": "f", "type": "http", "provider": {"url": "http://h"}}], "subscriptions": [], "cors": []});
    let (server, gateway) = echo("team", list).await;
    let function = Function::new("f", Provider::Http { url: "http://h".to_owned() });
    assert_eq!(gateway.functions().list().await.unwrap(), [function]);
    assert_eq!(gateway.subscriptions().list().await.unwrap(), []);
    assert_eq!(gateway.cors().list().await.unwrap(), []);
    let e = gateway.event_types().list().await.unwrap_err();
    assert_eq!(
        e.to_string(),
        format!(
            "cannot list the event types: unexpected answer from {}/v1/spaces/team/eventtypes: it has no `eventTypes`",
            server.url
        )
    );
    let lines: Vec<_> = server.seen().iter().map(crate::server::Seen::line).collect();
    assert_eq!(
        lines[..3],
        ["functions", "subscriptions", "cors"].map(|kind| format!("GET /v1/spaces/team/{kind}"))
    );
}

#[tokio::test]
async fn ids_of_cors_configurations_go_into_the_url_as_they_are() {
    let (server, gateway) = echo("default", json!({})).await;
    let mut cors = Cors::new("GET", "/hello/:id/*x");
    cors.cors_id = "GET%2Fhello%2F:id%2F%2Ax".to_owned();
    cors.allowed_origins = vec!["https://a.example".to_owned()];
    cors.allow_credentials = true;
    gateway.cors().update(&cors).await.unwrap();
    gateway.cors().delete(&cors.cors_id).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].line(), "PUT /v1/spaces/default/cors/GET%2Fhello%2F:id%2F%2Ax");
    assert_eq!(seen[1].line(), "DELETE /v1/spaces/default/cors/GET%2Fhello%2F:id%2F%2Ax");
    assert_eq!(
        seen[0].json(),
        json!({"corsId": "GET%2Fhello%2F:id%2F%2Ax", "method": "GET", "path": "/hello/:id/*x", "allowedOrigins": ["https://a.example"],
            "allowedMethods": [], "allowedHeaders": [], "allowCredentials": true})
    );
}

#[tokio::test]
async fn other_ids_and_spaces_are_one_segment_of_the_url_whatever_they_contain() {
    let (server, gateway) = echo("a/b", json!({})).await;
    for (id, segment) in [("a/b", "a%2Fb"), ("50%", "50%25"), ("..", ".."), ("é?#", "%C3%A9%3F%23")] {
        gateway.event_types().delete(id).await.unwrap();
        gateway.functions().delete(id).await.unwrap();
        let seen: Vec<_> = server.seen().iter().rev().take(2).map(crate::server::Seen::line).collect();
        let line = |kind: &str| format!("DELETE /v1/spaces/a%2Fb/{kind}/{segment}");
        assert_eq!(seen, [line("functions"), line("eventtypes")]);
    }
}

/// A trailing slash is answered with a redirect, and a login page in front of the gateway answers with one.
#[tokio::test]
async fn a_redirect_is_a_refusal() {
    for code in [301, 302, 304, 307, 308] {
        let server = Server::start(move |_, _| status(code)).await;
        let mut settings = Settings::default();
        settings.config_url = Some(server.url.clone());
        let gateway = EventGateway::with_settings(settings).unwrap();
        let types = gateway.event_types();
        for error in [
            types.delete("t").await.unwrap_err(),
            types.create(&EventType::new("t")).await.unwrap_err(),
            types.get("t").await.unwrap_err(),
            types.list().await.unwrap_err(),
        ] {
            assert!(matches!(error, Error::Refused { .. }), "{code}: {error}");
            assert_eq!(error.status(), Some(code));
        }
        assert_eq!(server.seen().len(), 4, "{code}: a redirect is neither followed nor retried");
    }
}

#[tokio::test]
async fn ids_that_the_gateway_derives_need_not_be_known() {
    let (server, gateway) = echo("default", json!({})).await;
    gateway.cors().update(&Cors::new("GET", "/hello")).await.unwrap();
    gateway.subscriptions().update(&Subscription::asynchronous("user.created", "func")).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].line(), "PUT /v1/spaces/default/cors/GET%2Fhello");
    let id = "YXN5bmMsdXNlci5jcmVhdGVkLGZ1bmMsJTJGLFBPU1Q";
    assert_eq!(seen[1].line(), format!("PUT /v1/spaces/default/subscriptions/{id}"));
}

#[tokio::test]
async fn subscriptions_take_the_place_of_others_in_one_request() {
    let server = Server::start(|_, seen| json(200, &json!({"subscriptions": seen.json()["create"]}))).await;
    let mut settings = Settings::default();
    settings.config_url = Some(server.url.clone());
    let gateway = EventGateway::with_settings(settings).unwrap();
    let new = [Subscription::asynchronous("user.created", "func")];
    assert_eq!(gateway.subscriptions().replace(&["a", "b"], &new).await.unwrap(), new);
    let seen = &server.seen()[0];
    assert_eq!(seen.line(), "POST /v1/spaces/default/subscriptions/replace");
    assert_eq!(seen.json(), json!({"delete": ["a", "b"], "create": new}));
}

#[test]
fn derived_ids_are_those_of_the_original() {
    let asynchronous = |event, function, path: &str, method: &str| {
        let mut subscription = Subscription::asynchronous(event, function);
        (subscription.path, subscription.method) = (path.to_owned(), method.to_owned());
        subscription.derived_id()
    };
    let sync = |method: &str, path: &str| Subscription::http(method, path, "f").derived_id();
    for (id, expected) in [
        (asynchronous("user.created", "func", "/", "GET"), "YXN5bmMsdXNlci5jcmVhdGVkLGZ1bmMsJTJGLEdFVA"),
        (asynchronous("q.q", "m1", "/a%20b/ü", "POST"), "YXN5bmMscS5xLG0xLCUyRmElMjUyMGIlMkYlQzMlQkMsUE9TVA"),
        (sync("POST", "/"), "c3luYyxodHRwLnJlcXVlc3QsJTJGLFBPU1Q"),
        (sync("get", "/users/:id"), "c3luYyxodHRwLnJlcXVlc3QsJTJGdXNlcnMlMkY6aWQsR0VU"),
        (sync("GET", "/files/*rest"), "c3luYyxodHRwLnJlcXVlc3QsJTJGZmlsZXMlMkYlMkFyZXN0LEdFVA"),
    ] {
        assert_eq!(id, expected);
    }
}

#[tokio::test]
async fn resources_travel_as_the_contract_writes_them() {
    let (server, gateway) = echo("default", json!({})).await;
    let aws = || {
        let mut aws = Aws::new("eu-central-1");
        aws.aws_access_key_id = Some("AK".into());
        aws
    };
    for (provider, expected) in [
        (Provider::Http { url: "http://h".into() }, json!({"type": "http", "provider": {"url": "http://h"}})),
        (
            Provider::AwsLambda { arn: "arn:x".into(), aws: aws() },
            json!({"type": "awslambda", "provider": {"arn": "arn:x", "region": "eu-central-1", "awsAccessKeyId": "AK"}}),
        ),
        (
            Provider::AwsKinesis { stream_name: "s".into(), aws: Aws::default() },
            json!({"type": "awskinesis", "provider": {"streamName": "s", "region": ""}}),
        ),
        (
            Provider::AwsFirehose { delivery_stream_name: "s".into(), aws: Aws::default() },
            json!({"type": "awsfirehose", "provider": {"deliveryStreamName": "s", "region": ""}}),
        ),
        (
            Provider::AwsSqs { queue_url: "http://q".into(), aws: Aws::default() },
            json!({"type": "awssqs", "provider": {"queueUrl": "http://q", "region": ""}}),
        ),
    ] {
        let function = Function::new("f", provider);
        assert_eq!(gateway.functions().create(&function).await.unwrap(), function);
        let mut expected = expected;
        expected["functionId"] = json!("f");
        assert_eq!(server.seen().last().unwrap().json(), expected);
    }
    let subscription = Subscription::http("GET", "/users/:id", "f");
    assert_eq!(subscription.kind, SubscriptionType::Sync);
    gateway.subscriptions().create(&subscription).await.unwrap();
    gateway.subscriptions().create(&Subscription::asynchronous("user.created", "f")).await.unwrap();
    let seen = server.seen();
    assert_eq!(
        seen[5].json(),
        json!({"type": "sync", "eventType": "http.request", "functionId": "f", "path": "/users/:id", "method": "GET"})
    );
    assert_eq!(
        seen[6].json(),
        json!({"type": "async", "eventType": "user.created", "functionId": "f", "path": "/", "method": "POST"})
    );
    let secret = format!("{:?}", Function::new("f", Provider::AwsLambda { arn: String::new(), aws: aws() }));
    assert!(!secret.contains("AK\""), "{secret}");
}

#[tokio::test]
async fn errors_name_the_operation_and_the_resource() {
    let server = Server::answers([
        json(409, &json!({"errors": [{"message": "Event Type \"t\" already exists."}]})),
        json(404, &json!({"errors": [{"message": "Function \"f\" not found."}]})),
        json(400, &json!({"errors": [{"message": "in use"}]})),
        json(200, &json!({"name": 5})),
    ])
    .await;
    let mut settings = Settings::default();
    settings.config_url = Some(server.url.clone());
    let gateway = EventGateway::with_settings(settings).unwrap();
    let base = format!("{}/v1/spaces/default", server.url);
    let check = |e: Error, expected: String| assert!(e.to_string().starts_with(&expected), "{e}\n{expected}");
    check(
        gateway.event_types().create(&EventType::new("t")).await.unwrap_err(),
        format!(
            "cannot create event type `t`: {base}/eventtypes answered 409: Event Type \"t\" already exists."
        ),
    );
    check(
        gateway.functions().get("f").await.unwrap_err(),
        format!("cannot read function `f`: {base}/functions/f answered 404: Function \"f\" not found."),
    );
    check(
        gateway.functions().delete("f").await.unwrap_err(),
        format!("cannot delete function `f`: {base}/functions/f answered 400: in use"),
    );
    check(
        gateway.event_types().get("t").await.unwrap_err(),
        format!("cannot read event type `t`: unexpected answer from {base}/eventtypes/t: invalid type"),
    );
}

#[tokio::test]
async fn the_config_api_is_next_to_the_events_api_unless_it_is_named() {
    let gateway =
        EventGateway::new("http://127.0.0.1:1/base").unwrap().with_retry(eg_sdk::RetryPolicy::none());
    let e = gateway.functions().list().await.unwrap_err();
    let Error::Unreachable { url, .. } = e else { return };
    assert_eq!(url, "http://127.0.0.1:4001/base/v1/spaces/default/functions");
}
