//! Builds the Config API from the routes of all resources and the layers that every request passes. Each resource has
//! its own module; `decide` has the rules, and `configuration` stores changes.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderName, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value};

use super::errors::ApiError;
use super::received::client;
use super::routes::{Content, Doc, Routes};
use super::{
    ApiState, SHORT, access, accounting, answer, backup, calls, cors, dead_letters, deliveries, errors,
    event_types, feed, functions, guard, history, holding, jobs, metrics, openapi, redirect, replays,
    screening, statistics, subscriptions, with_type,
};
use crate::clock;
use crate::decide::classify::BadEvent;
use crate::decide::headers::content_encoding;

/// The OpenAPI document of the Config API.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let operations = [guarded().operations, open().operations].concat();
    openapi::document(&operations).to_string()
});

/// The header of the status with the seconds by which the wall clock is ahead of the gateway's time.
const CLOCK_AHEAD: HeaderName = HeaderName::from_static("eg-clock-ahead");

/// Returns the service for the port of the Config API.
pub(crate) fn service(app: Arc<ApiState>) -> Router {
    let (guarded, open) = (guarded(), open());
    let paths: Arc<[String]> =
        guarded.operations.iter().chain(&open.operations).map(|operation| operation.path.clone()).collect();
    let routes = guarded
        .router
        .route_layer(from_fn_with_state(Arc::clone(&app), guard::configure))
        .merge(open.router)
        .method_not_allowed_fallback(async || errors::method_not_allowed())
        .fallback(async move |method: Method, uri: Uri| redirect::answer_unrouted(&paths, &method, &uri))
        .with_state(Arc::clone(&app));
    // A separate service, because axum adds `Allow` outside of a router's layers.
    Router::new().fallback_service(routes).layer(from_fn_with_state(app, around))
}

/// Returns the routes that need an access key, if one is set.
fn guarded() -> Routes {
    let of_space = Routes::new("spaces")
        .merge(event_types::routes())
        .merge(functions::routes())
        .merge(subscriptions::routes())
        .merge(cors::routes())
        .merge(history::routes())
        .merge(dead_letters::routes())
        .merge(deliveries::routes())
        .merge(replays::routes())
        .merge(jobs::routes())
        .merge(statistics::of_space())
        .merge(calls::routes())
        .merge(access::routes());
    let v1 = Routes::new("gateway")
        .nest("/spaces/{space}", of_space)
        .merge(accounting::routes())
        .merge(backup::routes())
        .merge(metrics::routes())
        .merge(statistics::routes())
        .merge(feed::routes())
        .get(
            "/openapi.json",
            async || with_type(answer(StatusCode::OK, Body::from(DOCUMENT.as_str())), "application/json"),
            Doc::new("getOpenApi", "Returns this document.")
                .answer(Content::json::<Map<String, Value>>("OpenApi")),
        );
    Routes::new("gateway").nest("/v1", v1)
}

/// Returns the routes that need no access key.
fn open() -> Routes {
    let doc = Doc::new(
        "getStatus",
        "Answers 200 while the gateway can store events, else 503. Load balancers ask without a key. After the clock of \
         the machine was set, the header `eg-clock-ahead` says by how many seconds it is ahead of the gateway's time.",
    );
    Routes::new("gateway").get("/v1/status", status, doc)
}

async fn status(State(app): State<Arc<ApiState>>) -> Result<Response, ApiError> {
    app.store.check_writable().await?;
    Ok(standing(clock::jump()))
}

/// Returns the answer of a gateway that can store events. `jump` is how far the wall clock is ahead of the gateway's time
/// since it was set.
fn standing(jump: Option<time::Duration>) -> Response {
    let ahead = jump.map(|jump| [(CLOCK_AHEAD, jump.whole_seconds().to_string())]);
    match ahead {
        Some(ahead) => (StatusCode::OK, ahead).into_response(),
        None => StatusCode::OK.into_response(),
    }
}

/// Checks what holds for every request, whatever it asks for.
fn may_pass(app: &ApiState, request: &Request) -> Result<(), ApiError> {
    let (method, headers) = (request.method(), request.headers());
    guard::one_host(request.version(), request.uri(), headers)?;
    // The original ignored content types.
    if app.strict { Ok(()) } else { screening::is_declared_as_json(method, headers) }
}

/// The layer that every request passes, whether it has a route or not.
async fn around(State(app): State<Arc<ApiState>>, request: Request, next: Next) -> Response {
    if let Err(error) = may_pass(&app, &request) {
        return error.into_response();
    }
    if let Some(coding) = content_encoding(request.headers()) {
        return ApiError::from(BadEvent::Encoded(coding)).into_response();
    }
    let (started, client) = (clock::instant(), client(request.extensions()));
    let mut response = next.run(request).await;
    app.metrics.config_took(started.elapsed());
    // The original sends no `Allow` with a 405.
    response.headers_mut().remove(header::ALLOW);
    if app.strict {
        response = errors::as_the_original(response);
    }
    let length =
        response.body().size_hint().exact().map_or(0, |size| usize::try_from(size).unwrap_or(usize::MAX));
    if length <= SHORT {
        return response;
    }
    match app.memory.reserve([Some(client), None], length) {
        Ok(room) => holding(response, room),
        Err(refused) => ApiError::no_memory(refused).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_shows_that_the_clock_was_set() {
        for (jump, expected) in [(None, None), (Some(86_400), Some("86400")), (Some(-3600), Some("-3600"))] {
            let answer = standing(jump.map(time::Duration::seconds));
            let header = answer.headers().get("eg-clock-ahead").map(|value| value.to_str().unwrap());
            assert_eq!((answer.status(), header), (StatusCode::OK, expected), "{jump:?}");
            assert_eq!(answer.body().size_hint().exact(), Some(0));
        }
    }
}
