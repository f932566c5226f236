//! EventBridge's limits, checked before a call.

use eg_grammar::limits::EVENT_BRIDGE_TYPE;

use crate::{CloudEvent, Data, InvalidEvent};

/// The maximum nesting depth of an event's JSON.
const MAX_DEPTH: usize = 1_100;

/// Why EventBridge would refuse an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The event violates CloudEvents.
    #[error("it is not a valid CloudEvent")]
    Invalid(#[from] InvalidEvent),
    /// Sources that begin with `aws.` belong to AWS.
    #[error("source `{0}` begins with `aws.`, which is reserved; choose another source")]
    ReservedSource(String),
    /// The event type is too long for a `DetailType`.
    #[error("its type has {0} characters; EventBridge takes {EVENT_BRIDGE_TYPE}")]
    LongType(usize),
    /// `detail` must be a JSON object.
    #[error("its payload is not a JSON object; wrap it in one, or use `DetailFormat::CloudEvent`")]
    NotAnObject,
    /// The payload already has the member that carries the attributes.
    #[error(
        "its payload already has a member `ce`, which carries the attributes; use `DetailFormat::CloudEvent`"
    )]
    Taken,
    /// An integer is out of range.
    #[error("its payload contains {0}, which does not fit a signed 64-bit integer; send it as a string")]
    Integer(String),
    /// The payload is nested too deeply.
    #[error("its payload is nested more than {MAX_DEPTH} levels deep")]
    Deep,
    /// The event is too large for the bus.
    #[error(
        "its size is {bytes} bytes; the limit is {limit}. Store the payload elsewhere and emit a reference to it"
    )]
    TooLarge {
        /// The size of the event, in bytes.
        bytes: usize,
        /// The limit of the bus, in bytes.
        limit: usize,
    },
}

pub(super) fn check_names(event: &CloudEvent<Data>) -> Result<(), EntryError> {
    if event.source().starts_with("aws.") {
        return Err(EntryError::ReservedSource(event.source().to_owned()));
    }
    match event.ty().chars().count() {
        length if length > EVENT_BRIDGE_TYPE => Err(EntryError::LongType(length)),
        _ => Ok(()),
    }
}

/// Checks every number and bracket of `json`, which must be valid JSON.
pub(super) fn check_detail(json: &str) -> Result<(), EntryError> {
    let bytes = json.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(EntryError::Deep);
                }
                at += 1;
            }
            b'}' | b']' => {
                depth -= 1;
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let length = bytes[at..].iter().take_while(|b| b"+-.eE0123456789".contains(b)).count();
                let number = &json[at..at + length];
                if !number.contains(['.', 'e', 'E']) && number.parse::<i64>().is_err() {
                    return Err(EntryError::Integer(number.to_owned()));
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    Ok(())
}

/// Returns the position after the string that starts at `at`.
fn end_of_string(json: &[u8], mut at: usize) -> usize {
    at += 1;
    while at < json.len() && json[at] != b'"' {
        at += if json[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}
