//! Reads the attributes of a stored event from the beginning of its JSON, where they precede the payload. `event` reads whole
//! events.

use std::fmt;

use eg_sdk::CloudEvent;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::{Deserializer, Map, Value};

/// The number of bytes that hold the attributes of any event that a program would make.
pub(crate) const BEGINNING: usize = 16 * 1024;

/// Returns how many events led to the one whose JSON begins so. Attributes that are cut off count as absent.
pub(crate) fn hops(beginning: &[u8]) -> u32 {
    let mut attributes = Map::new();
    // The end is missing, so the error that this causes means nothing.
    let _ = Deserializer::from_slice(beginning).deserialize_map(Attributes(&mut attributes));
    serde_json::to_vec(&attributes)
        .ok()
        .and_then(|event| CloudEvent::from_json(&event).ok())
        .map_or(0, |event| event.hops())
}

/// Collects the members of an event up to its payload.
struct Attributes<'a>(&'a mut Map<String, Value>);

impl<'de> Visitor<'de> for Attributes<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event, which is a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            if name == "data" || name == "data_base64" {
                break;
            }
            let value = members.next_value()?;
            self.0.insert(name, value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::decide::event::Event;

    #[test]
    fn the_beginning_tells_the_hops_of_both_versions() {
        let data = json!({ "hops": 9, "text": "x".repeat(50_000) });
        for event in [
            json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "t", "hops": 3, "data": data }),
            json!({ "specversion": "1.0", "id": "1", "source": "/s", "type": "t", "hops": "3", "z": "last",
                    "data_base64": "eA==" }),
            json!({ "cloudEventsVersion": "0.1", "eventID": "1", "source": "/s", "eventType": "t",
                    "extensions": { "hops": 3 }, "data": data }),
        ] {
            // As it is stored: the attributes first.
            let event = CloudEvent::from_json(event.to_string().as_bytes()).unwrap();
            let event = Event::new(event).unwrap();
            let json: &Bytes = event.json();
            assert_eq!((event.hops(), hops(&json[..json.len().min(BEGINNING)])), (3, 3), "{}", event.id());
        }
    }

    #[test]
    fn without_hops_there_are_none() {
        let text = "x".repeat(2 * BEGINNING);
        let event = |attributes: &str| {
            format!(
                r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t"{attributes},"data":{{"hops":9}}}}"#
            )
        };
        for json in [event(""), event(&format!(r#","a":"{text}","hops":3"#)), "no event".to_owned()] {
            assert_eq!(hops(&json.as_bytes()[..json.len().min(BEGINNING)]), 0);
        }
    }
}
