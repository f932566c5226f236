//! `POST /v1/backup`: a copy of the store while the gateway runs, as a file. `store` makes the copy.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{Stream, unfold};

use super::errors::ApiError;
use super::routes::{Content, Doc, Routes};
use super::{ApiState, answer, with_type};
use crate::clock;
use crate::store::StoreError;

const DATABASE: &str = "application/vnd.sqlite3";

/// Bytes that are read from the file at once.
const PIECE: usize = 256 * 1024;

pub(super) fn routes() -> Routes {
    let doc = Doc::new(
        "createBackup",
        "Returns a copy of the store, an SQLite database, with everything that was acknowledged before. \
         `event-gateway restore` makes a store of it.",
    );
    Routes::new("gateway").post("/backup", create, doc.answer(Content::Text(DATABASE)))
}

async fn create(State(app): State<Arc<ApiState>>) -> Result<Response, ApiError> {
    let file = app.store.backup(clock::timestamp()).await?;
    let length = file.metadata().map_err(|error| StoreError::Disk(error.to_string()))?.len();
    let mut response = with_type(answer(StatusCode::OK, Body::from_stream(pieces(file))), DATABASE);
    // With the length, the client notices a copy that breaks off.
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    Ok(response)
}

/// Reads a file piece by piece.
fn pieces(file: File) -> impl Stream<Item = std::io::Result<Bytes>> {
    unfold(Some(file), async |file| {
        let mut file = file?;
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = Vec::with_capacity(PIECE);
            let read = file.by_ref().take(u64::try_from(PIECE).unwrap_or(u64::MAX)).read_to_end(&mut piece);
            (read.map(|_| Bytes::from(piece)), file)
        });
        match read.await {
            Ok((Ok(piece), _)) if piece.is_empty() => None,
            Ok((Ok(piece), file)) => Some((Ok(piece), Some(file))),
            Ok((Err(error), _)) => Some((Err(error), None)),
            Err(error) => Some((Err(std::io::Error::other(error)), None)),
        }
    })
}
