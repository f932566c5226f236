//! The Events API: a request becomes an event, a synchronous subscriber answers it, asynchronous ones get
//! it from the store. The steps stand in `Emission::process`, in their order.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use eg_sdk::config::{Function, Subscription};

use super::errors::ApiError;
use super::{App, answer, read_body};
use crate::activity::Activity;
use crate::clock;
use crate::configuration::Snapshot;
use crate::decide::classify::{Event, Incoming, classify};
use crate::decide::cors::{self, Access};
use crate::decide::delivery::Failure;
use crate::decide::envelope::Stamp;
use crate::decide::reply;
use crate::decide::router::Matched;
use crate::deliver::CallError;
use crate::store::{Lane, NewEvent};

/// The service for the port of the Events API.
pub(crate) fn service(app: Arc<App>) -> Router {
    Router::new().fallback(handle).with_state(app)
}

async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let started = clock::instant();
    match access(&app, &request) {
        Some(Access::Preflight(headers)) => with_headers(answer(StatusCode::OK, Body::empty()), &headers),
        Some(Access::Actual(headers)) => with_headers(emit(app, request, started).await, &headers),
        None => emit(app, request, started).await,
    }
}

/// What CORS says about the request, where something is configured for its path.
fn access(app: &App, request: &Request) -> Option<Access> {
    let router = &app.configuration.current().router;
    let (space, path) = router.space_of(request.uri().path());
    cors::access(request.method(), request.headers(), |method| router.cors(space, method, path).cloned())
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

async fn emit(app: Arc<App>, request: Request, started: Instant) -> Response {
    let (parts, body) = request.into_parts();
    let body = match read_body(body, app.body_limit).await {
        Ok(body) => body,
        Err(error) => return error.into_response(),
    };
    // An emitter that hangs up must not end the work half-way, between a function's answer and the stored copies.
    let emission = Emission { app, parts, body, started };
    let processed = tokio::spawn(emission.process()).await;
    processed.unwrap_or_else(|_| Err(ApiError::internal())).unwrap_or_else(ApiError::into_response)
}

/// A request to the Events API on its way.
struct Emission {
    app: Arc<App>,
    parts: Parts,
    body: Bytes,
    started: Instant,
}

impl Emission {
    async fn process(self) -> Result<Response, ApiError> {
        let snapshot = self.app.configuration.current();
        let (space, path) = snapshot.router.space_of(self.parts.uri.path());
        let event = self.classify(path)?;
        let (id, ty, source) = (event.id.clone(), event.ty.clone(), event.source.clone());
        let Matched { sync, asynchronous } =
            snapshot.router.route(space, &ty, self.parts.method.as_str(), path);
        let params = sync.as_ref().and_then(|(_, params)| params.as_ref());
        let json = Bytes::from(event.into_json(params));

        let answer = match sync {
            Some((subscription, _)) => Some(self.ask(&snapshot, &subscription, json.clone()).await),
            None => None,
        };
        // Without a synchronous subscriber the answer is "accepted", and that has to be true even if nobody asked for
        // the event yet.
        if answer.is_none() || !asynchronous.is_empty() {
            let subscriptions = asynchronous;
            let (space, path) = (space.to_owned(), path.to_owned());
            let method = self.parts.method.as_str().to_owned();
            let accepted_at = clock::now_millis();
            self.accept(NewEvent { space, id, ty, source, method, path, accepted_at, json, subscriptions })
                .await?;
        }
        answer.unwrap_or_else(|| Ok(self::answer(StatusCode::ACCEPTED, Body::empty())))
    }

    fn classify(&self, path: &str) -> Result<Event, ApiError> {
        let host = self.parts.headers.get(header::HOST).map(|host| String::from_utf8_lossy(host.as_bytes()));
        let authority = self.parts.uri.authority().map(Authority::as_str);
        let incoming = Incoming {
            method: self.parts.method.as_str(),
            path,
            query: self.parts.uri.query(),
            host: host.as_deref().or(authority).unwrap_or_default(),
            headers: &self.parts.headers,
            body: &self.body,
        };
        Ok(classify(&incoming, Stamp { id: clock::event_id().to_string(), time: clock::now() })?)
    }

    /// Calls the function of a synchronous subscription and makes its reply the answer.
    async fn ask(
        &self,
        snapshot: &Snapshot,
        subscription: &Subscription,
        json: Bytes,
    ) -> Result<Response, ApiError> {
        let answer = self.call(snapshot, subscription, json).await;
        let status = answer.as_ref().map_or_else(ApiError::status, Response::status);
        self.app.feed.tell(|| Activity::Answered {
            method: self.parts.method.as_str().to_owned(),
            path: self.parts.uri.path().to_owned(),
            event_type: subscription.event_type.clone(),
            function: Some(subscription.function_id.clone()),
            status: status.as_u16(),
            duration: self.started.elapsed(),
        });
        answer
    }

    async fn call(
        &self,
        snapshot: &Snapshot,
        subscription: &Subscription,
        json: Bytes,
    ) -> Result<Response, ApiError> {
        let id = &subscription.function_id;
        let function = snapshot.catalog.table::<Function>().get(&subscription.space, id);
        let function =
            function.ok_or_else(|| CallError::Failed(Failure::Retry(format!("no function \"{id}\""))))?;
        let reply = self.app.callers.call(function, json).await.inspect_err(|error| {
            tracing::warn!(function = id, %error, "function call failed");
        })?;
        let reply = reply::read(&reply).inspect_err(|_| {
            tracing::warn!(function = id, "the reply is not {{statusCode, headers, body}}");
        })?;
        let mut response = answer(reply.status, Body::from(reply.body));
        *response.headers_mut() = reply.headers;
        Ok(response)
    }

    /// Returns once the event is on disk.
    async fn accept(&self, event: NewEvent) -> Result<(), ApiError> {
        let (id, event_type, source) = (event.id.clone(), event.ty.clone(), event.source.clone());
        let lane = |subscription: &Arc<Subscription>| Lane {
            space: subscription.space.clone(),
            function: subscription.function_id.clone(),
        };
        let lanes: Vec<Lane> = event.subscriptions.iter().map(lane).collect();
        let subscribers = lanes.len();
        self.app.store.accept(event).await.inspect_err(|error| {
            tracing::error!(event = id, %error, "event not accepted");
        })?;
        self.app.feed.tell(|| Activity::Received { id, event_type, source, subscribers });
        self.app.wakeups.wake(lanes);
        Ok(())
    }
}
