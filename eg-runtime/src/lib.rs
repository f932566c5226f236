//! Runs annotated functions: on AWS Lambda and, everywhere else, as an HTTP server. Knows the event gateway
//! only by what travels: CloudEvents, HTTP, and the manifest inside the binary.
//!
//! ```no_run
//! use eg_runtime::{App, CloudEvent, Emit, Error, Event, Json, State, http, subscribe};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, Event)]
//! #[event("user.created")]
//! struct UserCreated { id: String }
//!
//! #[derive(Clone)]
//! struct Greeting(&'static str);
//!
//! /// Registers a user.
//! #[http(POST, "/users")]
//! async fn create_user(emit: Emit<UserCreated>, Json(id): Json<String>) -> Result<Json<String>, Error> {
//!     emit.send(UserCreated { id: id.clone() }).await?;
//!     Ok(Json(id))
//! }
//!
//! /// Greets a new user.
//! #[subscribe(UserCreated)]
//! async fn greet(State(greeting): State<Greeting>, event: CloudEvent<UserCreated>) -> Result<(), Error> {
//!     println!("{}, {}", greeting.0, event.data.id);
//!     Ok(())
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Error> {
//!     App::new().state(Greeting("hello")).run().await
//! }
//! ```
//!
//! # Functions
//!
//! A function is an `async fn` whose arguments are axum extractors (`State` is [`State`], the last argument
//! may take the body) and whose result is anything that axum can turn into a response. It gets the HTTP
//! request with `#[http]`; with `#[subscribe]` it gets a request whose body is the event's payload, and
//! [`CloudEvent`] extracts payload and attributes.
//!
//! For an event, a success status means *done*. An [`Error`] through `?` means *try again later*, and so do
//! 408, 409, 425, 429 and all 5xx; [`Error::reject`] and every other 4xx mean *never try again*.
//!
//! # Queues, schedules, connections
//!
//! With [`#[queue]`](macro@queue) a function gets the messages of an SQS queue, with
//! [`#[schedule]`](macro@schedule) it runs by the clock. Two families of events come from AWS itself and are
//! subscribed to by name:
//!
//! | event type | what happened | payload |
//! |---|---|---|
//! | `websocket.connect`, `websocket.disconnect` | a connection of a WebSocket API; its id is the `subject` | `{"headers", "query"}`; `{"statusCode", "reason"}` |
//! | `websocket.message` | a message on such a connection; with `mode = "sync"` the result is the answer | the message |
//! | `com.amazonaws.sns.Notification` | a notification of an SNS topic that is no event by itself | the message |
//!
//! # What an event looks like
//!
//! The manifest in the binary has the JSON Schema of each event that a signature names, in `Emit<…>` or
//! `CloudEvent<…>`. It is made from the type and serde's attributes; types in it take part with
//! `#[derive(Schema)]`, and [`schema`] tells the rest.
//!
//! # Around and beneath
//!
//! [`App::layer`] puts tower layers around every function. [`Context`] says which invocation this is, in which
//! trace, and how much time is left; a function that is not done shortly before Lambda's deadline is cancelled.
//! [`testing`] runs a whole app inside a test.
//!
//! # Once, and not for ever
//!
//! Delivery is at least once. Behind [`idempotency::Idempotency`], a function handles an event once: duplicates get the
//! answer that the first one got. And what a function emits is counted: each event's extension `hops` says how many
//! events led to it, so that the gateway ends loops, with a reason on record; and its `causationid` which one did.
//!
//! # Where it runs
//!
//! With `AWS_LAMBDA_RUNTIME_API` set, [`App::run`] serves Lambda: `_HANDLER` names one function
//! (`create_user` or `users.create_user`), or all of the binary (the service's name, `bootstrap` or `*`). Events
//! come from the gateway, EventBridge (in its own envelope, as CloudEvents, or as CloudEvents inside `detail`), SQS
//! and SNS; HTTP requests from the gateway, API Gateway (REST and HTTP APIs), function URLs, Application Load
//! Balancers and VPC Lattice, and each gets the answer in its own form.
//! Where Lambda sends several at once (`AWS_LAMBDA_MAX_CONCURRENCY`), so many invocations are served at once.
//!
//! What fails is reported as `{"errorType", "errorMessage", "stackTrace"}`, with `Function.<errorType>` in the header
//! that Lambda's metrics go by:
//!
//! | `errorType` | what happened |
//! |---|---|
//! | `Retry`, `Reject` | the function failed, see above; a payload that cannot be read is a `Reject` |
//! | `Panic` | it panicked; `stackTrace` has the place |
//! | `Timeout` | it was cancelled shortly before its deadline |
//! | `ResponseTooLarge` | its answer is larger than the 6 MB that Lambda takes |
//! | `Runtime.InitError` | the process could not start; the message names the variable, state or function |
//!
//! Otherwise it serves HTTP on `HOST`:`PORT` (default `127.0.0.1:3000`): each `#[http]` route under its own
//! path, and each function as `POST /functions/<name>`, which takes a CloudEvent.

mod app;
mod context;
mod deadline;
mod dispatch;
mod emit;
mod error;
mod extract;
#[cfg(feature = "http-server")]
mod http_server;
pub mod idempotency;
mod lambda;
mod layer;
mod manifest;
mod outcome;
mod panics;
mod payload;
mod probe;
mod registry;
mod reply;
mod requests;
mod served;
mod shared;
mod state;
pub mod testing;

pub use app::App;
/// axum's own extractors, responses and HTTP types.
pub use axum::{
    Form, Json,
    body::Bytes,
    extract::{Path, Query, Request},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
pub use context::Context;
/// Ties a serde type to an event type: `#[derive(Event)] #[event("user.created")]`; `source = "…"` overrides
/// the default source, `/services/<service>`. The type gets its [`Schema`] too; `schema = false` leaves that out.
pub use eg_macros::RuntimeEvent as Event;
/// Makes what a type is as JSON known, for the schemas of the events that it is part of: see [`schema`].
pub use eg_macros::RuntimeSchema as Schema;
/// Answers HTTP requests: `#[http(METHOD, "/path/{id}")]`.
///
/// METHOD is one of GET, POST, PUT, PATCH, DELETE, HEAD and OPTIONS. A segment `{name}` of the path is a
/// parameter, `{*name}` at the end matches the rest; the gateway's `:name` and `*name` are accepted too.
///
/// Options: `name = "createUser"` (default: the function's own), `mode = "async"` (the caller does not wait),
/// `cors` or `cors(origins = ["…"], methods = ["…"], headers = ["…"], credentials = true)`,
/// `timeout = "30s"` or `timeout = 30` (seconds) and `memory = 512` (megabytes; both are hints for whoever deploys
/// the function, and end in the manifest), `crate = path::to::eg_runtime`. Several attributes on one function are
/// several triggers.
pub use eg_macros::http;
/// Handles the messages of an SQS queue: `#[queue("orders")]`.
///
/// Each message is one call. One that is a CloudEvent, or an event in EventBridge's envelope, or an SNS
/// notification of one of these, is that event to the function; of any other, `Json<T>` and `CloudEvent<T>` get the
/// body. A message whose call fails comes again, and the others of its batch do not (Lambda needs
/// `ReportBatchItemFailures` on the queue's event source for that); a rejected one comes again too, until the queue
/// moves it to its dead letters. On FIFO queues, after a failure the later messages of the same group are not
/// handled before it.
///
/// Options: `batch_size = 10` and `window = "5s"` (hints for the event source, which end in the manifest), and
/// `name`, `timeout`, `memory` and `crate` as in [`macro@http`].
pub use eg_macros::queue;
/// Runs by the clock: `#[schedule("rate(5 minutes)")]`, `#[schedule("cron(0 12 * * ? *)")]`, in the syntax of
/// EventBridge (minutes, hours, day of month, month, day of week, year; UTC), which is checked by the compiler.
///
/// The function may take the `CloudEvent<Data>` that EventBridge sends. Options: `name`, `timeout`, `memory` and
/// `crate` as in [`macro@http`].
pub use eg_macros::schedule;
/// Handles events: `#[subscribe("user.created")]`, `#[subscribe("a", "b")]`, `#[subscribe(UserCreated)]`.
///
/// Options: `name = "sendWelcomeEmail"` (default: the function's own), `mode = "sync"` (the emitter gets the
/// answer), `path = "/x"` and `method = PUT` (events posted there; default `/` and POST),
/// `retry(attempts = 5, max_age = "1h", min_backoff = 1, max_backoff = "5m")`, `timeout`, `memory` and `crate` as in
/// [`macro@http`]. Several attributes on one function are several triggers.
///
/// `retry` limits how often (`attempts`, the first one included) and how long (`max_age` after the event was
/// accepted) a delivery is tried before it is a dead letter, and bounds the pauses between attempts: the first to
/// `min_backoff`, then twice as much each time, never more than `max_backoff`. A limit that is left out is the gateway's own.
pub use eg_macros::subscribe;
/// State and emitted events stored together, each event handled once. [`Emit::stage`] makes its events.
#[cfg(feature = "outbox")]
pub use eg_sdk::outbox;
pub use eg_sdk::{
    __private::{EventTrait as Event, SchemaTrait as Schema},
    CloudEvent, Data, EventGateway, TraceContext, schema,
};
pub use emit::Emit;
pub use error::{Error, Reject};
pub use layer::{Function, FunctionFuture};
pub use state::State;

/// What expansions of the macros name. Not part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use axum::extract::Request;
    pub use eg_sdk::__private::{Field, Part, Presence, Shape};
    pub use eg_sdk::CloudEvent;
    pub use inventory;

    pub use crate::extract::{Call, ResponseFuture, from_parts, from_request, into_response};
    pub use crate::manifest::{record, record_len, service_record, service_record_len};
    pub use crate::probe::{EmitsNothing, Events, NeedsNothing, NoEvents, Probe, event_type};
    pub use crate::registry::{Cors, FunctionDef, Mode, Queue, Retry, ServiceDef, Subscription, Trigger};
    pub use crate::requests::Route;
}
