//! Reads payloads that are JSON arrays: batches of EventBridge Pipes and of EventBridge's custom event buses. Leaves the
//! elements to the readers of their families.

use eg_sdk::__private::{self, Members};
use serde_json::value::RawValue;

use super::family::{self, Family};
use super::{Payload, PayloadError, eventbridge};

/// Returns whether a payload is an array.
pub(super) fn is_list(json: &str) -> bool {
    json.trim_start().starts_with('[')
}

/// Reads an array of events, or of records of a queue or a stream. An event in an array is never a request or a schedule.
pub(super) fn read(json: &str) -> Result<Payload, PayloadError> {
    let invalid = |reason: String| PayloadError::Family { family: "array of events", reason };
    let elements: Vec<&RawValue> = serde_json::from_str(json).map_err(|e| invalid(e.to_string()))?;
    let first = elements.first().ok_or_else(|| invalid("it is empty".to_owned()))?;
    if Members::read(first.get()).is_ok_and(|members| members.get("eventSource").is_some()) {
        // Pipes hand over the records that Lambda would put into an object.
        let batch = format!("{{\"Records\":{json}}}");
        let members = Members::read(&batch).map_err(PayloadError::NotAnObject)?;
        let family = family::of(&members)?;
        return super::read_events(family, &batch)
            .unwrap_or_else(|| Err(invalid("it has no events".to_owned())));
    }
    let event = |(at, element): (usize, &&RawValue)| {
        let invalid = |reason: String| invalid(format!("element {}: {reason}", at + 1));
        let members = Members::read(element.get()).map_err(|e| invalid(e.to_string()))?;
        match family::of(&members).map_err(|e| invalid(e.to_string()))? {
            Family::CloudEvent => __private::event(members).map_err(|e| invalid(e.to_string())),
            Family::EventBridge => eventbridge(element.get()).map_err(|e| invalid(e.to_string())),
            _ => Err(invalid("only CloudEvents and events of EventBridge are read from an array".to_owned())),
        }
    };
    elements.iter().enumerate().map(event).collect::<Result<_, _>>().map(Payload::Events)
}
