//! The span around each call of a function, with the feature `tracing`.
#![cfg(feature = "tracing")]
#![allow(clippy::unwrap_used, reason = "what is wrong fails the test, with its place")]

use std::sync::{Arc, Mutex};

use eg_runtime::testing::TestApp;
use eg_runtime::{App, CloudEvent, Data, http, subscribe};
use tracing::span::{Attributes, Id};
use tracing::subscriber::set_default;
use tracing::{Subscriber, info};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

#[http(GET, "/greet")]
async fn answer() {
    info!("answering");
}

#[subscribe("user.created")]
async fn greet() {
    tokio::task::yield_now().await;
    info!("greeting");
}

/// Notes spans, and lines with the span that they are in.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Notes {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let name = context.span(id).unwrap().name();
        self.0.lock().unwrap().push(format!("{name} {}", attributes.values()));
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let span = context.event_span(event).map(|span| span.name());
        self.0.lock().unwrap().push(format!("line in {span:?}"));
    }
}

#[tokio::test]
async fn each_call_is_a_span_of_its_own() {
    let notes = Notes::default();
    let _guard = set_default(tracing_subscriber::registry().with(notes.clone()));
    let app = TestApp::new(App::new()).unwrap();
    app.deliver(CloudEvent::of_type("user.created", "/s", Data::Empty).with_id("e1")).await.unwrap();
    app.get("/greet").await;
    let notes = notes.0.lock().unwrap().clone();
    let event = r#"{function: "greet", request_id: "e1", event_id: "e1", event_type: "user.created"}"#;
    let line = r#"line in Some("invocation")"#;
    assert_eq!(
        notes,
        [format!("invocation {event}").as_str(), line, r#"invocation {function: "answer"}"#, line]
    );
}
