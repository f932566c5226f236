//! `/v1/spaces/<space>/calls`: what the last calls of functions answered and printed. `recent` keeps it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use eg_sdk::history::{CallFilter, CallPage};
use eg_sdk::schema::Shape;

use super::errors::ApiError;
use super::query::{BEFORE, LIMIT, Query};
use super::routes::{Content, Doc, Parameter, Routes};
use super::{ApiState, guard, json};

const FILTERS: [Parameter; 5] = [
    text("function", "Lists only calls of the function with this id."),
    text("event", "Lists only calls with the event that has this `id`."),
    text("text", "Lists only calls whose log, answer or error contains this text, regardless of case."),
    LIMIT,
    BEFORE,
];

const fn text(name: &'static str, doc: &'static str) -> Parameter {
    Parameter { name, doc, shape: &Shape::STRING }
}

pub(super) fn routes() -> Routes {
    let doc = Doc::new(
        "listCalls",
        "Lists the last calls of functions, the newest first, with what they answered and printed. The gateway keeps them in \
         memory if it was started with `--recent-calls` or `--dev`. A key that only reads gets neither answers nor logs, \
         because they may contain secrets.",
    );
    Routes::new("functions").get(
        "/calls",
        list,
        doc.query(&FILTERS).answer(Content::json::<CallPage>("CallPage")),
    )
}

async fn list(
    State(app): State<Arc<ApiState>>,
    Path(space): Path<String>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, ApiError> {
    let is_reader = !guard::may_change(&app, &space, &headers);
    let before = query.cursor("before", "the `next` of an earlier page")?;
    let limit = usize::try_from(query.limit()?).unwrap_or(usize::MAX);
    let filter = CallFilter {
        function: query.text("function"),
        event: query.text("event"),
        // A search would tell a reader what it may not see.
        text: query.text("text").filter(|_| !is_reader),
    };
    let mut page = app.recent.calls(&space, &filter, before, limit);
    if is_reader {
        for call in &mut page.calls {
            (call.answer, call.log) = (None, None);
        }
    }
    Ok(json(StatusCode::OK, &page))
}
