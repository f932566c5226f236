//! The Events API: who may send what, and what browsers may see of the answer. What happens to the events is in
//! `emission`.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::emission::Emission;
use super::errors::ApiError;
use super::{App, answer, guard, host, read_body};
use crate::clock;
use crate::decide::cors::{self, Access};
use crate::decide::place::Place;

/// The service for the port of the Events API.
pub(crate) fn service(app: Arc<App>) -> Router {
    Router::new().fallback(handle).with_state(app)
}

async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let started = clock::instant();
    let snapshot = app.configuration.current();
    let host = host(request.uri(), request.headers());
    let place = snapshot.router.place(host, request.uri().path(), app.domain.as_deref());
    let configured = |method: &str| snapshot.router.cors(&place, method).cloned();
    match cors::access(request.method(), request.headers(), configured) {
        // Browsers ask without a key.
        Some(Access::Preflight(headers)) => with_headers(answer(StatusCode::OK, Body::empty()), &headers),
        Some(Access::Actual(headers)) => with_headers(emit(app, place, request, started).await, &headers),
        None => emit(app, place, request, started).await,
    }
}

/// Adds headers that do not take the place of any: a function knows best what its answer allows.
fn with_headers(mut response: Response, headers: &HeaderMap) -> Response {
    let own = response.headers().clone();
    for (name, value) in headers {
        if name == header::VARY || !own.contains_key(name) {
            response.headers_mut().append(name, value.clone());
        }
    }
    response
}

async fn emit(app: Arc<App>, place: Place, request: Request, started: Instant) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Err(error) = guard::emit(&app, &place.space, &mut parts.headers) {
        return error.into_response();
    }
    let body = match read_body(body, app.body_limit).await {
        Ok(body) => body,
        Err(error) => return error.into_response(),
    };
    // An emitter that hangs up must not end the work half-way, between a function's answer and the stored copies.
    let emission = Emission { app, place, parts, body, started };
    let processed = tokio::spawn(emission.process()).await;
    processed.unwrap_or_else(|_| Err(ApiError::internal())).unwrap_or_else(ApiError::into_response)
}
