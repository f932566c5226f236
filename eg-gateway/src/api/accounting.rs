//! `GET /v1/accounting`: how many deliveries are in which state. `store` counts them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use eg_sdk::history::Accounting;

use super::errors::ApiError;
use super::routes::{Content, Doc, Routes};
use super::{ApiState, json};

pub(super) fn routes() -> Routes {
    let doc =
        Doc::new("getAccounting", "Returns how many deliveries are in which state, in total and per space.");
    Routes::new("gateway").get("/accounting", show, doc.answer(Content::json::<Accounting>("Accounting")))
}

/// Returns the accounts of all spaces together, and of each space.
async fn show(State(app): State<Arc<ApiState>>) -> Result<Response, ApiError> {
    Ok(json(StatusCode::OK, &Accounting::new(app.store.tallies().await?)))
}
