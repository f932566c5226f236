//! Keeps web pages from elsewhere and foreign names away from the ports of the local cloud. The rules are in `eg_grammar`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use eg_grammar::{Foreign, OwnNames, Visit};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde_json::json;

/// Returns the router without the requests of foreign pages, and those that call the port by a foreign name.
pub(crate) fn screened(router: Router, names: OwnNames) -> Router {
    // A separate service, so that the layer also screens requests that have no route.
    Router::new().fallback_service(router).layer(from_fn_with_state(Arc::new(names), screen))
}

/// Returns the router for pages of this machine: without the requests of pages from elsewhere, and those that call the port by
/// a foreign name. A page of any port of this machine may use it.
pub(crate) fn screened_for_pages(router: Router, names: OwnNames) -> Router {
    router.layer(from_fn_with_state(Arc::new(names), screen_pages))
}

async fn screen_pages(State(names): State<Arc<OwnNames>>, request: Request, next: Next) -> Response {
    let checks = |visit: &Visit<'_>| names.check_host(visit).and_then(|()| names.check_local_page(visit));
    screened_by(checks, request, next).await
}

async fn screen(State(names): State<Arc<OwnNames>>, request: Request, next: Next) -> Response {
    let checks = |visit: &Visit<'_>| names.check_host(visit).and_then(|()| names.check_page(visit));
    screened_by(checks, request, next).await
}

async fn screened_by(
    checks: impl Fn(&Visit<'_>) -> Result<(), Foreign>,
    request: Request,
    next: Next,
) -> Response {
    let values = |name| request.headers().get_all(name).iter().map(HeaderValue::as_bytes);
    let checked = checks(&Visit::read(request.method().as_str(), values));
    match checked {
        Ok(()) => next.run(request).await,
        Err(foreign) => refuse(&foreign),
    }
}

fn refuse(foreign: &Foreign) -> Response {
    let body = json!({ "__type": "AccessDeniedException", "message": foreign.to_string() });
    (StatusCode::FORBIDDEN, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
