//! What EventBridge refuses, checked before it is asked.

use crate::{CloudEvent, Data, InvalidEvent};

/// How deep the JSON of an event may be nested.
const MAX_DEPTH: usize = 1_100;
/// How long a `DetailType` may be, in characters.
const MAX_DETAIL_TYPE: usize = 128;

/// Why an event cannot go to EventBridge.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The event breaks a rule of CloudEvents.
    #[error("it is no valid CloudEvent")]
    Invalid(#[from] InvalidEvent),
    /// Sources that begin with `aws.` belong to AWS.
    #[error("source `{0}` begins with `aws.`, which is reserved; choose another source")]
    ReservedSource(String),
    /// The event type is longer than a `DetailType` may be.
    #[error("its type has {0} characters; EventBridge takes {MAX_DETAIL_TYPE}")]
    LongType(usize),
    /// `detail` must be a JSON object.
    #[error("its payload is not a JSON object; wrap it in one, or use `DetailFormat::CloudEvent`")]
    NotAnObject,
    /// The member that attributes travel in is there already.
    #[error("its payload has a member `ce`, where the attributes go; use `DetailFormat::CloudEvent`")]
    Taken,
    /// An integer does not fit.
    #[error("its payload holds {0}, which is not within 64 bits with sign; send it as a string")]
    Integer(String),
    /// The payload is nested too deeply.
    #[error("its payload is nested more than {MAX_DEPTH} levels deep")]
    Deep,
    /// The event is larger than the bus takes.
    #[error(
        "it counts {bytes} bytes; the limit is {limit}. Put the payload elsewhere and emit a reference to it"
    )]
    TooLarge {
        /// What it counts.
        bytes: usize,
        /// What the bus takes.
        limit: usize,
    },
}

pub(super) fn check_names(event: &CloudEvent<Data>) -> Result<(), EntryError> {
    if event.source().starts_with("aws.") {
        return Err(EntryError::ReservedSource(event.source().to_owned()));
    }
    match event.ty().chars().count() {
        length if length > MAX_DETAIL_TYPE => Err(EntryError::LongType(length)),
        _ => Ok(()),
    }
}

/// Looks at every number and bracket of `json`, which is known to be JSON.
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

/// The position behind the string that begins at `at`.
fn end_of_string(json: &[u8], mut at: usize) -> usize {
    at += 1;
    while at < json.len() && json[at] != b'"' {
        at += if json[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}
