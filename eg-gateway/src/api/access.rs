//! `/v1/spaces/<space>/access`: what the client may do with its access key. `guard` checks the key of every request.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use eg_sdk::history::Access;

use super::routes::{Content, Doc, Routes};
use super::{ApiState, guard, json};

pub(super) fn routes() -> Routes {
    let doc = Doc::new("getAccess", "Returns whether the client may change something in the space.");
    Routes::new("gateway").get("/access", show, doc.answer(Content::json::<Access>("Access")))
}

async fn show(State(app): State<Arc<ApiState>>, Path(space): Path<String>, headers: HeaderMap) -> Response {
    let may_change = guard::may_change(&app, &space, &headers);
    json(StatusCode::OK, &Access { may_change })
}
