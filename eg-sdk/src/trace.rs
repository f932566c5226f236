//! W3C Trace Context as values: parses contexts and derives child spans. Reads no headers and no environment.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

#[cfg(feature = "http")]
use eg_grammar::extension::{TRACEPARENT, TRACESTATE};
use uuid::Uuid;

/// A position in a distributed trace: the `traceparent` and `tracestate` of W3C Trace Context, which events carry as
/// extensions of the same names (CloudEvents distributed tracing extension).
///
/// ```
/// # use eg_sdk::TraceContext;
/// let incoming = TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Some("vendor=1"))
///     .expect("this is how a traceparent looks");
/// let next = incoming.child();
/// assert_eq!(next.trace_id(), incoming.trace_id());
/// assert_ne!(next.span_id(), incoming.span_id());
/// assert!(next.is_sampled());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TraceContext {
    traceparent: String,
    tracestate: Option<String>,
}

impl TraceContext {
    /// Parses a context. Returns `None` if `traceparent` is invalid; treat it as absent then (W3C Trace Context
    /// §3.2.2). Drops a `tracestate` that is empty or not a valid header value.
    #[must_use]
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let traceparent = traceparent.trim();
        if !is_traceparent(traceparent) {
            return None;
        }
        let printable = |state: &&str| state.bytes().all(|b| (b' '..=b'~').contains(&b));
        let tracestate = tracestate.map(str::trim).filter(|state| !state.is_empty()).filter(printable);
        Some(Self { traceparent: traceparent.to_owned(), tracestate: tracestate.map(str::to_owned) })
    }

    /// Starts a new, sampled trace.
    #[must_use]
    pub fn root() -> Self {
        let mut digits = [0; 32];
        Self {
            traceparent: new_span(Uuid::now_v7().simple().encode_lower(&mut digits), "01"),
            tracestate: None,
        }
    }

    /// Creates a sampled context from its ids.
    ///
    /// ```
    /// # use std::num::{NonZeroU64, NonZeroU128};
    /// let trace = eg_sdk::TraceContext::of_ids(NonZeroU128::MIN, NonZeroU64::MAX);
    /// assert_eq!(trace.traceparent(), "00-00000000000000000000000000000001-ffffffffffffffff-01");
    /// ```
    #[must_use]
    pub fn of_ids(trace_id: NonZeroU128, span_id: NonZeroU64) -> Self {
        let (mut trace, mut span) = ([0; 32], [0; 32]);
        let trace = Uuid::from_u128(trace_id.get()).simple().encode_lower(&mut trace);
        let span = &Uuid::from_u128(span_id.get().into()).simple().encode_lower(&mut span)[16..];
        Self { traceparent: ["00", trace, span, "01"].join("-"), tracestate: None }
    }

    /// Creates a child span: the same trace with a new span id.
    #[must_use]
    pub fn child(&self) -> Self {
        let flags = if self.is_sampled() { "01" } else { "00" };
        Self { traceparent: new_span(self.trace_id(), flags), tracestate: self.tracestate.clone() }
    }

    /// Returns the value of `traceparent`.
    #[must_use]
    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }

    /// Returns the value of `tracestate`: data of the tracing systems on the way.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }

    /// Returns the trace id: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.traceparent[3..35]
    }

    /// Returns the span id: 16 hexadecimal digits.
    #[must_use]
    pub fn span_id(&self) -> &str {
        &self.traceparent[36..52]
    }

    /// Returns whether the caller may have recorded its span.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        u8::from_str_radix(&self.traceparent[53..55], 16).is_ok_and(|flags| flags & 1 == 1)
    }
}

#[cfg(feature = "http")]
impl TraceContext {
    /// The context that the headers `traceparent` and `tracestate` describe; `None` as for [`parse`](Self::parse).
    #[must_use]
    pub fn of_headers(headers: &::http::HeaderMap) -> Option<Self> {
        static PARENT: ::http::HeaderName = ::http::HeaderName::from_static(TRACEPARENT);
        static STATE: ::http::HeaderName = ::http::HeaderName::from_static(TRACESTATE);
        let header = |name| headers.get(name)?.to_str().ok();
        Self::parse(header(&PARENT)?, header(&STATE))
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.traceparent)
    }
}

/// Parses `version-trace-span-flags`. Versions after 00 may have more fields (W3C Trace Context §3.2).
fn is_traceparent(value: &str) -> bool {
    let hex = |s: &str, digits| {
        s.len() == digits && s.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let id = |s: &str, digits| hex(s, digits) && s.bytes().any(|b| b != b'0');
    let mut fields = value.splitn(5, '-');
    let mut field = || fields.next().unwrap_or_default();
    let (version, trace, span, flags) = (field(), field(), field(), field());
    hex(version, 2)
        && version != "ff"
        && id(trace, 32)
        && id(span, 16)
        && hex(flags, 2)
        && (version != "00" || fields.next().is_none())
}

/// Returns the `traceparent` of a new span of a trace.
fn new_span(trace_id: &str, flags: &str) -> String {
    let mut digits = [0; 32];
    // The random half of a UUIDv7; its variant bits keep it from being zero.
    let span_id = &Uuid::now_v7().simple().encode_lower(&mut digits)[16..];
    ["00", trace_id, span_id, flags].join("-")
}
