//! The Events API: who may send what, and what browsers may see of the answer. What happens to the events is in
//! `emission`.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::emission::Emission;
use super::errors::{self, ApiError};
use super::{App, answer, guard, host, put_events, read_body};
use crate::clock;
use crate::decide::cors::{self, Access};
use crate::decide::place::Place;
use crate::store::StoreError;

/// The service for the port of the Events API.
pub(crate) fn service(app: Arc<App>) -> Router {
    Router::new().fallback(handle).with_state(app)
}

async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    if let Err(error) = guard::one_host(request.version(), request.headers()) {
        return error.into_response();
    }
    if request.method() == Method::CONNECT {
        // It asks for a tunnel, which a 2xx would promise.
        return errors::method_not_allowed();
    }
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
    let put_events = put_events::is_call(&parts.headers);
    let refuse =
        move |error: ApiError| if put_events { put_events::refuse(&error) } else { error.into_response() };
    if let Err(error) = guard::emit(&app, &place.space, &mut parts.headers) {
        return refuse(error);
    }
    // Reserved before it is read: what is in memory stays bounded however many emitters come.
    let size =
        body.size_hint().exact().map_or(app.body_limit, |size| usize::try_from(size).unwrap_or(usize::MAX));
    let Some(_room) = app.budget.reserve(size.min(app.body_limit)) else {
        return refuse(StoreError::Busy.into());
    };
    let body = match read_body(body, app.body_limit).await {
        Ok(body) => body,
        Err(error) => return refuse(error),
    };
    // An emitter that hangs up must not end the work half-way, between a function's answer and the stored copies.
    let ended = app.ended.clone();
    let emission = Emission { app, place, parts, body, started };
    let work =
        async move { if put_events { Ok(emission.put_events().await) } else { emission.process().await } };
    let work = async move {
        tokio::select! {
            biased;
            () = ended.cancelled() => Err(ApiError::internal()),
            response = work => response,
        }
    };
    tokio::spawn(work).await.unwrap_or_else(|_| Err(ApiError::internal())).unwrap_or_else(refuse)
}
