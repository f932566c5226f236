//! Names the CloudEvents extensions that the gateway, the SDK and the runtime read and write. The SDK reads and writes
//! the events.

use std::num::IntErrorKind;

/// The number of events that led to this one. A function that emits an event while it handles another one sets it to
/// that event's number plus one; the gateway uses it to end loops.
pub const HOPS: &str = "hops";

/// The id of the event that led to this one (CloudEvents extension "Correlation").
pub const CAUSATION_ID: &str = "causationid";

/// The key of an event. An ordered subscription gets events with the same key one after the other (CloudEvents
/// extension "Partitioning").
pub const PARTITION_KEY: &str = "partitionkey";

/// The trace and span of the event (CloudEvents extension "Distributed Tracing"; also a header of W3C Trace Context).
pub const TRACEPARENT: &str = "traceparent";

/// The data of tracing systems (same source as [`TRACEPARENT`]).
pub const TRACESTATE: &str = "tracestate";

/// The id of the replay that delivers the event again.
pub const REPLAY: &str = "replay";

/// The prefix of the headers that carry attributes in binary mode (CloudEvents HTTP protocol binding §3.1.3.1).
pub const HEADER_PREFIX: &str = "ce-";

/// The header that carries [`HOPS`].
pub const HOPS_HEADER: &str = "ce-hops";

/// Parses [`HOPS`] as text, from a header or an attribute. A count above `u32::MAX` becomes `u32::MAX`, so that an
/// absurd count ends a loop instead of starting again at 0. Returns `None` if the text is not a count.
#[must_use]
pub fn parse_hops(text: &str) -> Option<u32> {
    match text.trim().parse() {
        Ok(hops) => Some(hops),
        Err(e) if *e.kind() == IntErrorKind::PosOverflow => Some(u32::MAX),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CloudEvents 1.0.2, "Naming Conventions": lower-case letters and digits, at most 20 of them.
    #[test]
    fn names_are_those_that_cloudevents_allows() {
        for name in [HOPS, CAUSATION_ID, PARTITION_KEY, TRACEPARENT, TRACESTATE, REPLAY] {
            assert!((1..=20).contains(&name.len()), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{name}");
        }
        assert_eq!(HOPS_HEADER, format!("{HEADER_PREFIX}{HOPS}"));
    }

    #[test]
    fn hops() {
        for (text, expected) in [
            ("0", Some(0)),
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("2147483648", Some(2_147_483_648)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", Some(u32::MAX)),
            ("99999999999999999999999", Some(u32::MAX)),
            ("-1", None),
            ("1.0", None),
            ("none", None),
            ("", None),
        ] {
            assert_eq!(parse_hops(text), expected, "{text:?}");
        }
    }
}
