//! Encodes the answer of `InvokeWithResponseStream`: the parts of a streamed answer and its end, as messages of
//! `application/vnd.amazon.eventstream`. Leaves the source of the parts to `invoke_api`.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::{Bytes, BytesMut};
use serde::Serialize;

pub(super) const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The content of the last message.
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

/// The maximum payload of a message, in bytes.
const MOST: usize = 64 * 1024;

/// Encodes a part of the answer, in as many messages as needed.
pub(super) fn parts(mut payload: Bytes) -> Bytes {
    let mut messages = BytesMut::new();
    while !payload.is_empty() {
        let next = payload.split_to(payload.len().min(MOST));
        messages.extend_from_slice(&message("PayloadChunk", "application/octet-stream", next));
    }
    messages.freeze()
}

/// Encodes the end of the answer.
pub(super) fn complete(complete: &Complete) -> Bytes {
    // Serializing strings cannot fail.
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
    // Writing fails only for oversized headers, which these are not.
    write_message_to(&message, &mut bytes).expect("three short headers can be written");
    bytes.freeze()
}
