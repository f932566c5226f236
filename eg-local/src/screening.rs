//! Keeps web pages from elsewhere and foreign names away from the ports of the local cloud. The rules are in `eg_grammar`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use eg_grammar::{OwnNames, Visit};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde_json::json;

/// Returns the router without the requests of foreign pages, and those that call the port by a foreign name.
pub(crate) fn screened(router: Router, names: OwnNames) -> Router {
    // A separate service, so that the layer also screens requests that have no route.
    Router::new().fallback_service(router).layer(from_fn_with_state(Arc::new(names), screen))
}

async fn screen(State(names): State<Arc<OwnNames>>, request: Request, next: Next) -> Response {
    let values = |name| request.headers().get_all(name).iter().map(HeaderValue::as_bytes);
    let visit = Visit::read(request.method().as_str(), values);
    match names.check_host(&visit).and_then(|()| names.check_page(&visit)) {
        Ok(()) => next.run(request).await,
        Err(foreign) => {
            let body = json!({ "__type": "AccessDeniedException", "message": foreign.to_string() });
            (StatusCode::FORBIDDEN, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
        }
    }
}
