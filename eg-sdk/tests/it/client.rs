//! Tests the client with real servers: requests, answers and error messages.

use std::error::Error as _;
use std::time::Duration;

use axum::response::IntoResponse as _;
use eg_sdk::{
    CloudEvent, Data, Error, Event, EventGateway, RetryPolicy, Settings, SpecVersion, TraceContext,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::server::{Server, json, nobody, status};

#[derive(Clone, Serialize, Event)]
#[event("user.created")]
struct UserCreated {
    id: u32,
}

#[derive(Serialize, Event)]
#[event("user.removed", source = "/archive")]
struct UserRemoved;

fn once(url: &str) -> EventGateway {
    EventGateway::new(url).unwrap().with_source("/services/users").with_retry(RetryPolicy::none())
}

#[tokio::test]
async fn an_emit_posts_a_structured_event_and_returns_its_id() {
    let server = Server::answers([]).await;
    let receipt = once(&server.url).emit(UserCreated { id: 10 }).await.unwrap();
    let [seen] = &server.seen()[..] else { panic!("one request") };
    assert_eq!(seen.line(), "POST /");
    assert_eq!(seen.header("content-type"), Some("application/cloudevents+json"));
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.header("traceparent"), None);
    let event = CloudEvent::from_json(&seen.body).unwrap();
    assert_eq!((event.ty(), event.source(), event.id()), ("user.created", "/services/users", &*receipt.id));
    assert_eq!(event.data.as_bytes(), br#"{"id":10}"#);
    assert_eq!(event.datacontenttype(), Some("application/json"));
    assert!(event.time().is_some());
    assert_eq!(uuid_version(&receipt.id), Some('7'));
}

/// Returns the version digit of a UUID.
fn uuid_version(id: &str) -> Option<char> {
    id.split('-').nth(2)?.chars().next()
}

#[tokio::test]
async fn events_keep_the_attributes_they_have() {
    let server = Server::answers([]).await;
    let gateway = once(&server.url);
    gateway.emit(UserRemoved).await.unwrap();
    let chosen = CloudEvent::new("/mine", UserCreated { id: 1 }).with_id("my-id").with_subject("s");
    assert_eq!(gateway.emit(chosen).await.unwrap().id, "my-id");
    let old = CloudEvent::of_type("t", "/mine", Data::Empty).with_specversion(SpecVersion::V0_1);
    gateway.emit(old).await.unwrap();
    let [removed, chosen, old] = &server.seen()[..] else { panic!("three requests") };
    assert_eq!(removed.json()["source"], "/archive");
    assert_eq!(chosen.json()["subject"], "s");
    assert_eq!(chosen.json()["source"], "/mine");
    assert_eq!(old.json()["cloudEventsVersion"], "0.1");
}

#[tokio::test]
async fn space_access_key_and_base_path_are_part_of_the_request() {
    let server = Server::answers([]).await;
    let mut settings = Settings::default();
    settings.url = format!("{}/base/", server.url);
    settings.space = "team".to_owned();
    settings.access_key = Some("key".into());
    let gateway = EventGateway::with_settings(settings).unwrap();
    gateway.emit(UserCreated { id: 1 }).await.unwrap();
    let _ = gateway.request_at("quote/1", UserCreated { id: 1 }).await;
    gateway.with_access_key("other").emit(UserCreated { id: 1 }).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].line(), "POST /base/spaces/team/");
    assert_eq!(seen[0].header("authorization"), Some("bearer key"));
    assert_eq!(seen[1].line(), "POST /base/spaces/team/quote/1");
    assert_eq!(seen[2].header("authorization"), Some("bearer other"));
}

