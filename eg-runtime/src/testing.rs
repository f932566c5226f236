//! Runs a whole app inside a test, without a server, gateway or Lambda. Requests and events reach the functions
//! through all layers. Emitted events are recorded, and delivered to their subscribers on request.
//!
//! To test a single function, call it directly: it is an ordinary function.
//!
//! ```standalone_crate
//! use eg_runtime::testing::{Outcome, TestApp};
//! use eg_runtime::{App, CloudEvent, Emit, Error, Event, Json, http, subscribe};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, Event)]
//! #[event("user.created")]
//! struct UserCreated { id: u32 }
//!
//! #[http(POST, "/users")]
//! async fn create_user(emit: Emit<UserCreated>, Json(id): Json<u32>) -> Result<Json<u32>, Error> {
//!     emit.send(UserCreated { id }).await?;
//!     Ok(Json(id))
//! }
//!
//! #[subscribe(UserCreated)]
//! async fn greet(event: CloudEvent<UserCreated>) -> Result<(), Error> {
//!     if event.data.id == 0 { Err(Error::reject("there is no user 0")) } else { Ok(()) }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let app = TestApp::new(App::new())?;
//!
//! let answer = app.post("/users", &10).await;
//! assert_eq!((answer.status().as_u16(), answer.json::<u32>()?), (200, 10));
//! assert_eq!(app.emitted::<UserCreated>()?[0].data.id, 10);
//!
//! let deliveries = app.settle().await;
//! assert_eq!((deliveries[0].function, &deliveries[0].outcome), ("greet", &Outcome::Done));
//! # Ok(())
//! # }
//! ```
//!
//! A [`TestApp`] runs all functions in one process, with the same states. On Lambda and with `cargo eg run`, each function
//! has processes of its own. To find code that relies on shared memory, create the [`App`] in a function of the test and
//! use a new `TestApp` for each step: only what is in a database or a file is still there.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use bytes::Bytes;
use eg_grammar::limits;
use eg_sdk::__private::EventTrait as Event;
use eg_sdk::{CloudEvent, Data, DataError, EventGateway, FromData, IntoCloudEvent, Recorder};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Collected};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::Invocation;
use crate::dispatch::{Sender, Service};
use crate::outcome::{Failure, FailureKind};
use crate::{App, Error, lambda};

/// How many deliveries one call makes before it assumes an endless loop that the events themselves do not show.
const MANY: usize = 10_000;

/// An app that runs inside a test.
#[derive(Debug)]
pub struct TestApp {
    service: Service,
    source: String,
    recorder: Recorder,
    /// The number of recorded events that have been delivered.
    settled: Mutex<usize>,
}

/// The delivery of one event to one function.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Delivery {
    /// The event.
    pub event: CloudEvent,
    /// The function's name.
    pub function: &'static str,
    /// The outcome.
    pub outcome: Outcome,
}

/// What a function's answer means for the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The event is handled.
    Done,
    /// The event would be retried later, for this reason.
    Retry(String),
    /// The event would become a dead letter, for this reason.
    Rejected(String),
}

/// The answer to an HTTP request.
#[derive(Debug, Clone)]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// The failure that would be reported to Lambda.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error_type}: {error_message}")]
#[non_exhaustive]
pub struct InvocationError {
    /// `Retry`, `Reject`, `Panic`, `Timeout` or `ResponseTooLarge`.
    pub error_type: String,
    /// What went wrong.
    pub error_message: String,
}

impl TestApp {
    /// Creates the app with all functions of this binary. It emits into memory.
    ///
    /// # Errors
    /// If the app could not start.
    pub fn new(app: App) -> Result<Self, Error> {
        crate::start::done();
        crate::panics::remember_places();
        let (gateway, recorder) = EventGateway::recording();
        let (name, service) = app.gateway(gateway).service("*")?;
        let source = format!("/services/{name}");
        Ok(Self { service, source, recorder, settled: Mutex::default() })
    }

    /// Sends an HTTP request to the `#[http]` function that answers it. An asynchronous function on the same route gets its
    /// copy from the gateway only.
    pub async fn http<B: Into<Body>>(&self, request: Request<B>) -> Answer {
        let response = self.service.http(request.map(Into::into), &Arc::default()).await;
        let (parts, body) = response.unwrap_or_else(Failure::into_response).into_parts();
        // To a client, a failed body is a truncated answer.
        let body = body.collect().await.map(Collected::to_bytes);
        let status = if body.is_ok() { parts.status } else { StatusCode::BAD_GATEWAY };
        Answer { status, headers: parts.headers, body: body.unwrap_or_default() }
    }

