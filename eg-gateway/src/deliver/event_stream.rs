//! Decodes the answers of Lambda's `InvokeWithResponseStream`: messages of `application/vnd.amazon.eventstream`, with parts
//! of the function's answer and a last one that says how it ended. AWS's client does the same for functions in AWS.

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use aws_smithy_types::event_stream::Message;
use aws_smithy_types::str_bytes::StrBytes;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;

use super::streams::{Pieces, broken_off, ended};
use super::{CallError, PERMANENT_OF_LAMBDA};
use crate::recent::Notes;

/// How an answer ended. Without a code, the function succeeded.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Complete {
    error_code: Option<String>,
    /// The function's error report.
    error_details: Option<String>,
    /// The end of the function's log, in base64.
    log_result: Option<String>,
}

/// A decoded message.
enum Part {
    Payload(Bytes),
    Complete,
}

/// A connection and what of it is not decoded yet.
struct Undecoded {
    pieces: Pieces,
    decoder: MessageFrameDecoder,
    read: BytesMut,
    notes: Notes,
}

/// Returns the function's answer in the messages of a response. An answer that breaks off is an error. `notes` get the log at
/// the end.
pub(super) fn payload(pieces: Pieces, notes: Notes) -> Pieces {
    let start = Undecoded { pieces, decoder: MessageFrameDecoder::new(), read: BytesMut::new(), notes };
    Box::pin(stream::try_unfold(start, |mut undecoded| async move {
        match undecoded.next().await? {
            Part::Payload(part) => Ok(Some((part, undecoded))),
            Part::Complete => {
                // The rest belongs to the HTTP protocol. After it, the connection serves the next call.
                while undecoded.pieces.next().await.is_some() {}
                Ok(None)
            }
        }
    }))
}

impl Undecoded {
    async fn next(&mut self) -> Result<Part, CallError> {
        loop {
            let decoded = self.decoder.decode_frame(&mut self.read);
            match decoded
                .map_err(|error| CallError::retry(format!("Lambda's answer is malformed: {error}")))?
            {
                DecodedFrame::Complete(message) => {
                    if let Some(part) = interpret(&message, &self.notes)? {
                        return Ok(part);
                    }
                }
                DecodedFrame::Incomplete => match self.pieces.next().await {
                    Some(piece) => self.read.extend_from_slice(&piece?),
                    None => return Err(broken_off()),
                },
            }
        }
    }
}

/// Interprets a message; `None` for kinds that later versions may have.
fn interpret(message: &Message, notes: &Notes) -> Result<Option<Part>, CallError> {
    let text = |name: &str| {
        let header = message.headers().iter().find(|header| header.name().as_str() == name)?;
        header.value().as_string().ok().map(StrBytes::as_str)
    };
    if let Some(code) = text(":exception-type").or(text(":error-code")) {
        let reason = String::from_utf8_lossy(message.payload());
        return Err(CallError::of_aws(code, &reason, &PERMANENT_OF_LAMBDA));
    }
    match text(":event-type") {
        Some("PayloadChunk") => Ok(Some(Part::Payload(message.payload().clone()))),
        Some("InvokeComplete") => {
            let complete: Complete = serde_json::from_slice(message.payload()).unwrap_or_default();
            if let Some(log) = &complete.log_result {
                notes.log(log);
            }
            ended(complete.error_code.as_deref(), complete.error_details.as_deref())?;
            Ok(Some(Part::Complete))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_eventstream::frame::write_message_to;
    use aws_smithy_types::event_stream::{Header, HeaderValue};

    use super::*;

    fn message(event: &'static str, payload: &'static str) -> Vec<u8> {
        let header = Header::new(":event-type", HeaderValue::String(event.into()));
        let mut bytes = Vec::new();
        write_message_to(&Message::new(payload).add_header(header), &mut bytes).unwrap();
        bytes
    }

    /// Decodes bytes that arrive `size` at a time.
    async fn decoded(bytes: &[u8], size: usize) -> (String, Option<String>) {
        let pieces: Vec<_> = bytes.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let mut parts = payload(Box::pin(stream::iter(pieces)), Notes::default());
        let mut read = String::new();
        while let Some(part) = parts.next().await {
            match part {
                Ok(part) => read += std::str::from_utf8(&part).unwrap(),
                Err(error) => return (read, Some(error.to_string())),
            }
        }
        (read, None)
    }

    #[tokio::test]
    async fn answers_end_as_lambda_says() {
        let details = r#"{"ErrorCode":"Retry","ErrorDetails":"{\"errorType\":\"Retry\",\"errorMessage\":\"no disk\"}"}"#;
        for (end, error) in [
            (message("InvokeComplete", "{}"), None),
            (message("InvokeComplete", details), Some("Retry: no disk")),
            (Vec::new(), Some("Lambda's answer broke off")),
        ] {
            let bytes =
                [message("PayloadChunk", "ab"), message("New", "x"), message("PayloadChunk", "c"), end];
            let bytes = bytes.concat();
            for size in [1, 7, bytes.len()] {
                assert_eq!(decoded(&bytes, size).await, ("abc".to_owned(), error.map(str::to_owned)));
            }
        }
        let mut damaged = message("PayloadChunk", "abc");
        *damaged.last_mut().unwrap() ^= 1;
        let (read, error) = decoded(&damaged, 64).await;
        assert!(read.is_empty() && error.unwrap().starts_with("Lambda's answer is malformed: "));
    }
}
