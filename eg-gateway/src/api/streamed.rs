//! The body of an answer that a function sends while it makes it. It takes the place of its call until it ends, and breaks
//! the connection off if the function fails, so that no client mistakes a partial answer for a complete one.

use axum::BoxError;
use axum::body::Body;
use axum::http::HeaderMap;
use futures_util::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use crate::budget::Reservation;
use crate::deliver::streams::{Pieces, is_of_type};

/// Memory of a streamed answer, in bytes: what its two connections read ahead and have not sent yet.
pub(super) const MEMORY: usize = 256 * 1024;

/// Returns whether an answer has no end for which a gateway that stops could wait. Its clients connect again.
pub(super) fn is_endless(headers: &HeaderMap) -> bool {
    is_of_type(headers, "text/event-stream")
}

/// Returns the body with these pieces of the answer of `function`. `place` is that of the call. At `stop`, the body breaks off.
pub(super) fn body(pieces: Pieces, function: &str, place: Reservation, stop: CancellationToken) -> Body {
    let function = function.to_owned();
    let pieces = pieces.inspect(move |piece| {
        let _held = &place;
        if let Err(error) = piece {
            tracing::warn!(function, %error, "a streamed answer broke off");
        }
    });
    let pieces = stream::unfold(Some((pieces, stop)), async |rest| {
        let (mut pieces, stop) = rest?;
        tokio::select! {
            piece = pieces.next() => Some((piece?.map_err(BoxError::from), Some((pieces, stop)))),
            () = stop.cancelled() => Some((Err("the gateway stops".into()), None)),
        }
    });
    Body::from_stream(pieces.then(async |piece| {
        if piece.is_err() {
            // The connection is broken off at once. What was sent before should arrive.
            tokio::task::yield_now().await;
        }
        piece
    }))
}
