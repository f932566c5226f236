//! What filters, ordering and loop protection see of an event: its attributes under their CloudEvents 1.0 names,
//! extensions beside them, and `data`. Read from the JSON only when somebody asks.

use std::cell::OnceCell;

use eg_sdk::{CloudEvent, Data};
use serde_json::{Map, Value};
use time::format_description::well_known::Rfc3339;

/// The extension that counts how often an event led to another. Whoever emits an event while handling one sets it to
/// that one's count and one more.
pub(crate) const HOPS: &str = "hops";

/// The attribute of the CloudEvents correlation extension that names the event which led to this one.
const CAUSE: &str = "causationid";

/// The extension of the CloudEvents partitioning extension.
const PARTITION_KEY: &str = "partitionkey";

/// Lazily read facts of one event.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    json: &'a [u8],
    read: OnceCell<Value>,
}

impl<'a> Facts<'a> {
    /// Facts of the event with this JSON.
    pub(crate) fn new(json: &'a [u8]) -> Self {
        Self { json, read: OnceCell::new() }
    }

    /// Attributes, extensions and `data` as one object. `data` is absent when it is no JSON.
    pub(crate) fn value(&self) -> &Value {
        self.read.get_or_init(|| read(self.json).unwrap_or_default())
    }

    /// How many events led to this one.
    pub(crate) fn hops(&self) -> u64 {
        if !self.may_have(HOPS) {
            return 0;
        }
        match self.value().get(HOPS) {
            Some(Value::Number(number)) => number.as_u64().unwrap_or_default(),
            Some(Value::String(text)) => text.parse().unwrap_or_default(),
            _ => 0,
        }
    }

    /// The id of the event that led to this one.
    pub(crate) fn cause(&self) -> Option<&str> {
        if self.may_have(CAUSE) { self.value().get(CAUSE)?.as_str() } else { None }
    }

    /// Whether an extension's name stands somewhere. Many events have none, and to look is much cheaper than to read.
    fn may_have(&self, name: &str) -> bool {
        let quoted = |window: &[u8]| {
            window[0] == b'"' && window[window.len() - 1] == b'"' && window[1..].starts_with(name.as_bytes())
        };
        self.json.windows(name.len() + 2).any(quoted)
    }

    /// Events with the same key are delivered in order to who asks for it.
    pub(crate) fn partition_key(&self) -> Option<&str> {
        self.value().get(PARTITION_KEY)?.as_str()
    }

    /// Whether its id can be relied on to name one event. Clients of CloudEvents 0.1 are known that send the same
    /// id with everything. (The JSON is ours, and begins with the version.)
    pub(crate) fn has_reliable_id(&self) -> bool {
        self.json.starts_with(b"{\"specversion\"")
    }

    /// What the event is about.
    pub(crate) fn subject(&self) -> Option<&str> {
        let name = b"\"subject\"";
        if !self.json.windows(name.len()).any(|window| window == name) {
            return None;
        }
        self.value().get("subject")?.as_str()
    }
}

fn read(json: &[u8]) -> Option<Value> {
    let event = CloudEvent::from_json(json).ok()?;
    let mut facts = Map::new();
    for (name, value) in event.extensions() {
        facts.insert(name.to_owned(), value.clone());
    }
    let time = event.time().and_then(|time| time.format(&Rfc3339).ok());
    let attributes = [
        ("specversion", Some(event.specversion().as_str())),
        ("id", Some(event.id())),
        ("source", Some(event.source())),
        ("type", Some(event.ty())),
        ("subject", event.subject()),
        ("time", time.as_deref()),
        ("datacontenttype", event.datacontenttype()),
        ("dataschema", event.dataschema()),
    ];
    for (name, value) in attributes {
        if let Some(value) = value {
            facts.insert(name.to_owned(), Value::from(value));
        }
    }
    if let Data::Json(raw) = &event.data
        && let Ok(data) = serde_json::from_str(raw.get())
    {
        facts.insert("data".to_owned(), data);
    }
    Some(Value::Object(facts))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts() {
        let new =
            json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "t", "subject": "x", "hops": 3,
                          "partitionkey": "k", "data": { "a": [1] } })
            .to_string();
        let old = json!({ "cloudEventsVersion": "0.1", "eventID": "1", "source": "/s", "eventType": "t",
                          "extensions": { "hops": "2", "partitionkey": "k" }, "data": "text" })
        .to_string();
        for (json, hops, subject, data) in
            [(&new, 3, Some("x"), json!({ "a": [1] })), (&old, 2, None, json!("text"))]
        {
            let facts = Facts::new(json.as_bytes());
            assert_eq!(facts.hops(), hops, "{json}");
            assert_eq!(facts.subject(), subject, "{json}");
            assert_eq!(facts.partition_key(), Some("k"), "{json}");
            assert_eq!(facts.value()["type"], "t", "{json}");
            assert_eq!(facts.value()["data"], data, "{json}");
        }
    }
}
