//! `GET /v1/accounting`: what became of every accepted event × subscription.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::errors::ApiError;
use super::{App, json};
use crate::store::Books;

#[derive(Serialize)]
struct View {
    #[serde(flatten)]
    total: Books,
    /// Whether `accepted` is the sum of the states.
    balanced: bool,
    spaces: BTreeMap<String, Books>,
}

/// The books of all spaces together, and of each.
pub(super) async fn show(app: &App) -> Result<Response, ApiError> {
    let spaces = app.store.books().await?;
    let mut total = Books::default();
    spaces.values().for_each(|books| total.add(books));
    let balanced = total.balanced();
    Ok(json(StatusCode::OK, &View { total, balanced, spaces }))
}
