//! The answer of `InvokeWithResponseStream`: the parts of a streamed answer and its end, as messages of
//! `application/vnd.amazon.eventstream`. Encodes only; where the parts come from is the API's business.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::{Bytes, BytesMut};
use serde::Serialize;

pub(super) const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// What the last message says.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Complete {
    /// The kind of the function's error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_code: Option<String>,
    /// The error object, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_details: Option<String>,
    /// The last 4 KB of the log, in base64, if the caller wants them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) log_result: Option<String>,
}

/// The most that goes into one message.
const MOST: usize = 64 * 1024;

/// A part of the answer, in as many messages as it takes.
pub(super) fn parts(mut payload: Bytes) -> Bytes {
    let mut messages = BytesMut::new();
    while !payload.is_empty() {
        let next = payload.split_to(payload.len().min(MOST));
        messages.extend_from_slice(&message("PayloadChunk", "application/octet-stream", next));
    }
    messages.freeze()
}

/// The end of the answer.
pub(super) fn complete(complete: &Complete) -> Bytes {
    // Texts always are JSON.
    let payload = serde_json::to_vec(complete).unwrap_or_default();
    message("InvokeComplete", "application/json", payload.into())
}

fn message(event: &'static str, content: &'static str, payload: Bytes) -> Bytes {
    let text = |text: &'static str| HeaderValue::String(text.into());
    let message = Message::new(payload)
        .add_header(Header::new(":message-type", text("event")))
        .add_header(Header::new(":event-type", text(event)))
        .add_header(Header::new(":content-type", text(content)));
    let mut bytes = BytesMut::new();
    // Only headers of a size that these do not have cannot be written.
    write_message_to(&message, &mut bytes).expect("three short headers can be written");
    bytes.freeze()
}
