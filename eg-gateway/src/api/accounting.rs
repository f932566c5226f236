//! `GET /v1/accounting`: what became of every accepted event × subscription.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::errors::ApiError;
use super::routes::{Content, Doc, Routes};
use super::{ApiState, json};
use crate::store::Books;

#[derive(Serialize)]
struct View {
    #[serde(flatten)]
    total: Books,
    /// Whether `accepted` is the sum of the states.
    balanced: bool,
    spaces: BTreeMap<String, Books>,
}

pub(super) fn routes() -> Routes {
    let doc =
        Doc::new("getAccounting", "Returns how many deliveries are in which state, in total and per space.");
    Routes::new("gateway").get("/accounting", show, doc.answer(Content::Other("application/json")))
}

/// The books of all spaces together, and of each.
async fn show(State(app): State<Arc<ApiState>>) -> Result<Response, ApiError> {
    let spaces = app.store.books().await?;
    let mut total = Books::default();
    spaces.values().for_each(|books| total.add(books));
    let balanced = total.balanced();
    Ok(json(StatusCode::OK, &View { total, balanced, spaces }))
}
