//! Spans and log lines with the crate [`tracing`](https://docs.rs/tracing), behind the feature `tracing`.
//!
//! Each call of a function is a span, `invocation`, with the fields `function`, `request_id`, and, where they are known,
//! `event_id`, `event_type` and `trace_id`. One line in `main` prints what functions log, in the format of
//! `AWS_LAMBDA_LOG_FORMAT` and from the level of `AWS_LAMBDA_LOG_LEVEL` on, which Lambda sets:
//!
//! ```no_run
//! use eg_runtime::{App, Error};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! eg_runtime::tracing::init()?;
//! App::new().run().await
//! # }
//! ```
//!
//! # OpenTelemetry
//!
//! Add a layer of `tracing-opentelemetry`, make the span of an invocation a child of the event's or request's trace, and flush
//! the spans after each answer, because Lambda freezes the process then:
//!
//! ```no_run
//! use std::collections::HashMap;
//!
//! use eg_runtime::{App, Error};
//! use opentelemetry::propagation::TextMapPropagator as _;
//! use opentelemetry::trace::TracerProvider as _;
//! use opentelemetry_sdk::propagation::TraceContextPropagator;
//! use opentelemetry_sdk::trace::{SdkTracerProvider, SpanExporter};
//! use tracing_opentelemetry::OpenTelemetrySpanExt as _;
//! use tracing_subscriber::layer::SubscriberExt as _;
//! use tracing_subscriber::util::SubscriberInitExt as _;
//!
//! /// Runs the app with an exporter, for example that of `opentelemetry-otlp`.
//! async fn run(exporter: impl SpanExporter + 'static) -> Result<(), Error> {
//!     let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).build();
//!     let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("users"));
//!     tracing_subscriber::registry().with(eg_runtime::tracing::layer()).with(spans).try_init()?;
//!     eg_runtime::tracing::on_start(|span, trace| {
//!         let headers = HashMap::from([("traceparent".to_owned(), trace.to_string())]);
//!         let _ = span.set_parent(TraceContextPropagator::new().extract(&headers));
//!     });
//!     App::new()
//!         .after_answer(move || {
//!             let provider = provider.clone();
//!             // Exporters block, and the exporter may need this thread.
//!             async move { Ok::<_, Error>(tokio::task::spawn_blocking(move || provider.force_flush()).await??) }
//!         })
//!         .run()
//!         .await
//! }
//! # fn main() {}
//! ```
//!
//! Without the feature, a program contains nothing of this.

use std::env;
use std::future::Future;
use std::io;
use std::sync::OnceLock;

use ::tracing::{Instrument as _, Span, Subscriber, info_span};
use axum::extract::Request;
use eg_sdk::{CloudEvent, Data, EventIdentity, TraceContext};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, fmt};

use crate::Error;
use crate::context::{Cause, Context, Scope};
use crate::log::{self, LEVEL};

/// What happens when the span of an invocation begins.
type OnStart = Box<dyn Fn(&Span, &TraceContext) + Send + Sync>;

static ON_START: OnceLock<OnStart> = OnceLock::new();

/// Prints log lines to stderr, from now on and for the whole process.
///
/// # Errors
/// If the process has a subscriber of `tracing` already.
pub fn init() -> Result<(), Error> {
    Ok(tracing_subscriber::registry().with(layer()).try_init()?)
}

/// Returns the layer that [`init`] installs, to combine it with others.
#[must_use]
pub fn layer<S>() -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    lines(log::is_json(), level(&env::var(LEVEL).unwrap_or_default()), io::stderr)
}

/// Sets what happens when the span of an invocation begins that belongs to a trace, before the function is called. The first
/// call counts, for the whole process.
pub fn on_start(hook: impl Fn(&Span, &TraceContext) + Send + Sync + 'static) {
    let _ = ON_START.set(Box::new(hook));
}

