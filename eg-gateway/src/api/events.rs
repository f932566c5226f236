//! The Events API: checks keys, limits and CORS, and reads the body. `emission` processes the events.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{self, Entry};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use eg_sdk::http::Mode;
use futures_util::FutureExt as _;
use tokio::runtime::Handle;
use tower_service::Service;

use super::causes::Causes;
use super::emission::Emission;
use super::errors::{self, ApiError};
use super::put_events::Operation;
use super::received::{Received, client};
use super::{ApiState, answer, guard, host, put_events};
use crate::budget::Holder;
use crate::clock;
use crate::decide::cors::{self, Access};
use crate::decide::place::Place;
use crate::store::StoreError;

/// The service for the port of the Events API. The routes are those of the configuration, so a router of axum would only cost
/// time.
#[derive(Clone)]
pub(crate) struct EventsApi(Arc<ApiState>);

impl EventsApi {
    pub(crate) fn new(app: Arc<ApiState>) -> Self {
        Self(app)
    }
}

impl<B> Service<Request<B>> for EventsApi
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Most requests without a body need none of their own.
        let body = |body: B| if body.is_end_stream() { Body::empty() } else { Body::new(body) };
        let (app, request) = (Arc::clone(&self.0), request.map(body));
        Box::pin(async move {
            let is_head = request.method() == Method::HEAD;
            let response = handle(app, request).await;
            Ok(if is_head { without_body(response) } else { response })
        })
    }
}

/// Returns the answer to a `HEAD` request: the headers of the answer to `GET`, with the length of its body.
fn without_body(mut response: Response) -> Response {
    if let Some(length) = response.body().size_hint().exact()
        && let Entry::Vacant(place) = response.headers_mut().entry(header::CONTENT_LENGTH)
    {
        place.insert(length.into());
    }
    response.map(|_| Body::empty())
}

async fn handle(app: Arc<ApiState>, request: Request<Body>) -> Response {
    if let Err(error) = guard::one_host(request.version(), request.uri(), request.headers()) {
        return error.into_response();
    }
    if request.method() == Method::CONNECT {
        // CONNECT requests a tunnel, and a 2xx would promise one.
        return errors::method_not_allowed();
    }
    let started = clock::instant();
    let snapshot = app.configuration.current();
    let host = host(request.uri(), request.headers());
    let place = snapshot.router.place(host, request.uri().path(), app.domain.as_deref());
    let configured = |method: &str| snapshot.router.cors(&place, method).cloned();
    let access = cors::access(request.method(), request.headers(), app.strict, configured);
    if let Err(error) = app.screening.events(request.method(), request.headers(), access.as_ref()) {
        return error.into_response();
    }
    match access {
        // Browsers send preflights without a key.
        Some(Access::Preflight(headers)) => with_headers(answer(StatusCode::OK, Body::empty()), &headers),
        Some(Access::Actual { headers, .. }) => {
            with_headers(emit(app, place, request, started).await, &headers)
        }
        None => emit(app, place, request, started).await,
    }
}

/// Adds headers, except those that the response already has: the function's own headers take precedence.
fn with_headers(mut response: Response, headers: &HeaderMap) -> Response {
    let own = response.headers().clone();
    for (name, value) in headers {
        if name == header::VARY || !own.contains_key(name) {
            response.headers_mut().append(name, value.clone());
        }
    }
    response
}

async fn emit(app: Arc<ApiState>, place: Place, request: Request<Body>, started: Instant) -> Response {
    let (mut parts, body) = request.into_parts();
    let operation = Operation::of(&parts.headers);
    let of_aws = operation.is_some();
    let metrics = Arc::clone(&app.metrics);
    let refuse = move |error: ApiError| {
        if error.status() == StatusCode::SERVICE_UNAVAILABLE {
            metrics.refused(error.code());
        }
        if of_aws { put_events::refuse(&error) } else { error.into_response() }
    };
    if let Err(error) = guard::emit(&app, &place.space, &mut parts.headers) {
        return refuse(error);
    }
    if let Some(Operation::Other(operation)) = operation {
        return put_events::unknown(&operation);
    }
    let client = client(&parts.extensions);
    let holders = [Some(client), Some(Holder::space(&place.space))];
    // An event that could not be stored now is refused before the client has sent it.
    if app.storing.check(holders, 1).is_err() && (of_aws || Mode::of(&parts.headers).is_some()) {
        return refuse(StoreError::Busy.into());
    }
    let Received { bytes, room } = match Received::read(&app, holders, body).await {
        Ok(received) => received,
        Err(error) => return refuse(error),
    };
    let ended = app.ended.clone();
    let causes = Causes::default();
    let emission = Emission { app, place, parts, body: bytes, room, holders, started, causes };
    // The future is large, so it is moved only once.
    let work =
        Box::pin(
            async move { if of_aws { Ok(emission.put_events().await) } else { emission.process().await } },
        );
    let work = ended.run_until_cancelled_owned(AssertUnwindSafe(work).catch_unwind());
    // If the emitter hangs up, the work must still finish: it must not stop between a function's answer and storing
    // the event.
    match ToTheEnd(Some(Box::pin(work))).await {
        Some(Ok(response)) => response.unwrap_or_else(refuse),
        // The gateway stopped, or the work panicked.
        None | Some(Err(_)) => refuse(ApiError::internal()),
    }
}

/// Work that continues in its own task when this future is dropped.
struct ToTheEnd<F>(Option<Pin<Box<F>>>)
where
    F: Future<Output: Send> + Send + 'static;

impl<F> Future for ToTheEnd<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let work = self.0.as_mut().expect("a future is not polled after it was ready");
        let output = ready!(work.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(output)
    }
}

impl<F> Drop for ToTheEnd<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    fn drop(&mut self) {
        // When the whole process ends, there is no runtime.
        if let Some(work) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(work);
        }
    }
}
