//! Records the spans that the gateway adds to the traces of events: one for accepting an event, one for each call.
//! `otlp` exports them; without that feature or without an endpoint, nothing is recorded.

#[cfg(feature = "otlp")]
mod otlp;

use std::sync::Arc;
use std::time::Duration;

use eg_sdk::TraceContext;

use crate::clock;
use crate::decide::event::Event;

/// Records finished spans. Clones share the exporter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spans(Option<Arc<Exporter>>);

#[cfg(feature = "otlp")]
pub(crate) use otlp::Exporter;

/// No exporter exists without the feature.
#[cfg(not(feature = "otlp"))]
#[derive(Debug)]
pub(crate) enum Exporter {}

/// A finished operation and its place in a trace.
#[derive(Debug)]
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "read by what exports"))]
pub(crate) struct Span<'a> {
    pub(crate) context: &'a TraceContext,
    /// The parent span; `None` for the first span of a trace.
    pub(crate) parent: Option<&'a TraceContext>,
    pub(crate) kind: Kind,
    pub(crate) event_type: &'a str,
    /// The function that was called.
    pub(crate) function: Option<&'a str>,
    pub(crate) took: Duration,
    /// The error, if the operation failed.
    pub(crate) error: Option<String>,
}

/// The place of an event that is being accepted in its trace.
#[derive(Debug)]
pub(crate) struct Accepting {
    event_type: String,
    parent: Option<TraceContext>,
    context: TraceContext,
}

/// The kind of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An event was accepted.
    Accept,
    /// A function was called with an event.
    Deliver,
}

#[cfg(not(feature = "otlp"))]
impl Exporter {
    fn export(&self, _: &Span<'_>, _: time::OffsetDateTime) {
        match *self {}
    }

    fn close(&self) {
        match *self {}
    }
}

impl Spans {
    #[cfg(feature = "otlp")]
    pub(crate) fn to(exporter: Exporter) -> Self {
        Self(Some(Arc::new(exporter)))
    }

    /// Records a call that ended now.
    pub(crate) fn called(
        &self,
        event: &TraceContext,
        span: &TraceContext,
        event_type: &str,
        function: &str,
        took: Duration,
        error: Option<&impl ToString>,
    ) {
        self.export(|| Span {
            context: span,
            parent: Some(event),
            kind: Kind::Deliver,
            event_type,
            function: Some(function),
            took,
            error: error.map(ToString::to_string),
        });
    }

    /// Records that an event was just accepted, or was not. If the event names no trace, this is the first span of
    /// the trace, and the calls are its children.
    pub(crate) fn accepted(&self, accepting: &Accepting, took: Duration, error: Option<String>) {
        self.export(|| Span {
            context: &accepting.context,
            parent: accepting.parent.as_ref(),
            kind: Kind::Accept,
            event_type: &accepting.event_type,
            function: None,
            took,
            error,
        });
    }

    /// Returns what [`accepted`](Self::accepted) needs for `event`, or `None` if spans are not recorded.
    pub(crate) fn accepting(&self, event: &Event) -> Option<Accepting> {
        self.0.as_ref()?;
        let parent = event.named_trace();
        let context = parent.as_ref().map_or_else(|| event.trace(), TraceContext::child);
        Some(Accepting { event_type: event.ty().to_owned(), parent, context })
    }

    fn export<'a>(&self, span: impl FnOnce() -> Span<'a>) {
        let Some(exporter) = &self.0 else { return };
        let span = span();
        if span.context.is_sampled() {
            exporter.export(&span, clock::wall());
        }
    }

    /// Sends the remaining spans. Blocks; do not call it on an async thread.
    pub(crate) fn close(&self) {
        if let Some(exporter) = &self.0 {
            exporter.close();
        }
    }
}
