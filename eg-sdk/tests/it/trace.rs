//! Tests W3C Trace Context: which contexts are valid, and child spans.

use eg_sdk::{CloudEvent, Data, TraceContext};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn traceparents_follow_their_grammar() {
    for (value, ok) in [
        (PARENT, true),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", true),
        ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-brings", true),
        (" 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ", true),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", false),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false),
        ("0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
        ("00-é", false),
        ("", false),
    ] {
        assert_eq!(TraceContext::parse(value, None).is_some(), ok, "{value}");
    }
    let state = |state| TraceContext::parse(PARENT, Some(state)).unwrap().tracestate().map(str::to_owned);
    assert_eq!(state("a=1,b=2"), Some("a=1,b=2".to_owned()));
    assert_eq!(state(" "), None);
    assert_eq!(state("a=1\r\nx: y"), None);
}

#[test]
fn spans_of_a_trace_differ_and_keep_the_trace() {
    let parent = TraceContext::parse(PARENT, Some("v=1")).unwrap();
    let spans: std::collections::HashSet<String> =
        (0..1_000).map(|_| parent.child().span_id().to_owned()).collect();
    assert_eq!(spans.len(), 1_000);
    let child = parent.child();
    assert_eq!((child.trace_id(), child.tracestate()), (parent.trace_id(), Some("v=1")));
    assert_eq!(TraceContext::parse(child.traceparent(), child.tracestate()), Some(child));
    let unsampled = TraceContext::parse(&PARENT.replace("-01", "-00"), None).unwrap();
    assert!(!unsampled.child().is_sampled());
    let root = TraceContext::root();
    assert_eq!(TraceContext::parse(root.traceparent(), None), Some(root));
}

#[test]
fn events_carry_their_trace_as_extensions() {
    let trace = TraceContext::parse(PARENT, Some("v=1")).unwrap();
    let event = CloudEvent::of_type("t", "/s", Data::Empty).with_trace_context(&trace);
    let event = CloudEvent::from_json(&event.to_json().unwrap()).unwrap();
    assert_eq!(event.extension("traceparent").unwrap(), PARENT);
    assert_eq!(event.trace_context(), Some(trace));
    let other = event.with_trace_context(&TraceContext::root());
    assert_eq!(other.extension("tracestate"), None);
    assert_eq!(other.with_extension("traceparent", "broken").trace_context(), None);
}

#[cfg(feature = "http")]
#[test]
fn requests_carry_their_trace_as_headers() {
    use axum::http::{HeaderMap, HeaderName, HeaderValue};

    for (headers, expected) in [
        (&[("traceparent", PARENT), ("tracestate", "v=1")][..], Some((PARENT, Some("v=1")))),
        (&[("traceparent", PARENT)], Some((PARENT, None))),
        (&[("traceparent", PARENT), ("tracestate", "é")], Some((PARENT, None))),
        (&[("traceparent", "broken"), ("tracestate", "v=1")], None),
        (&[("tracestate", "v=1")], None),
        (&[], None),
    ] {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        let context = TraceContext::of_headers(&headers.iter().map(pair).collect::<HeaderMap>());
        let read = context.as_ref().map(|context| (context.traceparent(), context.tracestate()));
        assert_eq!(read, expected, "{headers:?}");
    }
}
