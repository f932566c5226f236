//! Reads what comes back from a failures queue: the records of failed invocations, whose payload is handled again. An event
//! that a rule could not deliver is in the queue as it is. Source: AWS's description of destinations for asynchronous
//! invocations.

use eg_sdk::__private::Members;
use eg_sdk::{CloudEvent, Data};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Payload, PayloadError, family};

/// The member with the payload of the failed invocation.
const PAYLOAD: &str = "requestPayload";

/// How often the payload of a failed invocation may itself be such a record: once for each time that a dead letter was handed
/// in again and failed again.
const NESTED: usize = 16;

const FAMILY: &str = "record of a failed invocation";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    #[serde(rename = "functionArn")]
    _function_arn: String,
    #[serde(rename = "condition")]
    _condition: String,
}

/// Returns whether this is the `requestContext` of such a record. That of a request has other members.
pub(super) fn is_context(context: &RawValue) -> bool {
    serde_json::from_str::<RequestContext>(context.get()).is_ok()
}

/// Returns whether a payload is such a record.
pub(super) fn is_record(payload: &Members<'_>) -> bool {
    payload.get(PAYLOAD).is_some() && payload.get("requestContext").is_some_and(is_context)
}

/// Returns whether a payload is the record of a batch of a stream that failed. It names the records, and has none.
pub(super) fn is_record_of_stream(payload: &Members<'_>) -> bool {
    ["DDBStreamBatchInfo", "KinesisBatchInfo"].iter().any(|info| payload.get(info).is_some())
        && payload.get("requestContext").is_some_and(is_context)
}

/// Returns the payload that a record holds. A payload that is no record is returned as it is.
///
/// # Errors
/// If records hold each other too often.
pub(super) fn unwrapped(json: &str) -> Result<&str, PayloadError> {
    let mut json = json;
    for _ in 0..=NESTED {
        let inside = match Members::read(json) {
            Ok(members) if is_record(&members) => members.get(PAYLOAD),
            _ => None,
        };
        match inside {
            Some(inside) => json = inside.get(),
            None => return Ok(json),
        }
    }
    let reason =
        format!("it is in {NESTED} others, or more: hand in the payload that the innermost one holds");
    Err(PayloadError::Family { family: FAMILY, reason })
}

/// Reads the payload that a record holds: events, messages or records of a stream. A request is none of them: its sender
/// waits no longer. An event is never a request, because whoever can send messages could write the record.
pub(super) fn read(json: &str) -> Result<Payload, PayloadError> {
    let json = unwrapped(json)?;
    if super::list::is_list(json) {
        return super::list::read(json);
    }
    let members = Members::read(json).map_err(PayloadError::NotAnObject)?;
    match family::of(&members)? {
        family::Family::CloudEvent => Ok(Payload::Events(vec![eg_sdk::__private::event(members)?])),
        family => super::read_events(family, json).unwrap_or_else(|| {
            let reason = format!("its `{PAYLOAD}` is a request, whose sender waits no longer");
            Err(PayloadError::Family { family: FAMILY, reason })
        }),
    }
}

/// Reads a record in a message. Its payload must hold one event.
pub(super) fn read_event(text: &str) -> Result<CloudEvent<Data>, PayloadError> {
    let event = match read(text)? {
        Payload::EventBridge(event) => Some(Ok(event)),
        Payload::Events(events) => only(events).map(Ok),
        Payload::Queue(records) => only(records).map(|record| record.event),
        Payload::Stream(records) => only(records).map(|record| record.event),
        _ => None,
    };
    event.unwrap_or_else(|| {
        let reason =
            "it holds a batch, and a message holds one event: invoke the function with it".to_owned();
        Err(PayloadError::Family { family: FAMILY, reason })
    })
}

fn only<T>(mut many: Vec<T>) -> Option<T> {
    if many.len() == 1 { many.pop() } else { None }
}
