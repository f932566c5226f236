//! Reads a streamed answer from the process and passes it on or assembles it. Trailers carry an error if the function
//! failed midway. Leaves time limits to callers.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;

use super::runtime_api::{ERROR_BODY, ERROR_TYPE, ReportedError};
use super::status::{MAX_PAYLOAD, MAX_STREAM};

/// How a streamed answer ended.
#[derive(Debug)]
pub(super) enum StreamEnd {
    /// The whole answer; empty if its parts were passed on.
    Complete(Bytes),
    /// The function failed midway.
    Failed(ReportedError),
    /// Larger than Lambda's limit.
    TooLarge,
    /// The process disconnected.
    Broken,
}

/// Reads `body` to its end. Sends its parts to `parts` if given, else assembles them, up to the limit for answers
/// that are not streamed.
pub(super) async fn read_stream(mut body: Body, parts: Option<&mpsc::Sender<Bytes>>) -> StreamEnd {
    let limit = if parts.is_some() { MAX_STREAM } else { MAX_PAYLOAD };
    let mut whole = BytesMut::new();
    let mut total = 0_usize;
    let mut error = None;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return StreamEnd::Broken };
        match frame.into_data() {
            Ok(data) => {
                total = total.saturating_add(data.len());
                match parts {
                    // Read the rest anyway, so that the process gets an answer.
                    _ if total > limit => {}
                    // A caller that disconnected does not stop the function, as on Lambda.
                    Some(parts) => drop(parts.send(data).await),
                    None => whole.extend_from_slice(&data),
                }
            }
            Err(frame) => error = frame.trailers_ref().and_then(failure),
        }
    }
    match error {
        Some(error) => StreamEnd::Failed(error),
        None if total > limit => StreamEnd::TooLarge,
        None => StreamEnd::Complete(whole.freeze()),
    }
}

/// Returns the error in the trailers: its type, and the error object in base64.
fn failure(trailers: &HeaderMap) -> Option<ReportedError> {
    let kind = trailers.get(ERROR_TYPE)?.to_str().ok();
    let body = trailers.get(ERROR_BODY).and_then(|body| STANDARD.decode(body).ok()).unwrap_or_default();
    Some(ReportedError::read(kind, body.into()))
}
