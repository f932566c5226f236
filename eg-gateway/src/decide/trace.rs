//! The distributed trace that an event belongs to (W3C Trace Context): the one it names in its extensions, else the one
//! of the request that brought it, else one of its own. All that follows from an event, also a replay much later, is
//! part of its trace.

use std::borrow::Cow;

use eg_sdk::{CloudEvent, TraceContext};
use http::HeaderMap;
use serde::Deserialize;

/// The trace that a request belongs to.
pub(crate) fn of_request(headers: &HeaderMap) -> Option<TraceContext> {
    let header = |name| headers.get(name)?.to_str().ok();
    TraceContext::parse(header("traceparent")?, header("tracestate"))
}

/// The trace of an event with this JSON.
///
/// One that names none gets one that follows from what makes it unique, so nothing has to be remembered: every call and
/// every attempt, in this process or a later one, belongs to the same.
pub(crate) fn of_event(json: &[u8]) -> TraceContext {
    let read = Attributes::read(json);
    read.named().unwrap_or_else(|| own(read.id.as_deref().unwrap_or_default(), &read.source))
}

/// The trace that an event with this JSON names.
pub(crate) fn named(json: &[u8]) -> Option<TraceContext> {
    Attributes::read(json).named()
}

/// The event with the trace of the request that brought it, unless it has one already.
pub(crate) fn joined(json: Vec<u8>, request: Option<&TraceContext>) -> Vec<u8> {
    let Some(request) = request else { return json };
    let Ok(event) = CloudEvent::from_json(&json) else { return json };
    if event.trace_context().is_some() {
        return json;
    }
    event.with_trace_context(request).to_json().unwrap_or(json)
}

/// What is read of an event: CloudEvents 1.0 has extensions beside the attributes, 0.1 in a member of their own.
#[derive(Default, Deserialize)]
struct Attributes<'a> {
    #[serde(borrow, alias = "eventID")]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    traceparent: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tracestate: Option<Cow<'a, str>>,
    #[serde(borrow)]
    extensions: Option<Extensions<'a>>,
}

#[derive(Default, Deserialize)]
struct Extensions<'a> {
    #[serde(borrow)]
    traceparent: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tracestate: Option<Cow<'a, str>>,
}

impl<'a> Attributes<'a> {
    fn read(json: &'a [u8]) -> Self {
        serde_json::from_slice(json).unwrap_or_default()
    }

    fn named(&self) -> Option<TraceContext> {
        let named = |traceparent: &Option<Cow<'_, str>>, tracestate: &Option<Cow<'_, str>>| {
            TraceContext::parse(traceparent.as_deref()?, tracestate.as_deref())
        };
        let inner = self.extensions.as_ref();
        named(&self.traceparent, &self.tracestate)
            .or_else(|| inner.and_then(|inner| named(&inner.traceparent, &inner.tracestate)))
    }
}

/// The trace of the event with this id and source.
fn own(id: &str, source: &str) -> TraceContext {
    // FNV-1a, 128 bits: the same in every version of this program, and spread evenly.
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = |start: u128, text: &str| {
        text.bytes().fold(start, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
    };
    let trace = hash(hash(hash(BASIS, source), "\n"), id);
    let [high, low] = [trace >> 64, trace].map(|half| half & u128::from(u64::MAX));
    let span = (high ^ low.rotate_left(7)) & u128::from(u64::MAX);
    // Neither may be zero.
    let text = format!("00-{:032x}-{:016x}-01", trace.max(1), span.max(1));
    TraceContext::parse(&text, None).expect("made by the grammar")
}

/// The trace as AWS X-Ray writes it, for calls to AWS: functions on Lambda find it in their context.
pub(crate) fn x_ray(trace: &TraceContext) -> String {
    let (epoch, unique) = trace.trace_id().split_at(8);
    let sampled = u8::from(trace.is_sampled());
    format!("Root=1-{epoch}-{unique};Parent={};Sampled={sampled}", trace.span_id())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    #[test]
    fn traces_of_events() {
        for json in [
            format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","traceparent":"{GIVEN}"}}"#),
            format!(
                r#"{{"eventType":"t","eventID":"1","source":"/s","extensions":{{"traceparent":"{GIVEN}"}}}}"#
            ),
        ] {
            assert_eq!(of_event(json.as_bytes()).traceparent(), GIVEN, "{json}");
        }
        let own = |json: &str| of_event(json.as_bytes()).traceparent().to_owned();
        let first = own(r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#);
        for (json, same) in [
            (
                r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"traceparent":"x"},"replay":"r"}"#,
                true,
            ),
            (r#"{"specversion":"1.0","id":"1","source":"/s","traceparent":"broken"}"#, true),
            (r#"{"eventID":"1","source":"/s","extensions":{"traceparent":"00-0-0-00"}}"#, true),
            (r#"{"id":"2","source":"/s"}"#, false),
            (r#"{"id":"1","source":"/t"}"#, false),
            (r#"{"id":"\u0031","source":"\/s"}"#, true),
            ("no event", false),
        ] {
            assert_eq!(own(json) == first, same, "{json}");
        }
    }

    #[test]
    fn events_join_the_trace_of_their_request() {
        let request = TraceContext::parse(GIVEN, Some("a=b")).unwrap();
        let plain = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"z":1.50}}"#;
        let joined_plain = String::from_utf8(joined(plain.into(), Some(&request))).unwrap();
        assert!(
            joined_plain.contains(GIVEN) && joined_plain.contains(r#""tracestate":"a=b""#),
            "{joined_plain}"
        );
        assert!(joined_plain.contains("1.50"), "{joined_plain}");
        assert_eq!(of_event(joined_plain.as_bytes()), request);
        for (json, request) in [(plain, None), (joined_plain.as_str(), Some(&TraceContext::root()))] {
            assert_eq!(joined(json.into(), request), json.as_bytes());
        }
    }

    #[test]
    fn x_ray_writes_the_same_ids() {
        let trace = TraceContext::parse(GIVEN, None).unwrap();
        assert_eq!(
            x_ray(&trace),
            "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=0"
        );
    }
}
