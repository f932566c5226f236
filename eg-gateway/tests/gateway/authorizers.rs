//! Functions that decide which events of a type come in.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::{Answer, CLOUDEVENTS, Functions, TestGateway};

const YES: &str = r#"{"authorization":{"principalId":"ada","context":{"role":"admin"}}}"#;

/// The authorizer is called `/auth`; it says `reply`.
async fn functions(status: u16, reply: &'static str) -> Functions {
    Functions::start(move |call| match call.path.as_str() {
        "/auth" => Answer::Http(status, reply.to_owned()),
        _ => Answer::Http(200, r#"{"body":"hi"}"#.to_owned()),
    })
    .await
}

/// A gateway on which `auth` decides about `e` and `http.request`.
async fn guarded(functions: &Functions) -> TestGateway {
    let gateway = TestGateway::start().await;
    for id in ["auth", "f", "g"] {
        gateway.api.http_function(id, &functions.url(&format!("/{id}"))).await;
    }
    for name in ["e", "http.request"] {
        gateway.api.create("eventtypes", json!({ "name": name, "authorizerId": "auth" })).await;
    }
    gateway
}

async fn emit(gateway: &TestGateway, event: &Value) -> Response {
    let request = gateway.api.client.post(&gateway.api.events).header("content-type", CLOUDEVENTS);
    request.body(event.to_string()).send().await.unwrap()
}

fn v0(extensions: &Value) -> Value {
    json!({ "eventType": "e", "cloudEventsVersion": "0.1", "source": "/s", "eventID": "1", "extensions": extensions, "data": 1 })
}

/// Functions trust the authorization of an event.
#[tokio::test]
async fn nobody_but_an_authorizer_authorizes() {
    let mut functions = functions(200, YES).await;
    let gateway = TestGateway::start().await;
    gateway.api.http_function("f", &functions.url("/f")).await;
    gateway.api.event_type("e").await;
    gateway.api.subscribe("e", "f").await;
    let forged = json!({ "principalId": "root" });
    let event = v0(&json!({ "other": 1, "eventgateway": { "kept": true, "authorization": forged } }));
    assert_eq!(emit(&gateway, &event).await.status(), 202);
    let extensions = functions.next_call().await.json()["extensions"].take();
    assert_eq!(extensions, json!({ "other": 1, "eventgateway": { "kept": true } }));
    let event = json!({ "specversion": "1.0", "type": "e", "source": "/s", "id": "2", "egauthorization": "root", "other": "1" });
    assert_eq!(emit(&gateway, &event).await.status(), 202);
    let called = functions.next_call().await.json();
    assert_eq!((&called["egauthorization"], &called["other"]), (&Value::Null, &json!("1")));
}

#[tokio::test]
async fn subscribers_learn_who_emitted() {
    let mut functions = functions(200, YES).await;
    let gateway = guarded(&functions).await;
    for function in ["f", "g"] {
        gateway.api.subscribe("e", function).await;
    }
    let who = json!({ "principalId": "ada", "context": { "role": "admin" } });
    let event = v0(&json!({ "other": 1, "eventgateway": { "kept": true } }));
    assert_eq!(emit(&gateway, &event).await.status(), 202);
    let question = functions.next_call().await;
    assert_eq!(question.path, "/auth", "asked before anybody is called, and once for both");
    let question = question.json();
    assert_eq!(question["event"], event);
    assert_eq!(question["request"]["method"], "POST");
    assert_eq!(question["request"]["headers"]["Content-Type"], CLOUDEVENTS);
    assert_eq!((&question["request"]["body"], &question["request"]["params"]), (&Value::Null, &Value::Null));
    let mut called = Vec::new();
    for _ in 0..2 {
        let call = functions.next_call().await;
        let expected = json!({ "other": 1, "eventgateway": { "kept": true, "authorization": who } });
        assert_eq!(call.json()["extensions"], expected);
        called.push(call.path);
    }
    called.sort();
    assert_eq!(called, ["/f", "/g"]);

    gateway.api.emit("e", "2").await;
    functions.next_call().await;
    let carried = functions.next_call().await.json()["egauthorization"].as_str().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&carried).unwrap(), who);
}