    /// Sends a GET request.
    ///
    /// # Panics
    /// If `path` is invalid.
    pub async fn get(&self, path: &str) -> Answer {
        self.http(request(Method::GET, path, Body::empty())).await
    }

    /// Sends a POST request with a JSON body.
    ///
    /// # Panics
    /// If `path` is invalid, or `body` cannot be serialized.
    pub async fn post<T: Serialize + ?Sized>(&self, path: &str, body: &T) -> Answer {
        let json = serde_json::to_vec(body).unwrap_or_else(|e| panic!("the body of POST {path}: {e}"));
        let mut request = request(Method::POST, path, Body::from(json));
        let json = header::HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        self.http(request).await
    }

    /// Delivers an event to all of its functions, once. Returns the outcomes.
    ///
    /// # Errors
    /// If the payload cannot be serialized as JSON.
    pub async fn deliver<E: IntoCloudEvent>(&self, event: E) -> Result<Vec<Delivery>, DataError> {
        let event = event.into_cloud_event(&self.source)?;
        Ok(self.deliver_one(event).await)
    }

    /// Delivers all emitted events, and those emitted in turn, until none is left. Each event is delivered once, even
    /// if a function fails, and even if it was [taken](Recorder::take) from the recorder.
    ///
    /// # Panics
    /// If events cause each other in an endless loop. The message names the events and functions of the loop.
    pub async fn settle(&self) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        while let Some(event) = self.next_unsettled() {
            if event.hops() > limits::HOPS
                && let Some(circle) = circle(&event, &deliveries)
            {
                panic!("events cause each other in a loop: {circle}");
            }
            assert!(
                deliveries.len() < MANY,
                "more than {MANY} deliveries: events probably cause each other in a loop. The next event is `{}`; the \
                 last deliveries were {}",
                event.ty(),
                last(&deliveries)
            );
            deliveries.extend(self.deliver_one(event).await);
        }
        deliveries
    }

    /// Returns the next recorded event that has not been delivered.
    fn next_unsettled(&self) -> Option<CloudEvent> {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        let event = self.recorder.nth(*settled)?;
        *settled += 1;
        Some(event)
    }

    /// Returns all events that the functions have emitted, in order.
    #[must_use]
    pub fn events(&self) -> Vec<CloudEvent> {
        self.recorder.events()
    }

    /// Returns the events of `E`'s type that the functions have emitted.
    ///
    /// # Errors
    /// If the payload of such an event does not match.
    pub fn emitted<E: Event + FromData>(&self) -> Result<Vec<CloudEvent<E>>, DataError> {
        self.recorder.events_of()
    }

    /// Returns the recorder that receives emitted events. It can refuse events.
    #[must_use]
    pub fn gateway(&self) -> &Recorder {
        &self.recorder
    }

    /// Invokes the app like Lambda, with the payload of any sender: API Gateway, a queue, EventBridge… Returns the
    /// JSON that the sender gets.
    ///
    /// # Errors
    /// The failure that would be reported to Lambda.
    pub async fn invoke(&self, payload: &str) -> Result<serde_json::Value, InvocationError> {
        let answer = lambda::invoke_whole(&self.service, payload, &Arc::default()).await;
        let answer = answer.and_then(|json| {
            let invalid = |e: serde_json::Error| Failure::new(FailureKind::Retry, e.to_string());
            serde_json::from_str(&json).map_err(invalid)
        });
        Ok(answer?)
    }

    /// Invokes one function by its name, like Lambda whose `_HANDLER` names it, with the payload of any sender. Returns the
    /// JSON that the sender gets. A function with `#[invoke]` gets the payload as it is.
    ///
    /// # Errors
    /// The failure that would be reported to Lambda. If there is no such function, a `Reject` that lists the functions.
    pub async fn call<T: Serialize + ?Sized>(
        &self,
        function: &str,
        payload: &T,
    ) -> Result<serde_json::Value, InvocationError> {
        let Some(alone) = self.service.alone(function) else {
            let known: Vec<_> = self.service.names().map(|name| format!("`{name}`")).collect();
            let message = format!("no function is named `{function}`; there are {}", known.join(", "));
            return Err(Failure::new(FailureKind::Reject, message).into());
        };
        let invalid = |e: serde_json::Error| Failure::new(FailureKind::Reject, e.to_string());
        let payload = serde_json::to_string(payload).map_err(invalid)?;
        let answer = lambda::invoke_whole(&alone, &payload, &Arc::default()).await?;
        Ok(serde_json::from_str(&answer).map_err(invalid)?)
    }

    /// Calls the `#[schedule]` function with this name, as its schedule does.
    ///
    /// # Errors
    /// The failure that would be reported to Lambda. If there is no such function, a `Reject` that lists the functions with
    /// a schedule.
    pub async fn tick(&self, function: &str) -> Result<(), InvocationError> {
        let named = self.service.scheduled().find(|(scheduled, _)| scheduled.name() == function);
        let Some((scheduled, _)) = named else {
            let known = self.service.scheduled().map(|(f, schedule)| format!("`{}` ({schedule})", f.name()));
            let known = known.collect::<Vec<_>>().join(", ");
            let message = match known.as_str() {
                "" => "no function has a schedule".to_owned(),
                known => format!(
                    "no function named `{function}` has a schedule; the functions with a schedule are {known}"
                ),
            };
            return Err(Failure::new(FailureKind::Reject, message).into());
        };
        let event = serde_json::json!({
            "version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events",
            "account": "000000000000", "time": "2026-01-01T00:00:00Z", "region": "local",
            "resources": [format!("arn:aws:events:local:000000000000:rule/{function}")], "detail": {},
        });
        let event =
            CloudEvent::from_eventbridge(event.to_string().as_bytes()).map_err(|e| InvocationError {
                error_type: FailureKind::Reject.error_type().to_owned(),
                error_message: e.to_string(),
            })?;
        Ok(self.service.tick(scheduled, event, &Arc::default()).await.map(drop)?)
    }

    async fn deliver_one(&self, event: CloudEvent<Data>) -> Vec<Delivery> {
        let invocation = Invocation { request_id: event.id().to_owned(), ..Invocation::default() };
        let invocation = Arc::new(invocation);
        let answers = self.service.deliver(event.clone(), Sender::MayWait, &invocation).await;
        let deliveries = answers.into_iter().map(|(function, answer)| {
            let outcome = match answer {
                Ok(_) => Outcome::Done,
                Err(Failure { kind: FailureKind::Reject, message, .. }) => Outcome::Rejected(message),
                Err(failure) => Outcome::Retry(failure.message),
            };
            Delivery { event: event.clone(), function, outcome }
        });
        deliveries.collect()
    }
}