/// Returns the layer that prints lines: JSON as Lambda reads it, with the span of the invocation in `span`; or text without
/// times, which Lambda adds.
fn lines<S, W>(json: bool, level: LevelFilter, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(writer).with_ansi(false);
    if json {
        layer
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_filter(level)
            .boxed()
    } else {
        layer.without_time().with_target(false).with_filter(level).boxed()
    }
}

/// Returns the level that Lambda names. `FATAL` is above all levels of `tracing`, and prints errors.
fn level(name: &str) -> LevelFilter {
    match name.to_ascii_uppercase().as_str() {
        "TRACE" => LevelFilter::TRACE,
        "DEBUG" => LevelFilter::DEBUG,
        "WARN" => LevelFilter::WARN,
        "ERROR" | "FATAL" => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    }
}

/// Returns the span of a call of a function with this request.
pub(crate) fn span(function: &'static str, request: &Request) -> Span {
    let extensions = request.extensions();
    let context = extensions.get::<Scope>().map(|scope| &scope.context);
    let event = extensions.get::<CloudEvent<Data>>();
    let cause = extensions.get::<Cause>().map(|cause| &cause.0);
    let trace = context.and_then(Context::trace);
    let span = info_span!(
        "invocation",
        function,
        request_id = context.map(Context::request_id).filter(|id| !id.is_empty()),
        event_id = event.map(CloudEvent::id).or_else(|| cause.map(EventIdentity::id)),
        event_type = event.map(CloudEvent::ty).or_else(|| cause.map(EventIdentity::ty)),
        trace_id = trace.map(TraceContext::trace_id),
    );
    if let (Some(hook), Some(trace)) = (ON_START.get(), trace) {
        hook(&span, trace);
    }
    span
}

/// Runs a call within its span.
pub(crate) fn within<T>(span: Span, call: impl Future<Output = T>) -> impl Future<Output = T> {
    call.instrument(span)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::body::Body;
    use serde_json::{Value, json};

    use super::*;
    use crate::shared::{Shared, States};

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns the lines that are printed about an event.
    fn printed(json: bool, level: LevelFilter) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::registry().with(lines(json, level, move || writer.clone()));
        ::tracing::subscriber::with_default(subscriber, || {
            let trace = TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None);
            let context = Context::new("").with_request_id("r1").with_trace(trace.unwrap());
            let shared = Shared {
                states: States::default(),
                source: "/s".to_owned(),
                payload_limit: 100,
                max_hops: 16,
            };
            let mut request = Request::new(Body::empty());
            request.extensions_mut().insert(Scope { shared: Arc::new(shared), context, has_caller: false });
            let event = CloudEvent::of_type("user.created", "/s", Data::Empty).with_id("e1");
            request.extensions_mut().insert(event);
            span("greet", &request).in_scope(|| {
                ::tracing::info!(letters = 2, "greeted");
                ::tracing::debug!("details");
            });
        });
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn lines_name_the_invocation_in_both_formats() {
        let mut line: Value = serde_json::from_str(&printed(true, LevelFilter::INFO)).unwrap();
        assert!(line["timestamp"].take().as_str().unwrap().ends_with('Z'));
        let span = json!({"name": "invocation", "function": "greet", "request_id": "r1", "event_id": "e1",
            "event_type": "user.created", "trace_id": "0af7651916cd43dd8448eb211c80319c"});
        let expected = json!({"timestamp": null, "level": "INFO", "message": "greeted", "letters": 2,
            "target": "eg_runtime::tracing::tests", "span": span});
        assert_eq!(line, expected);
        assert_eq!(
            printed(false, LevelFilter::INFO),
            " INFO invocation{function=\"greet\" request_id=\"r1\" event_id=\"e1\" event_type=\"user.created\" \
             trace_id=\"0af7651916cd43dd8448eb211c80319c\"}: greeted letters=2\n"
        );
    }

    #[test]
    fn levels() {
        for (name, lines) in [("", 1), ("INFO", 1), ("debug", 2), ("TRACE", 2), ("WARN", 0), ("FATAL", 0)] {
            assert_eq!(printed(false, level(name)).lines().count(), lines, "{name}");
        }
    }
}