#[tokio::test]
async fn refusals_say_what_where_and_why() {
    for (answer, expected) in [
        (json(400, &json!({"errors": [{"message": "bad"}, {"message": "worse"}]})), "400: bad; worse"),
        (json(400, &json!({"errors": ["text"]})), "400: text"),
        (json(403, &json!({"other": 1})), r#"403: {"other":1}"#),
        (status(413), "413: (empty body)"),
    ] {
        let server = Server::answers([answer]).await;
        let event = CloudEvent::new("/s", UserCreated { id: 1 }).with_id("7");
        let e = once(&server.url).emit(event).await.unwrap_err();
        let expected =
            format!("cannot emit event `user.created` (id 7): {}/ answered {expected}", server.url);
        assert_eq!(e.to_string(), expected);
        assert_eq!(e.status(), expected.split("answered ").nth(1).and_then(|text| text[..3].parse().ok()));
    }
    let long = "x".repeat(5_000);
    let server = Server::answers([json(400, &json!(long))]).await;
    let e = once(&server.url).emit(UserCreated { id: 1 }).await.unwrap_err();
    assert!(e.to_string().len() < 500);
}

#[tokio::test]
async fn only_2xx_accepts_an_event() {
    for (code, accepted) in [
        (200, true),
        (202, true),
        (204, true),
        (301, false),
        (302, false),
        (304, false),
        (307, false),
        (308, false),
    ] {
        let server = Server::answers([status(code), status(code)]).await;
        let gateway = EventGateway::new(&server.url).unwrap().with_source("/s");
        let single = gateway.emit(UserCreated { id: 1 }).await.map(drop);
        let batch = gateway.emit_batch([UserCreated { id: 1 }]).await.remove(0).map(drop);
        for result in [single, batch] {
            match result {
                Ok(()) => assert!(accepted, "{code}"),
                Err(e) => {
                    assert!(!accepted && matches!(e, Error::Refused { .. }), "{code}: {e}");
                    assert_eq!(e.status(), Some(code));
                }
            }
        }
        assert_eq!(server.seen().len(), 2, "{code}: a redirect is neither followed nor retried");
    }
}

#[tokio::test]
async fn a_receipt_says_whether_the_event_was_accepted_before() {
    let accepted = |headers: &'static [(&str, &str)]| {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        (axum::http::StatusCode::ACCEPTED, axum::http::HeaderMap::from_iter(headers)).into_response()
    };
    let server = Server::answers([
        accepted(&[("eg-duplicates", "1")]),
        accepted(&[("eg-duplicates", "1"), ("eg-conflicts", "1")]),
        accepted(&[]),
    ])
    .await;
    let gateway = once(&server.url);
    let event = || CloudEvent::new("/s", UserCreated { id: 1 }).with_id("7");
    for expected in [(true, false), (true, true), (false, false)] {
        let receipt = gateway.emit(event()).await.unwrap();
        assert_eq!((receipt.id.as_str(), (receipt.duplicate, receipt.conflict)), ("7", expected));
    }
}

#[tokio::test]
async fn an_unreachable_gateway_is_named_with_the_way_out() {
    let url = nobody().await;
    let e = once(&url).emit(CloudEvent::new("/s", UserCreated { id: 1 }).with_id("7")).await.unwrap_err();
    assert_eq!(
        e.to_string(),
        format!(
            "cannot emit event `user.created` (id 7): no answer from {url}/ (is the gateway running? `cargo eg run` starts one)"
        )
    );
    assert!(matches!(e, Error::Unreachable { .. }));
    assert!(e.source().is_some() && e.status().is_none());
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_in_time_is_unreachable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = once(&format!("http://{}", listener.local_addr().unwrap()));
    let e = gateway.with_timeout(Duration::from_millis(50)).emit(UserCreated { id: 1 }).await.unwrap_err();
    let Error::Unreachable { source, .. } = e else { panic!("{e}") };
    assert!(source.is_timeout());
}

#[tokio::test]
async fn invalid_events_and_payloads_are_not_sent() {
    let server = Server::answers([]).await;
    let gateway = once(&server.url);
    let e = gateway.emit(CloudEvent::of_type("t", "/s", json!(1)).with_id("")).await.unwrap_err();
    assert_eq!(e.to_string(), "event `t` is invalid");
    assert_eq!(e.source().unwrap().to_string(), "required attribute `id` is missing or empty");
    let keys: std::collections::HashMap<[u8; 2], u8> = [([1, 2], 3)].into();
    let e = gateway.emit(CloudEvent::of_type("t", "/s", keys)).await.unwrap_err();
    assert_eq!(e.to_string(), "the payload of an event cannot be serialized as JSON");
    let e = gateway.with_source("not a source").emit(UserCreated { id: 1 }).await.unwrap_err();
    assert!(e.source().unwrap().to_string().contains("`source`"), "{e}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn requests_return_the_answer_of_the_subscriber() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Price {
        cents: u32,
    }
    let server =
        Server::answers([json(200, &json!({"cents": 5})), json(201, &json!({"cents": "x"})), status(204)])
            .await;
    let gateway = once(&server.url);
    let answer = gateway.request(UserCreated { id: 1 }).await.unwrap();
    assert_eq!((answer.status, answer.content_type.as_deref()), (200, Some("application/json")));
    assert_eq!(answer.json::<Price>().unwrap(), Price { cents: 5 });
    let event = CloudEvent::new("/s", UserCreated { id: 1 }).with_id("7");
    let e = gateway.request_at("/price", event).await.unwrap().json::<Price>().unwrap_err();
    let expected = format!(
        "cannot emit event `user.created` (id 7): unexpected answer from {}/price: invalid type",
        server.url
    );
    assert!(e.to_string().starts_with(&expected), "{e}");
    assert_eq!(gateway.request(UserCreated { id: 1 }).await.unwrap().status, 204);
}

