//! Reads request bodies up to a limit. Reads larger bodies to their end and drops them, so that the sender gets an
//! answer instead of a broken connection.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

/// The number of bytes over the limit after which the connection is closed.
const PATIENCE: usize = 64 * 1024 * 1024;

/// A request body.
#[derive(Debug)]
pub(super) enum Received {
    Whole(Bytes),
    TooLarge,
    /// The sender closed the connection or violated the protocol.
    Broken(String),
}

/// Reads `body`, at most `limit` bytes of it.
pub(super) async fn receive(mut body: Body, limit: usize) -> Received {
    let mut whole = BytesMut::new();
    let mut total = 0_usize;
    while let Some(frame) = body.frame().await {
        let data = match frame {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(error) => return Received::Broken(error.to_string()),
        };
        total = total.saturating_add(data.len());
        if total <= limit {
            whole.extend_from_slice(&data);
        } else if total > limit + PATIENCE {
            break;
        }
    }
    if total > limit { Received::TooLarge } else { Received::Whole(whole.freeze()) }
}
