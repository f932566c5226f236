//! Determines the distributed trace of an event (W3C Trace Context): the one in its extensions, else the one of its
//! request, else one derived from the event. All calls for an event, also those of a much later replay, belong to its
//! trace.

use std::num::{NonZeroU64, NonZeroU128};

use eg_sdk::{CloudEvent, TraceContext};

/// Returns the trace of an event.
///
/// The trace of an event that names none is derived from its source and id. So all calls and attempts, in this
/// process or a later one, belong to the same trace, and it need not be stored.
pub(crate) fn of_event(event: &CloudEvent) -> TraceContext {
    event.trace_context().unwrap_or_else(|| of_identity(event.id(), event.source()))
}

/// Adds the trace of the request to the event, unless the event already names a trace.
pub(crate) fn joined(event: CloudEvent, request: Option<&TraceContext>) -> CloudEvent {
    match request {
        Some(request) if event.trace_context().is_none() => event.with_trace_context(request),
        _ => event,
    }
}

/// Returns the trace of the event with this id and source.
pub(super) fn of_identity(id: &str, source: &str) -> TraceContext {
    // FNV-1a with 128 bits: the same in every version of this program, and evenly distributed.
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = |start: u128, text: &str| {
        text.bytes().fold(start, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
    };
    let trace = hash(hash(hash(BASIS, source), "\n"), id);
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
    let span = half(trace >> 64) ^ (half(trace) << 7);
    // Neither may be zero.
    let ids = (NonZeroU128::new(trace), NonZeroU64::new(span));
    TraceContext::of_ids(ids.0.unwrap_or(NonZeroU128::MIN), ids.1.unwrap_or(NonZeroU64::MIN))
}

/// Returns the trace in the syntax of AWS X-Ray, for calls to AWS: functions on Lambda find it in their context.
pub(crate) fn x_ray(trace: &TraceContext) -> String {
    let (epoch, unique) = trace.trace_id().split_at(8);
    let sampled = u8::from(trace.is_sampled());
    format!("Root=1-{epoch}-{unique};Parent={};Sampled={sampled}", trace.span_id())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    fn event(json: &str) -> CloudEvent {
        CloudEvent::from_json(json.as_bytes()).unwrap()
    }

    #[test]
    fn traces_of_events() {
        for json in [
            format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","traceparent":"{GIVEN}"}}"#),
            format!(
                r#"{{"eventType":"t","cloudEventsVersion":"0.1","eventID":"1","source":"/s","extensions":{{"traceparent":"{GIVEN}"}}}}"#
            ),
        ] {
            assert_eq!(of_event(&event(&json)).traceparent(), GIVEN, "{json}");
        }
        let own = |json: &str| of_event(&event(json)).traceparent().to_owned();
        let first = own(r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#);
        assert_eq!(
            first, "00-6748d7d3ca757277b806e8ccf6f72dfa-643cb1a8b1e38f77-01",
            "the same in every version"
        );
        for (json, same) in [
            (
                r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"traceparent":"x"},"replay":"r"}"#,
                true,
            ),
            (r#"{"specversion":"1.0","id":"1","source":"/s","type":"u","traceparent":"broken"}"#, true),
            (
                r#"{"cloudEventsVersion":"0.1","eventType":"t","eventID":"1","source":"/s","extensions":{"traceparent":"00-0-0-00"}}"#,
                true,
            ),
            (
                r#"{"cloudEventsVersion":"0.1","eventType":"t","eventID":"1","source":"/s","extensions":{"traceparent":7}}"#,
                true,
            ),
            (r#"{"specversion":"1.0","id":"2","source":"/s","type":"t"}"#, false),
            (r#"{"specversion":"1.0","id":"1","source":"/t","type":"t"}"#, false),
            (r#"{"specversion":"1.0","id":"1","source":"\/s","type":"t"}"#, true),
        ] {
            assert_eq!(own(json) == first, same, "{json}");
        }
    }

    #[test]
    fn events_join_the_trace_of_their_request() {
        let request = TraceContext::parse(GIVEN, Some("a=b")).unwrap();
        let plain = event(r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"z":1.50}}"#);
        let in_trace = joined(plain.clone(), Some(&request));
        assert_eq!(of_event(&in_trace), request);
        assert_eq!(in_trace.extension("tracestate").unwrap(), "a=b");
        for (event, request) in [(plain, None), (in_trace, Some(&TraceContext::root()))] {
            assert_eq!(joined(event.clone(), request), event);
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
