//! The Events API: a request becomes an event, a synchronous subscriber answers it, asynchronous ones get
//! it from the store. The steps stand in `Emission::process`, in their order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use eg_sdk::config::{Function, Subscription};

use super::errors::ApiError;
use super::{App, answer, read_body};
use crate::activity::{Activity, DeliveryOutcome};
use crate::clock;
use crate::configuration::Snapshot;
use crate::decide::classify::{Event, Incoming, classify};
use crate::decide::delivery::Failure;
use crate::decide::envelope::Stamp;
use crate::decide::facts::Facts;
use crate::decide::intake::{Fate, Intake, intake};
use crate::decide::reply;
use crate::decide::router::Matched;
use crate::deliver::CallError;
use crate::store::{Accepted, Lane, NewEvent, StoreError};

/// The service for the port of the Events API.
pub(crate) fn service(app: Arc<App>) -> Router {
    Router::new().fallback(handle).with_state(app)
}

async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let started = clock::instant();
    let (parts, body) = request.into_parts();
    // Reserved before it is read: what is in memory stays bounded however many emitters come.
    let size =
        body.size_hint().exact().map_or(app.body_limit, |size| usize::try_from(size).unwrap_or(usize::MAX));
    let Some(_room) = app.budget.reserve(size.min(app.body_limit)) else {
        return ApiError::from(StoreError::Busy).into_response();
    };
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
            let facts = Facts::new(&json);
            let intakes = intake(&asynchronous, &facts, self.app.max_hops);
            let subject = facts.subject().map(str::to_owned);
            drop(facts);
            let (space, path) = (space.to_owned(), path.to_owned());
            let method = self.parts.method.as_str().to_owned();
            let accepted_at = clock::now_millis();
            let window = i64::try_from(self.app.dedupe_window.as_millis()).unwrap_or(i64::MAX);
            let unique_since = (window > 0).then(|| accepted_at.saturating_sub(window));
            let event = NewEvent {
                space,
                id,
                ty,
                source,
                subject,
                method,
                path,
                accepted_at,
                json,
                intakes,
                unique_since,
            };
            self.accept(event).await?;
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
        let intakes = event.intakes.clone();
        let accepted = self.app.store.accept(event).await.inspect_err(|error| {
            tracing::error!(event = id, %error, "event not accepted");
        })?;
        if accepted == Accepted::Duplicate {
            self.app.feed.tell(|| Activity::Duplicate { id, event_type, source });
            return Ok(());
        }
        let subscribers = intakes.iter().filter(|intake| matches!(intake.fate, Fate::Deliver { .. })).count();
        self.app.feed.tell(|| Activity::Received {
            id: id.clone(),
            event_type: event_type.clone(),
            source,
            subscribers,
        });
        let mut lanes = Vec::new();
        for Intake { subscription, fate } in intakes {
            let (event_id, event_type) = (id.clone(), event_type.clone());
            let (space, function) = (subscription.space.clone(), subscription.function_id.clone());
            match fate {
                Fate::Deliver { .. } => lanes.push(Lane { space, function }),
                Fate::Filtered { reason } => {
                    self.app.feed.tell(|| Activity::Filtered { event_id, event_type, function, reason });
                }
                Fate::Dead { reason } => {
                    let outcome = DeliveryOutcome::Dead { reason };
                    let duration = Duration::ZERO;
                    self.app.feed.tell(|| Activity::Delivery {
                        event_id,
                        event_type,
                        function,
                        attempt: 0,
                        duration,
                        outcome,
                    });
                }
            }
        }
        self.app.wakeups.wake(lanes);
        Ok(())
    }
}
