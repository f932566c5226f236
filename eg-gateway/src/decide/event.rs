//! Represents an event that was read on arrival: its attributes and the JSON that functions receive. `router` and
//! `intake` decide where it goes.

use bytes::Bytes;
use eg_grammar::extension::{PARTITION_KEY, REPLAY};
use eg_sdk::pattern::{Json, filterable};
use eg_sdk::{CloudEvent, InvalidEvent, SpecVersion, TraceContext};

use super::trace;

/// An event that is parsed and serialized only once.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    read: CloudEvent,
    json: Bytes,
}

/// An event for a function: its JSON and what else a call needs.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) ty: String,
    /// The trace that the event belongs to.
    pub(crate) trace: TraceContext,
    /// The number of events that led to this one.
    pub(crate) hops: u32,
    /// The JSON that the function receives.
    pub(crate) json: Bytes,
}

impl Event {
    /// Serializes a complete event, in its own version of CloudEvents.
    pub(crate) fn new(event: CloudEvent) -> Result<Self, InvalidEvent> {
        let json = Bytes::from(event.to_json()?);
        Ok(Self { read: event, json })
    }

    /// Reads an event from its JSON.
    pub(crate) fn read(json: Bytes) -> Result<Self, InvalidEvent> {
        Ok(Self { read: CloudEvent::from_json(&json)?, json })
    }

    /// Returns the same event with this number of hops.
    pub(crate) fn with_hops(self, hops: u32) -> Result<Self, InvalidEvent> {
        Self::new(self.read.with_hops(hops))
    }

    pub(crate) fn id(&self) -> &str {
        self.read.id()
    }

    pub(crate) fn ty(&self) -> &str {
        self.read.ty()
    }

    pub(crate) fn source(&self) -> &str {
        self.read.source()
    }

    pub(crate) fn subject(&self) -> Option<&str> {
        self.read.subject()
    }

    /// Returns the JSON that functions receive.
    pub(crate) fn json(&self) -> &Bytes {
        &self.json
    }

    /// Returns the number of events that led to this one.
    pub(crate) fn hops(&self) -> u32 {
        self.read.hops()
    }

    /// Returns the id of the event that caused this one.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.read.cause()
    }

    /// Returns the partition key. Ordered subscriptions receive events with the same key one after the other.
    pub(crate) fn partition_key(&self) -> Option<&str> {
        self.read.extension(PARTITION_KEY)?.as_str()
    }

    /// Returns whether the id identifies a single event. Some clients of CloudEvents 0.1 send the same id with every
    /// event.
    pub(crate) fn has_reliable_id(&self) -> bool {
        self.read.specversion() == SpecVersion::V1_0
    }

    /// Returns whether the event has the payload of a stored one.
    pub(crate) fn has_payload_of(&self, stored: &[u8]) -> bool {
        CloudEvent::from_json(stored).is_ok_and(|stored| stored.data.as_bytes() == self.read.data.as_bytes())
    }

    /// Returns the trace that the event names.
    pub(crate) fn named_trace(&self) -> Option<TraceContext> {
        self.read.trace_context()
    }

    /// Returns the trace that the event belongs to.
    pub(crate) fn trace(&self) -> TraceContext {
        trace::of_event(&self.read)
    }

    /// Returns the event in the form for a function.
    pub(crate) fn outgoing(&self) -> Outgoing {
        Outgoing { ty: self.ty().to_owned(), trace: self.trace(), hops: self.hops(), json: self.json.clone() }
    }

    /// Returns the object that filters see.
    pub(crate) fn filterable(&self) -> Json<'_> {
        filterable(&self.read)
    }
}

impl Outgoing {
    /// Returns an event of type `ty` from its stored JSON, with the name of the `replay` that repeats it, if any.
    /// Text that is not an event is sent unchanged.
    pub(crate) fn stored(ty: String, json: Vec<u8>, replay: Option<&str>) -> Self {
        let event = CloudEvent::from_json(&json).ok();
        let trace = event.as_ref().map_or_else(|| trace::of_identity("", ""), trace::of_event);
        let hops = event.as_ref().map_or(0, CloudEvent::hops);
        let marked =
            event.zip(replay).and_then(|(event, replay)| event.with_extension(REPLAY, replay).to_json().ok());
        Self { ty, trace, hops, json: Bytes::from(marked.unwrap_or(json)) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(json: &Value) -> Event {
        Event::read(Bytes::from(json.to_string())).unwrap()
    }

    #[test]
    fn attributes_of_both_versions() {
        let new = json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "t", "subject": "x", "hops": 3,
                          "partitionkey": "k", "causationid": "c", "data": { "a": [1] } });
        let old = json!({ "cloudEventsVersion": "0.1", "eventID": "1", "source": "/s", "eventType": "t",
                          "extensions": { "hops": "2", "partitionkey": "k" }, "data": "text" });
        for (json, hops, subject, cause, data, reliable) in [
            (&new, 3, Some("x"), Some("c"), json!({ "a": [1] }), true),
            (&old, 2, None, None, json!("text"), false),
        ] {
            let event = read(json);
            assert_eq!((event.id(), event.source(), event.ty()), ("1", "/s", "t"), "{json}");
            assert_eq!(event.hops(), hops, "{json}");
            assert_eq!(event.subject(), subject, "{json}");
            assert_eq!(event.cause(), cause, "{json}");
            assert_eq!(event.partition_key(), Some("k"), "{json}");
            assert_eq!(event.has_reliable_id(), reliable, "{json}");
            assert_eq!(event.filterable().to_value()["type"], "t", "{json}");
            assert_eq!(event.filterable().to_value()["data"], data, "{json}");
        }
    }

    /// Deduplication used to read the member that our serializer writes first.
    #[test]
    fn the_version_decides_about_the_id_and_not_the_order_of_members() {
        for (json, reliable) in [
            (r#"{"id":"1","source":"/s","type":"t","specversion":"1.0"}"#, true),
            (
                r#"{"eventID":"1","source":"/s","eventType":"t","cloudEventsVersion":"0.1","extensions":{"specversion":"1.0"}}"#,
                false,
            ),
        ] {
            assert_eq!(Event::read(Bytes::from(json)).unwrap().has_reliable_id(), reliable, "{json}");
        }
    }

    #[test]
    fn replays_are_marked() {
        for (json, replay, expected) in [
            (
                r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"b":1.50,"a":2}}"#,
                Some("r1"),
                true,
            ),
            (r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#, None, false),
            ("no event", Some("r1"), false),
        ] {
            let outgoing = Outgoing::stored("t".to_owned(), json.as_bytes().to_vec(), replay);
            let sent = str::from_utf8(&outgoing.json).unwrap();
            assert_eq!(sent != json, expected, "{sent}");
            assert_eq!(sent.contains(r#""replay":"r1""#), expected, "{sent}");
            assert_eq!(sent.contains(r#"{"b":1.50,"a":2}"#), json.contains("1.50"), "{sent}");
        }
    }

    #[test]
    fn what_leaves_the_store_is_as_it_went_in() {
        let event = read(&json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "t", "hops": 3 }));
        let (sent, stored) =
            (event.outgoing(), Outgoing::stored("t".to_owned(), event.json().to_vec(), None));
        assert_eq!((sent.trace, sent.hops, sent.json), (stored.trace, stored.hops, stored.json));
    }
}
