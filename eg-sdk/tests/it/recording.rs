//! Tests the recording client, as unit tests of other programs use it.

use eg_sdk::{CloudEvent, Data, Error, Event, EventGateway, TraceContext, config};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event("user.created")]
struct UserCreated {
    id: u32,
}

#[tokio::test]
async fn emitted_events_are_kept_in_order() {
    let (gateway, recorder) = EventGateway::recording();
    let gateway = gateway.with_source("/services/users").with_trace_context(TraceContext::root());
    let receipt = gateway.emit(UserCreated { id: 1 }).await.unwrap();
    gateway.emit(CloudEvent::of_type("other", "/s", Data::Empty)).await.unwrap();
    let batch = gateway.emit_batch((2..=40).map(|id| UserCreated { id })).await;
    assert!(batch.iter().all(Result::is_ok));
    let events = recorder.events();
    assert_eq!((events.len(), events[0].id(), events[0].source()), (41, &*receipt.id, "/services/users"));
    assert!(events[0].trace_context().is_some());
    assert_eq!(events[1].ty(), "other");
    let created = recorder.clone().events_of::<UserCreated>().unwrap();
    assert_eq!(created.iter().map(|event| event.data.id).collect::<Vec<_>>(), (1..=40).collect::<Vec<_>>());
    assert_eq!(recorder.take().len(), 41);
    assert_eq!(recorder.events(), []);
}

#[tokio::test]
async fn events_are_checked_as_ever() {
    let (gateway, recorder) = EventGateway::recording();
    let e = gateway.emit(CloudEvent::of_type("t", "a b", Data::Empty)).await.unwrap_err();
    assert!(matches!(e, Error::Event { .. }), "{e}");
    assert_eq!(recorder.events(), []);
    gateway.emit(CloudEvent::of_type("user.created", "/s", json!({"id": "x"}))).await.unwrap();
    assert_eq!(recorder.events_of::<UserCreated>().unwrap_err().path, "id");
}

#[tokio::test]
async fn requests_are_answered_as_told() {
    let (gateway, recorder) = EventGateway::recording();
    let e = gateway.request(UserCreated { id: 1 }).await.unwrap_err();
    assert!(matches!(e, Error::NoSubscriber { .. }), "{e}");
    recorder.answer("user.created", json!({"ok": true})).unwrap();
    let answer = gateway.request_at("/p", UserCreated { id: 2 }).await.unwrap();
    assert_eq!((answer.status, answer.json::<serde_json::Value>().unwrap()), (200, json!({"ok": true})));
    assert_eq!(recorder.events_of::<UserCreated>().unwrap().len(), 2);
}

#[tokio::test]
async fn refusals_come_in_the_order_given_and_leave_no_event() {
    let (gateway, recorder) = EventGateway::recording();
    recorder.refuse_next(503, "later");
    recorder.refuse_next(400, "never");
    let event = || CloudEvent::of_type("t", "/s", Data::Empty).with_id("1");
    let e = gateway.emit(event()).await.unwrap_err();
    assert_eq!(e.to_string(), "cannot emit event `t` (id 1): the recorder answered 503: later");
    assert_eq!(gateway.request(event()).await.unwrap_err().status(), Some(400));
    gateway.emit(event()).await.unwrap();
    assert_eq!(recorder.events().len(), 1);
}

#[tokio::test]
async fn there_is_no_config_api() {
    let (gateway, _) = EventGateway::recording();
    let e = gateway.event_types().create(&config::EventType::new("t")).await.unwrap_err();
    assert_eq!(
        e.to_string(),
        "cannot create event type `t`: this client records events instead of sending them"
    );
    assert!(matches!(gateway.functions().list().await, Err(Error::Unsupported { .. })));
}

#[tokio::test]
async fn an_emitted_event_names_the_one_that_it_was_emitted_for() {
    let (gateway, recorder) = EventGateway::recording();
    let event = || CloudEvent::of_type("t", "/s", ());
    let handled = event().with_id("a");
    for (handled, emitted) in [
        (&handled, event()),
        (&handled, event().with_cause("another")),
        // A forwarded event.
        (&handled, handled.clone()),
        (&event().with_id("an id of version 0.1\n"), event()),
    ] {
        gateway.clone().with_cause(handled).emit(emitted).await.unwrap();
    }
    let causes: Vec<_> = recorder.events().iter().map(|event| event.cause().map(str::to_owned)).collect();
    assert_eq!(causes, [Some("a".to_owned()), Some("another".to_owned()), None, None]);
}

/// Functions gave their events the id of the event that they handled, and `cargo eg show` could not tell the two apart.
#[tokio::test]
async fn an_emitted_event_does_not_take_the_id_of_the_one_that_is_handled() {
    let (gateway, recorder) = EventGateway::recording();
    let handled = CloudEvent::of_type("user.created", "/users", ()).with_id("a");
    let gateway = gateway.with_cause(&handled);
    for (ty, source) in [("email.sent", "/emails"), ("user.created", "/emails"), ("email.sent", "/users")] {
        let taken = CloudEvent::of_type(ty, source, ()).with_id("a");
        let error = gateway.emit(taken.clone()).await.unwrap_err();
        let Error::Event { ty: refused, source: reason } = &error else { panic!("{error:?}") };
        assert_eq!(refused, ty);
        assert_eq!(
            reason.to_string(),
            "attribute `id`: `a` is the id of the event that is being handled, a `user.created` of `/users`; \
             leave out `with_id`, or derive an id with `caused_by`"
        );
        gateway.emit(taken.caused_by(&handled)).await.unwrap();
    }
    assert!(recorder.events().iter().all(|event| event.id() != "a" && event.cause() == Some("a")));
    assert_eq!(recorder.events().len(), 3, "what was refused was not sent");
}
