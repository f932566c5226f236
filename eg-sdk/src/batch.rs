//! Reads and writes the JSON batch format of CloudEvents: an array of events. Leaves HTTP to `http`.

use eg_grammar::without_bom;
use serde_json::value::RawValue;

use crate::{CloudEvent, Data, InvalidEvent};

impl CloudEvent<Data> {
    /// Reads a JSON array of events. The array may be empty.
    ///
    /// # Errors
    /// [`InvalidEvent::InBatch`] names the invalid event.
    ///
    /// ```
    /// # use eg_sdk::CloudEvent;
    /// let events = CloudEvent::batch_from_json(br#"[{"specversion":"1.0","id":"1","source":"/s","type":"t"}]"#)?;
    /// assert_eq!(events[0].id(), "1");
    /// assert_eq!(CloudEvent::batch_from_json(b"[{}]").unwrap_err().to_string().split(':').next(), Some("event 1 of the batch"));
    /// # Ok::<(), eg_sdk::InvalidEvent>(())
    /// ```
    pub fn batch_from_json(json: &[u8]) -> Result<Vec<Self>, InvalidEvent> {
        let events: Vec<&RawValue> = serde_json::from_slice(without_bom(json))?;
        let one = |(at, raw): (usize, &RawValue)| {
            Self::from_json(raw.get().as_bytes())
                .map_err(|reason| InvalidEvent::InBatch { position: at + 1, reason: Box::new(reason) })
        };
        events.into_iter().enumerate().map(one).collect()
    }

    /// Writes a JSON array of events, each in its own version of the specification.
    ///
    /// # Errors
    /// [`InvalidEvent::InBatch`] names the invalid event.
    pub fn batch_to_json(events: &[Self]) -> Result<Vec<u8>, InvalidEvent> {
        for (at, event) in events.iter().enumerate() {
            crate::rules::check(&event.attributes)
                .map_err(|reason| InvalidEvent::InBatch { position: at + 1, reason: Box::new(reason) })?;
        }
        Ok(serde_json::to_vec(events)?)
    }
}
