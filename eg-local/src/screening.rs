//! Keeps web pages from elsewhere and foreign names away from the ports of the local cloud. The rules are in `eg_grammar`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use eg_grammar::{Foreign, OwnNames, Visit};
use http::header::{CONTENT_TYPE, HOST, ORIGIN};
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
    let headers = request.headers();
    let host = Visit::read("GET", |name| {
        headers.get_all(name).iter().filter(move |_| name == HOST).map(HeaderValue::as_bytes)
    });
    // The host of a page is what its origin has behind the scheme. `null` and several origins are nobody's.
    let origins = headers.get_all(ORIGIN).iter().map(|origin| {
        let origin = origin.as_bytes();
        let at = origin.windows(3).position(|three| three == b"://").map_or(origin.len(), |at| at + 3);
        if origin[at..].is_empty() { b"null" } else { &origin[at..] }
    });
    let origins: Vec<&[u8]> = origins.collect();
    let page = Visit::read("GET", |name| origins.iter().copied().filter(move |_| name == HOST));
    match names.check_host(&host).and_then(|()| names.check_host(&page)) {
        Ok(()) => next.run(request).await,
        Err(foreign) => refuse(&foreign),
    }
}

async fn screen(State(names): State<Arc<OwnNames>>, request: Request, next: Next) -> Response {
    let values = |name| request.headers().get_all(name).iter().map(HeaderValue::as_bytes);
    let visit = Visit::read(request.method().as_str(), values);
    match names.check_host(&visit).and_then(|()| names.check_page(&visit)) {
        Ok(()) => next.run(request).await,
        Err(foreign) => refuse(&foreign),
    }
}

fn refuse(foreign: &Foreign) -> Response {
    let body = json!({ "__type": "AccessDeniedException", "message": foreign.to_string() });
    (StatusCode::FORBIDDEN, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
