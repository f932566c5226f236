//! A function emits only from the sources that its signature declares, because its permissions on AWS allow no others.
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use eg_runtime::testing::{Outcome, TestApp};
use eg_runtime::{App, CloudEvent, Emit, Error, Event, Json, subscribe};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event("page.clicked", source = "/web")]
struct Clicked {}

#[derive(Serialize, Deserialize, Event)]
#[event("page.left")]
struct Left {}

/// Emits both events from the source in the payload.
#[subscribe("emit")]
async fn emit_from(emit: Emit<(Clicked, Left)>, Json(source): Json<String>) -> Result<(), Error> {
    let (clicked, left) = (emit.event(Clicked {}), emit.event(Left {}));
    let (clicked, left) = match source.as_str() {
        "" => (clicked, left),
        source => {
            let (clicked, left) = (clicked.data, left.data);
            (
                CloudEvent::of_type("page.clicked", source, clicked),
                CloudEvent::of_type("page.left", source, left),
            )
        }
    };
    let outcomes = [emit.send_event(clicked).await.map(drop), emit.send_event(left).await.map(drop)];
    outcomes.into_iter().try_for_each(|sent| Ok(sent?))
}

async fn emitted(source: &str) -> (Vec<(String, String)>, Outcome) {
    let app = TestApp::new(App::new()).unwrap();
    let deliveries = app.deliver(CloudEvent::of_type("emit", "/test", source)).await.unwrap();
    let sent = app.events().iter().map(|event| (event.ty().to_owned(), event.source().to_owned())).collect();
    (sent, deliveries[0].outcome.clone())
}

#[tokio::test]
async fn only_declared_sources_are_emitted() {
    let event = |ty: &str, source: &str| (ty.to_owned(), source.to_owned());
    let (clicked, left) = (event("page.clicked", "/web"), event("page.left", "/services/eg-runtime"));
    let refused = |ty: &str, source: &str, declared: &str| {
        Outcome::Retry(format!(
            "event `{ty}` is invalid: attribute `source`: `{source}` is not declared, so this function may not emit it: \
             declare it with `#[event(\"{ty}\", source = \"{source}\")]`, or create the event with `Emit::event`, which \
             sets `{declared}`"
        ))
    };
    for (source, sent, outcome) in [
        ("", vec![clicked.clone(), left.clone()], Outcome::Done),
        ("/web", vec![clicked], refused("page.left", "/web", "/services/eg-runtime")),
        ("/services/eg-runtime", vec![left], refused("page.clicked", "/services/eg-runtime", "/web")),
        ("/elsewhere", vec![], refused("page.clicked", "/elsewhere", "/web")),
    ] {
        assert_eq!(emitted(source).await, (sent, outcome), "{source}");
    }
}

/// A function that sweeps an outbox finds what others have staged there.
#[cfg(feature = "outbox")]
#[tokio::test]
async fn only_declared_events_leave_an_outbox() {
    use eg_runtime::EventGateway;
    use eg_runtime::outbox::Emitter as _;

    let (gateway, recorder) = EventGateway::recording();
    let gateway = gateway.with_source("/services/pages");
    let both = Emit::<(Clicked, Left)>::through(gateway.clone());
    let staged = [both.stage(Clicked {}).unwrap(), both.stage(Left {}).unwrap()];
    let other = gateway.stage(CloudEvent::new("/services/other", Left {})).unwrap();
    let left = Emit::<Left>::through(gateway);
    let reason = |refused: eg_sdk::Error| std::error::Error::source(&refused).unwrap().to_string();

    let refused = reason(left.emit_outgoing(&staged[0]).await.unwrap_err());
    assert!(refused.contains("this function may not emit `page.clicked`"), "{refused}");
    let refused = reason(both.emit_outgoing(&other).await.unwrap_err());
    assert!(refused.contains("`/services/other` is not declared"), "{refused}");
    let refused = reason(both.stage_event(CloudEvent::new("/services/other", Left {})).unwrap_err());
    assert!(refused.contains("`/services/other` is not declared"), "{refused}");
    left.emit_outgoing(&staged[1]).await.unwrap();
    both.emit_outgoing(&staged[0]).await.unwrap();
    let types: Vec<_> = recorder.events().iter().map(|event| event.ty().to_owned()).collect();
    assert_eq!(types, ["page.left", "page.clicked"]);
}