#[tokio::test]
async fn a_request_that_nobody_answers_says_so() {
    let server = Server::answers([status(202), json(500, &json!("Function call failed"))]).await;
    let gateway = once(&server.url);
    let e = gateway.request_at("/price", UserCreated { id: 1 }).await.unwrap_err();
    assert_eq!(
        e.to_string(),
        "no function answers event `user.created` at path `/price`: no sync subscription matches"
    );
    assert_eq!(gateway.request(UserCreated { id: 1 }).await.unwrap_err().status(), Some(500));
}

#[tokio::test]
async fn the_trace_goes_into_headers_and_events_but_never_over_that_of_the_producer() {
    let ours =
        TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Some("v=1")).unwrap();
    let theirs = TraceContext::root();
    let server = Server::answers([]).await;
    let mut settings = Settings::default();
    settings.url.clone_from(&server.url);
    settings.config_url = Some(server.url.clone());
    let plain = EventGateway::with_settings(settings).unwrap();
    let traced = plain.clone().with_trace_context(ours.clone());
    traced.emit(UserCreated { id: 1 }).await.unwrap();
    let event = CloudEvent::new("/s", UserCreated { id: 1 });
    traced.emit(event.clone().with_trace_context(&theirs)).await.unwrap();
    traced.emit(event.with_extension("traceparent", "as it came")).await.unwrap();
    let _ = traced.functions().get("f").await;
    plain.emit(UserCreated { id: 1 }).await.unwrap();
    let seen = server.seen();
    for request in &seen[..4] {
        assert_eq!(request.header("traceparent"), Some(ours.traceparent()));
        assert_eq!(request.header("tracestate"), Some("v=1"));
    }
    assert_eq!(seen[0].json()["traceparent"], ours.traceparent());
    assert_eq!(seen[0].json()["tracestate"], "v=1");
    assert_eq!(seen[1].json()["traceparent"], theirs.traceparent());
    assert_eq!(seen[1].json().get("tracestate"), None);
    assert_eq!(seen[2].json()["traceparent"], "as it came");
    assert_eq!(seen[4].header("traceparent"), None);
    assert_eq!(seen[4].json().get("traceparent"), None);
}

#[test]
fn addresses_that_cannot_be_used_are_refused_with_the_reason() {
    for (url, expected) in [
        ("", "expected something like http://localhost:4000"),
        ("localhost:4000", "`localhost:` is not supported"),
        ("ftp://h", "`ftp:` is not supported"),
        ("http://", "empty host"),
    ] {
        let e = EventGateway::new(url).unwrap_err().to_string();
        assert!(e.contains(expected) && e.starts_with(&format!("`{url}` is not the URL")), "{e}");
    }
    #[cfg(not(feature = "tls"))]
    assert!(EventGateway::new("https://h").unwrap_err().to_string().contains("turn on feature `tls`"));
    #[cfg(feature = "tls")]
    assert!(EventGateway::new("https://h").is_ok());
    let mut settings = Settings::default();
    settings.config_url = Some("nonsense".to_owned());
    assert!(EventGateway::with_settings(settings).unwrap_err().to_string().starts_with("`nonsense`"));
}

#[cfg(not(feature = "eventbridge"))]
#[test]
fn a_program_without_eventbridge_says_which_feature_is_missing() {
    let mut settings = Settings::default();
    settings.event_bus = Some(eg_sdk::EventBus::new("shop"));
    let e = EventGateway::with_settings(settings).unwrap_err().to_string();
    assert!(e.contains("EVENT_BUS is set to `shop`") && e.contains("feature `eventbridge`"), "{e}");
}