#[tokio::test]
async fn requests_may_need_authorization() {
    let mut functions = functions(200, YES).await;
    let gateway = guarded(&functions).await;
    let subscription = json!({ "type": "sync", "eventType": "http.request", "functionId": "f", "path": "/:id", "method": "GET" });
    gateway.api.create("subscriptions", subscription).await;
    let response = gateway.api.client.get(format!("{}/7?a=b", gateway.api.events)).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.text().await.unwrap()), (200, "hi".to_owned()));
    let question = functions.next_call().await.json();
    assert_eq!(question["request"]["query"], json!({ "a": ["b"] }));
    assert_eq!(question["event"]["data"]["params"], Value::Null);
    let event = functions.next_call().await.json();
    assert_eq!(event["data"]["params"], json!({ "id": "7" }));
    assert_eq!(event["extensions"]["eventgateway"]["authorization"]["principalId"], "ada");
    assert_eq!(event["extensions"]["eventgateway"]["transformed"], "true");
}

/// The original let an empty answer pass, and answered 202 for events that it then dropped.
#[tokio::test]
async fn only_a_yes_is_a_yes() {
    let unusable = "its authorizer gave no usable answer; the log of the gateway says more";
    for (status, reply, reason) in [
        (200, r#"{"error":{"message":"go away"}}"#, "go away"),
        (200, "{}", unusable),
        (200, "null", unusable),
        (200, "", unusable),
        (200, r#"{"authorization":"ada"}"#, unusable),
        (500, YES, unusable),
        (403, YES, unusable),
    ] {
        let mut functions = functions(status, reply).await;
        let gateway = guarded(&functions).await;
        gateway.api.subscribe("e", "f").await;
        let batch =
            json!([{ "specversion": "1.0", "id": "1", "source": "/s", "type": "other" }, v0(&json!({}))]);
        let single = emit(&gateway, &v0(&json!({}))).await;
        let batch = gateway.api.client.post(&gateway.api.events).body(batch.to_string());
        let batch = batch.header("content-type", "application/cloudevents-batch+json").send().await.unwrap();
        for response in [single, batch] {
            assert_eq!(response.status(), 403, "{reply}");
            let error: Value = response.json().await.unwrap();
            let expected = format!("Event of type \"e\" is not authorized: {reason}");
            assert_eq!(
                error,
                json!({ "errors": [{ "code": "not_authorized", "message": expected }] }),
                "{reply}"
            );
            assert_eq!(functions.next_call().await.path, "/auth");
        }
        gateway.gateway.shutdown().await;
        assert!(functions.try_call().is_none(), "{reply}");
        let events = crate::support::stored(&gateway.dir, "SELECT count(*) AS value FROM events");
        assert_eq!(events, ["0"], "{reply}");
    }
}

/// Client input that crashed the original.
#[tokio::test]
async fn an_extension_in_the_way_is_a_bad_event() {
    let functions = functions(200, YES).await;
    let gateway = guarded(&functions).await;
    let response = emit(&gateway, &v0(&json!({ "eventgateway": "mine" }))).await;
    assert_eq!(response.status(), 400);
    assert!(response.text().await.unwrap().contains("`eventgateway` must be an object"));
}

#[tokio::test]
async fn authorization_ends_with_the_authorizer() {
    let functions = functions(200, "{}").await;
    let gateway = guarded(&functions).await;
    assert_eq!(emit(&gateway, &v0(&json!({}))).await.status(), 403);
    assert_eq!(gateway.api.config(Method::PUT, "default/eventtypes/e", "{}").await.0, 200);
    assert_eq!(emit(&gateway, &v0(&json!({}))).await.status(), 202);
}
