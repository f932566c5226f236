//! Reads answers that functions send while they make them: a prelude with status and headers, eight zeros, and a body.
//! The providers deliver the pieces; `api` sends the body on. Source: Lambda's description of streamed answers.

use std::pin::Pin;
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, Bytes, BytesMut};
use eg_grammar::header::STREAMED_ANSWER;
use futures_util::{Stream, StreamExt as _, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde_json::json;

use super::{CallError, failed, too_large};
use crate::budget::Reservation;
use crate::decide::delivery;
use crate::outbound::arriving::Arriving;
use crate::outbound::reading::reserve;

/// Tells an `http` function, in `Accept`, that it may stream its answer.
pub(super) static ACCEPTED: LazyLock<HeaderValue> = LazyLock::new(|| {
    HeaderValue::try_from(format!("{STREAMED_ANSWER}, application/json")).expect("media types are text")
});

/// The client context that tells a Lambda function the same, in base64.
pub(super) static CLIENT_CONTEXT: LazyLock<String> =
    LazyLock::new(|| STANDARD.encode(json!({ "custom": { "accept": STREAMED_ANSWER } }).to_string()));

/// The end of the prelude.
const ZEROS: [u8; 8] = [0; 8];

/// The pieces of an answer, as they arrive.
pub(crate) type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, CallError>> + Send>>;

/// The answer of a function to an emitter that waits.
pub(crate) enum Answered {
    Whole(Bytes),
    /// The prelude, which has the form of a reply without a body, and the body.
    Streamed(Bytes, Pieces),
}

/// What is known of the answer when the call returns: all of it, or the prelude.
impl AsRef<[u8]> for Answered {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Whole(answer) => answer,
            Self::Streamed(prelude, _) => prelude,
        }
    }
}

impl Answered {
    /// Limits the time between two pieces of the body.
    pub(super) fn paced(self, limit: Duration) -> Self {
        let Self::Streamed(prelude, pieces) = self else { return self };
        let paced = stream::unfold(Some(pieces), move |pieces| async move {
            let mut pieces = pieces?;
            match tokio::time::timeout(limit, pieces.next()).await {
                Ok(piece) => Some((piece?, Some(pieces))),
                Err(_) => {
                    let seconds = limit.as_secs_f32();
                    let text = format!("no further part of the answer within {seconds} s");
                    Some((Err(CallError::retry(text)), None))
                }
            }
        });
        Self::Streamed(prelude, Box::pin(paced))
    }
}

/// Reads an answer of at most `limit` bytes. If `may_stream` and the answer has a prelude, reads only that. The memory is
/// added to `room`.
pub(super) async fn read(
    pieces: Pieces,
    may_stream: bool,
    limit: usize,
    room: &Reservation,
) -> Result<Answered, CallError> {
    let mut reserved = 0;
    let answered = collect(pieces, may_stream, limit, room, &mut reserved).await;
    if answered.is_err() {
        room.shrink(reserved);
    }
    answered
}

async fn collect(
    mut pieces: Pieces,
    may_stream: bool,
    limit: usize,
    room: &Reservation,
    reserved: &mut usize,
) -> Result<Answered, CallError> {
    let mut read = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        *reserved += reserve(room, piece.len()).map_err(|error| failed(&error, limit))?;
        let from = read.len().saturating_sub(ZEROS.len() - 1);
        read.extend_from_slice(&piece);
        let zeros = || read[from..].windows(ZEROS.len()).position(|window| window == ZEROS);
        if let Some(at) = may_stream.then(zeros).flatten() {
            // The rest of the piece is part of the body, which has no limit.
            if from + at > limit {
                return Err(too_large(limit));
            }
            let prelude = read.split_to(from + at).freeze();
            read.advance(ZEROS.len());
            let first = (!read.is_empty()).then(|| Ok(read.freeze()));
            return Ok(Answered::Streamed(prelude, Box::pin(stream::iter(first).chain(pieces))));
        }
        if read.len() > limit {
            return Err(too_large(limit));
        }
    }
    Ok(Answered::Whole(read.freeze()))
}

/// Returns whether a function of Lambda succeeded. `code` and `report` say how its answer ended.
pub(super) fn ended(code: Option<&str>, report: Option<&str>) -> Result<(), CallError> {
    let Some(code) = code else { return Ok(()) };
    Err(CallError::Failed(delivery::of_lambda_error(code, report.unwrap_or_default().as_bytes())))
}

/// Returns the error for an answer of Lambda that does not say how it ended.
pub(super) fn broken_off() -> CallError {
    CallError::retry("Lambda's answer broke off")
}

/// Returns whether a response has a media type, with whatever parameters.
pub(crate) fn is_of_type(headers: &HeaderMap, media_type: &str) -> bool {
    let given = headers.get(CONTENT_TYPE).and_then(|ty| ty.to_str().ok());
    let essence = given.and_then(|ty| ty.split(';').next()).map(str::trim);
    essence.is_some_and(|ty| ty.eq_ignore_ascii_case(media_type))
}

/// Returns the pieces of the body of a response.
pub(super) fn pieces(body: Arriving) -> Pieces {
    Box::pin(body.map(|piece| piece.map_err(|error| failed(&error, usize::MAX))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    /// Reads an answer in these pieces, of which the prelude may have 40 bytes. Returns what is known of it.
    async fn known(pieces: &[&str]) -> Result<usize, String> {
        let owned: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from((*piece).to_owned()))).collect();
        let room = Budget::new(1 << 20).reserve([None, None], 0).unwrap();
        let answered = read(Box::pin(stream::iter(owned)), true, 40, &room).await;
        answered.map(|answered| answered.as_ref().len()).map_err(|error| format!("{error:?}"))
    }

    #[tokio::test]
    async fn the_limit_is_for_the_prelude_however_the_answer_is_cut() {
        let (prelude, zeros, body) = ("{\"statusCode\":200}", "\0\0\0\0\0\0\0\0", "x".repeat(1000));
        let whole = [prelude, zeros, &body].concat();
        for pieces in [
            &[whole.as_str()][..],
            &[prelude, zeros, &body],
            &[&whole[..20], &whole[20..]],
            &[&whole[..whole.len() - 1], "x"],
        ] {
            assert_eq!(known(pieces).await, Ok(prelude.len()), "{pieces:?}");
        }
        let long = format!("{{\"statusCode\":200,\"headers\":{{\"x\":\"{}\"}}}}", "x".repeat(40));
        for pieces in [&[[&long, zeros, &body].concat().as_str()][..], &[&long, zeros], &[&body]] {
            let refused = known(pieces).await.unwrap_err();
            assert!(
                refused.contains("larger than 40 bytes: answer with less, or raise --max-reply-size"),
                "{refused}"
            );
        }
    }
}
