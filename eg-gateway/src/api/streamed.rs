//! The body of an answer that a function sends while it makes it. It takes the place of its call until it ends, and breaks
//! the connection off if the function fails, so that no client mistakes a partial answer for a complete one.

use axum::body::Body;
use futures_util::StreamExt as _;

use crate::budget::Reservation;
use crate::deliver::streams::Pieces;

/// Memory of a streamed answer, in bytes: what its two connections read ahead and have not sent yet.
pub(super) const MEMORY: usize = 256 * 1024;

/// Returns the body with these pieces of the answer of `function`. `place` is that of the call.
pub(super) fn body(pieces: Pieces, function: &str, place: Reservation) -> Body {
    let function = function.to_owned();
    let pieces = pieces.inspect(move |piece| {
        let _held = &place;
        if let Err(error) = piece {
            tracing::warn!(function, %error, "a streamed answer broke off");
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