impl From<Failure> for InvocationError {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.kind.error_type().to_owned(), error_message: failure.message }
    }
}

/// Describes the loop that leads to `event`: the types of its causes back to one of the same type, with the functions
/// that handled them. `None` if there is no such cause.
fn circle(event: &CloudEvent, deliveries: &[Delivery]) -> Option<String> {
    let mut steps = vec![format!("`{}`", event.ty())];
    let mut cause = event.cause()?;
    for _ in 0..limits::HOPS {
        let handled: Vec<_> = deliveries.iter().filter(|delivery| delivery.event.id() == cause).collect();
        let functions: Vec<_> = handled.iter().map(|delivery| format!("`{}`", delivery.function)).collect();
        let earlier = &handled.first()?.event;
        steps.push(format!("`{}` (handled by {})", earlier.ty(), functions.join(" and ")));
        if earlier.ty() == event.ty() {
            steps.reverse();
            return Some(steps.join(" → "));
        }
        cause = earlier.cause()?;
    }
    None
}

/// Lists some of the last deliveries.
fn last(deliveries: &[Delivery]) -> String {
    let last = deliveries.iter().rev().take(4).rev();
    last.map(|delivery| format!("`{}` to `{}`", delivery.event.ty(), delivery.function))
        .collect::<Vec<_>>()
        .join(", ")
}

fn request(method: Method, path: &str, body: Body) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).body(body);
    request.unwrap_or_else(|e| panic!("`{path}` is not a valid path: {e}"))
}

impl Answer {
    /// Returns the status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the body as text. Invalid UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body's bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// Deserializes the body from JSON.
    ///
    /// # Errors
    /// If the body does not match the type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}
