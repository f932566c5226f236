//! Runs annotated functions on AWS Lambda and, everywhere else, as an HTTP server. Communicates with the event
//! gateway only through CloudEvents, HTTP, and the manifest inside the binary.
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
//! A function is an `async fn` whose arguments are axum extractors (with [`State`] of this crate; the last argument
//! may consume the body) and whose result is anything that axum can turn into a response, or a `Result` of it. With
//! `#[http]`, it gets the HTTP request. With `#[subscribe]`, it gets a request whose body is the event's payload, and
//! [`CloudEvent`] extracts payload and attributes.
//!
//! Of the routes that match a request, the most specific answers: `/users/me` goes before `/users/{id}`, and that before
//! `/users/{*rest}`, in every service and at the gateway alike. A HEAD request takes the GET route, unless the path has a
//! HEAD route. If no route matches the path, the answer is a 404 that names similar routes; if only routes with other
//! methods match it, the answer is a 405 that names these methods, also in `Allow`. `/users` and `/users/` are different
//! paths.
//!
//! # Failures
//!
//! An `Err` is a failure, whatever its type. The type decides what it means:
//!
//! | the function returns | for an event, message or schedule | for a client that waits |
//! |---|---|---|
//! | `Err(Error)`, also through `?` | *retry later*; with [`Error::reject`], *do not retry* | 500 without the reason; 422 with it; [`Error::status`] has its own |
//! | `Err` of another error: `std::io::Error`, `anyhow::Error`, `eyre::Report`, `Box<dyn Error + Send + Sync>` | *retry later* | 500 without the reason |
//! | `Err` of a response: `StatusCode`, `(StatusCode, String)`, `String`, `Json<T>`, `()` | as its status says; *retry later* if it is a status of success | the response; 500 if it is a status of success |
//! | `Ok` or a plain response | as its status says | the response |
//!
//! `.retry()` and `.reject()` of [`ResultExt`] turn the error of any `Result` into one of the two:
//! `parse(text).reject()?`.
//!
//! For an event, a 2xx status means *done*. Redirects, 408, 409, 425, 429 and all 5xx mean *retry later*, and every
//! other 4xx means *do not retry*. For a client, redirects and 4xx are answers; a 5xx is a fault of the function, and its
//! reason is printed to the log.
//!
//! The result of a function without a waiting client must have a name: `impl IntoResponse` would hide an `Err`.
//!
//! # Rejections and loops on AWS
//!
//! The gateway keeps a rejected event as a dead letter. On AWS, the failures queue keeps it: if `EVENT_FAILURES_QUEUE` is the URL
//! of a queue of SQS, as `cargo eg template` sets it, the runtime sends there what a function rejects, and reports success to
//! Lambda, which would otherwise call again.
//!
//! | what is rejected | what happens |
//! |---|---|
//! | an event or a schedule of EventBridge, a notification of SNS, an event of an array | the invocation succeeds, and answers `{"rejected": "<reason>"}` |
//! | a message of a queue | it leaves its queue; the messages behind it in its group are handled |
//! | a record of a stream | the records behind it in its shard are handled |
//! | a message of the failures queue itself | it counts as failed, and stays there |
//! | an HTTP request, a CloudEvent that is the payload itself (a gateway may have sent it), a payload of a function with `#[invoke]` | the caller gets the error |
//!
//! If the same event also makes another function of the process fail, or another event of the same array fails, it is
//! retried. If the queue does not take a rejection, the invocation fails, and Lambda retries it. Without
//! `EVENT_FAILURES_QUEUE`, a rejection is to Lambda a failure like all others; the local queues of `cargo eg run` make a rejected
//! message a dead letter at once. A program needs the feature `eventbridge`, which
//! `cargo eg build` sets, or it does not start with the variable.
//!
//! A message of the failures queue has the format of the records that Lambda itself sends to an on-failure destination:
//! `requestPayload` is the event, and `responsePayload` has the reason. Its `condition` is `Rejected`. To hand in a dead letter
//! again, invoke the function with its `requestPayload`, with the whole message, or make the queue a trigger of the function;
//! then each message must hold one event, and a schedule cannot be run again. The message of a rule that could not deliver an
//! event is the event itself, and works in the same ways. Lambda's records of failed stream batches contain no records.
//!
//! Where no gateway ends loops, the runtime does: an event with more than 16 `hops`, or [`App::max_hops`], is rejected before
//! a function gets it. That goes for events of EventBridge, SNS, arrays, queues and streams, and, if `EVENT_BUS` is set, for
//! CloudEvents that are the payload itself.
//!
//! # Secrets on AWS
//!
//! If `EG_SECRETS` is a JSON object from the names of variables to references, as `cargo eg template` sets it, the program reads the
//! values from Systems Manager and Secrets Manager before `main` begins, and starts itself again with them as variables. So
//! `std::env::var("API_KEY")` has a value in the first line of `main`. If a value cannot be read, the program does not start, and
//! reports which one and why. A program needs the feature `secrets`, which `cargo eg build` sets for stages with secrets, or it
//! does not start with the variable.
//!
//! | reference | value |
//! |---|---|
//! | `ssm:/shop/api-key`, `ssm:/shop/api-key:3` | a parameter, or its version or label |
//! | `secretsmanager:bank` | the whole text of a secret; its ARN works, too |
//! | `secretsmanager:bank#password` | one member of a secret that is a JSON object |
//!
//! # Queues, streams, schedules, connections
//!
//! With [`#[queue]`](macro@queue), a function gets the messages of an SQS queue; with [`#[stream]`](macro@stream), the
//! records of DynamoDB Streams, Kinesis or Kafka; with [`#[schedule]`](macro@schedule), it runs on a schedule. Events that
//! services of AWS emit on EventBridge have a form of their own in [`#[subscribe]`](macro@subscribe). Two families of events
//! come from AWS in other ways; subscribe to them by name:
//!
//! | event type | what happened | payload |
//! |---|---|---|
//! | `websocket.connect`, `websocket.disconnect` | a connection of a WebSocket API; its id is the `subject` | `{"headers", "query"}`; `{"statusCode", "reason"}` |
//! | `websocket.message` | a message on such a connection; with `mode = "sync"` the result is the answer | the message |
//! | `com.amazonaws.sns.Notification` | a notification of an SNS topic that is not an event itself | the message |
//!
//! With [`Connections`] in its signature, any function sends to the connections of the WebSocket API. `cargo eg run` serves one to
//! local clients. With `mode = "sync"`, a status of `websocket.connect` that is no success refuses the connection. Each of the
//! three events has one function, and a call that fails is not repeated.
//!
//! # Webhooks
//!
//! With the feature `webhooks`, a function takes a `webhook::Webhook<Stripe, T>`. It gets the payload only if the signature of the
//! sender is right.
//!
//! # Whatever Lambda sends
//!
//! Cognito, Step Functions, CloudFormation, Firehose and many others call a function directly and expect an answer of their
//! own. With [`#[invoke]`](macro@invoke), the last argument is the payload and the result is the answer, both as they
//! are. Types for the payloads are features of this crate, such as `cognito`. `examples/aws-services` has four of them.
//!
//! # Every event
//!
//! To get every event, whatever its type, subscribe to `eventgateway.event.received`. The gateway emits it, in the same
//! transaction, for each event and request that it accepts; its payload is `{"path", "event", "headers"}`. On an event bus,
//! where there is no gateway to do so, the function gets each event itself.
//!
//! # What an event looks like
//!
//! The manifest in the binary contains the JSON Schema of each event in a signature (`Emit<…>` or `CloudEvent<…>`),
//! derived from the type and serde's attributes. Types inside it need `#[derive(Schema)]`; see [`schema`].
//!
//! # Around and beneath
//!
//! [`App::layer`] adds tower layers around every function; they also see HTTP requests that no function answers.
//! [`App::layer_for`] adds them around one function. [`App::router`] mounts a router of axum beside the functions.
//! [`#[authorizer]`](macro@authorizer) declares a function that decides which requests reach the routes that name it.
//! [`Caller`] has the verified identity of the sender of a request: claims, the context of an authorizer, the signing identity,
//! the address.
//! [`Context`] gives the invocation's id, trace, tenant and remaining time; a function that is still running shortly before
//! Lambda's deadline is cancelled. [`testing`] runs a whole app inside a test. The feature
//! `tracing` makes each call of a function a span, and prints what functions log in Lambda's format.
//!
//! # Streams
//!
//! With `stream`, a route sends its answer while the function makes it: server-sent events
//! ([`axum::response::Sse`]), or any other body that is not in memory.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use eg_runtime::axum::response::sse::{Event, Sse};
//! use eg_runtime::http;
//! use futures_util::stream::{self, Stream};
//!
//! /// Counts to three.
//! #[http(GET, "/count", stream)]
//! async fn count() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
//!     Sse::new(stream::iter((1..=3).map(|n| Ok(Event::default().data(n.to_string())))))
//! }
//! ```
//!
//! | where the request comes from | how the answer arrives |
//! |---|---|
//! | plain HTTP; the gateway, from Lambda or an `http` function; `cargo eg run` | part by part |
//! | a function URL, which must have `InvokeMode: RESPONSE_STREAM`, as `cargo eg template` sets it | part by part |
//! | a REST API with `responseTransferMode: STREAM`, which it then must have | part by part |
//! | an HTTP API, a load balancer, VPC Lattice, a program that invokes the function directly | whole, within the limit for answers; `cargo eg check` lists such routes |
//!
//! Without `stream`, an answer is sent whole everywhere but over plain HTTP.
//!
//! A body that fails, panics, or is not complete at the deadline breaks off: the client sees that the answer is not complete,
//! and the log has the reason. To Lambda it is reported in the trailers `Lambda-Runtime-Function-Error-Type` and
//! `Lambda-Runtime-Function-Error-Body`. What the client has read until then stays read, so a client that repeats its request
//! may get parts twice.
//!
//! A streamed answer on Lambda may have 200 MB, and the function's timeout covers all of it. Through the gateway, the timeout
//! of an `http` function covers the time until the answer begins and each pause in it, and there is no limit for its size. A
//! client that does not read makes the function wait; the gateway gives it up after ten seconds. If a client leaves, the
//! stream of a function over HTTP is dropped. On Lambda the function goes on and is billed, in AWS as locally: its timeout ends
//! it.
//!
//! # Limits
//!
//! | what | limit | beyond it |
//! |---|---|---|
//! | the body of an HTTP request | 6 MB (6,291,456 bytes), or [`App::payload_limit`]; less with `body_limit` of the function | 413, which names the limit |
//! | an answer to Lambda or to the gateway, with its base64 and JSON escapes | the same | `ResponseTooLarge` |
//! | an event, over HTTP | a third more, and 1 MiB: a body can be base64 in it | 413, `Reject` |
//! | an event or a request, on Lambda | 6 MB (6,291,456 bytes) as JSON: a binary body of some 4.5 MB, in base64 | the gateway answers 413; Lambda refuses it |
//! | nesting of JSON | 127 levels | 400, `Reject` |
//!
//! axum's own limit of 2 MB does not apply.
//!
//! # Once, and not for ever
//!
//! Delivery is at least once. With [`idempotency::Idempotency`], a function handles an event once, and duplicates get
//! the first answer. Emitted events carry `hops`, the number of events that led to them, with which the gateway
//! breaks loops (and the runtime on AWS, [see above](#rejections-and-loops-on-aws)), and `causationid`, the id of the event
//! that caused them.
//!
//! # Where it runs
//!
//! If `AWS_LAMBDA_RUNTIME_API` is set, [`App::run`] serves Lambda. `_HANDLER` names one function (`create_user` or
//! `users.create_user`), or all of the binary (the service's name, `bootstrap` or `*`). Events may come from the
//! gateway, EventBridge (in its envelope, as CloudEvents, or as CloudEvents inside `detail` with the type and source of
//! the envelope), SQS, SNS, DynamoDB Streams, Kinesis and Kafka, and in arrays, as custom event buses and Pipes send them. What
//! is inside a payload never counts as an HTTP request or a schedule, except for the payload in the record of a failed
//! invocation, which may be a schedule. A function with
//! `#[invoke]` is served alone, and gets every payload unread. HTTP
//! requests may come from the gateway, API Gateway (REST and HTTP APIs), function URLs, Application Load Balancers
//! and VPC Lattice; each sender gets the answer in its own format. If Lambda sends several invocations at once
//! (`AWS_LAMBDA_MAX_CONCURRENCY`), they are served concurrently.
//!
//! The answer to a waiting caller is an object `{"statusCode", "headers", "cookies", "body", "isBase64Encoded"}`: for the
//! gateway, for API Gateway, and equally for a program that invokes a function with a synchronous subscription directly,
//! because its payload looks like the gateway's. The function's answer is in `body`.
//!
//! Failures are reported as `{"errorType", "errorMessage", "stackTrace"}`, with `Function.<errorType>` in the header
//! that Lambda uses for metrics:
//!
//! | `errorType` | what happened |
//! |---|---|
//! | `Retry`, `Reject` | the function failed (see above); an unreadable payload is a `Reject` |
//! | any other word | an error of a function with `#[invoke]`, which [`Error::with_type`] gave this type |
//! | `Panic` | the function panicked; `stackTrace` has the place |
//! | `Timeout` | the function was cancelled shortly before its deadline |
//! | `ResponseTooLarge` | the answer is larger than Lambda's limit of 6 MB |
//! | `Runtime.InitError` | the process could not start, or `main` returned an [`Error`] before [`App::run`]; the message names the cause |
//!
//! Each failure is also one line on stderr, in the format of `AWS_LAMBDA_LOG_FORMAT` and from the level of
//! `AWS_LAMBDA_LOG_LEVEL` on. A hook that you have set with [`std::panic::set_hook`] is called for panics, too; the
//! standard library's own output appears only if `RUST_BACKTRACE` is set.
//!
//! A short outage of the Runtime API ends neither the process nor a worker. A worker whose request for the next invocation
//! fails tries again six times, within about three seconds; an outcome that the Runtime API may not have received is
//! reported once more. The process ends only when these attempts have failed and no other worker reaches the Runtime API
//! either, or when the Runtime API refuses a worker (with a 4xx other than 429).
//!
//! With SnapStart, [`App::before_snapshot`] and [`App::after_restore`] run hooks around the snapshot. [`App::after_answer`] runs
//! one after each answer, while the process is not frozen: to flush the spans of OpenTelemetry, for example.
//! [`App::on_shutdown`] runs one when the process is asked to end; for that, Lambda needs an extension, which the app then
//! registers itself.
//!
//! Otherwise it serves HTTP on `HOST`:`PORT` (default `127.0.0.1:3000`): each `#[http]` route under its own path, and
//! each function as `POST /functions/<name>`, which accepts a CloudEvent.
//!
//! # AWS's client
//!
//! The runtime has its own client of the Runtime API. With the feature `lambda-runtime` and [`App::lambda_runtime`], AWS's crate
//! [`lambda_runtime`](https://docs.rs/lambda_runtime) takes its place, for teams that want AWS's support for that part.
//! Payloads, answers, streams, error types, init errors, deadlines, hooks and concurrent invocations are the same. This
//! differs, with `lambda_runtime` 1.5:
//!
//! | | the client of this crate | `lambda_runtime` |
//! |---|---|---|
//! | the header `Lambda-Runtime-Function-Error-Type` | `Function.<errorType>` | `unhandled` |
//! | the place of a panic | in `stackTrace` | only in the message |
//! | a payload that is not JSON | `Reject` | an error type of that crate; the function's log has no line |
//! | a stream that fails | reported in trailers; the client sees that the answer is not complete | the report is part of the body, and the answer counts as complete |
//! | the Runtime API answers a request for work with 5xx | tried again, see above | the process ends |
//! | the answer to an outcome is lost | the outcome is reported once more | the process ends |
//! | a worker of several ends | another one replaces it | the others continue |
//! | `SIGTERM` during an invocation | the invocation is finished | the process ends |
//! | `_X_AMZN_TRACE_ID` | takes no memory | with glibc, some 145 bytes more per invocation, for ever |

mod app;
mod ask;
mod attributes;
mod authorizer;
mod body;
mod caller;
mod change;
mod checks;
mod conditions;
mod connections;
mod context;
mod deadline;
mod decision;
mod dispatch;
mod emit;
mod error;
mod extract;
mod failures;
mod guard;
mod headers;
#[cfg(feature = "http-server")]
mod http_server;
pub mod idempotency;
mod invoked;
mod lambda;
mod layer;
#[cfg(feature = "http-server")]
mod linger;
mod log;
mod manifest;
mod mounted;
mod outcome;
mod panics;
mod payload;
mod probe;
mod registry;
mod reply;
mod requests;
mod returned;
mod secrets;
mod sender;
mod served;
mod shared;
mod start;
mod state;
mod stream;
pub mod testing;
#[cfg(feature = "tracing")]
pub mod tracing;
#[cfg(feature = "webhooks")]
pub mod webhook;

pub use app::App;
pub use ask::Ask;
pub use attributes::{Event, Schema, authorizer, http, invoke, queue, schedule, stream, subscribe};
/// Types for the payloads of AWS's services, for functions with [`#[invoke]`](macro@invoke). Each family is a feature with
/// its name in that crate: `cognito` for `aws_lambda_events::cognito`.
#[cfg(any(
    feature = "activemq",
    feature = "alb",
    feature = "apigw",
    feature = "appsync",
    feature = "autoscaling",
    feature = "bedrock_agent_runtime",
    feature = "chime_bot",
    feature = "clientvpn",
    feature = "cloudformation",
    feature = "cloudwatch_alarms",
    feature = "cloudwatch_events",
    feature = "cloudwatch_logs",
    feature = "code_commit",
    feature = "codebuild",
    feature = "codedeploy",
    feature = "codepipeline_cloudwatch",
    feature = "codepipeline_job",
    feature = "cognito",
    feature = "config",
    feature = "connect",
    feature = "controltower",
    feature = "documentdb",
    feature = "dynamodb",
    feature = "ecr_scan",
    feature = "firehose",
    feature = "iam",
    feature = "iot",
    feature = "iot_1_click",
    feature = "iot_button",
    feature = "kafka",
    feature = "kinesis",
    feature = "kinesis_analytics",
    feature = "lambda_function_urls",
    feature = "lex",
    feature = "rabbitmq",
    feature = "s3",
    feature = "s3_batch_job",
    feature = "secretsmanager",
    feature = "ses",
    feature = "sns",
    feature = "sqs",
    feature = "vpc_lattice",
))]
pub use aws_lambda_events;
/// axum itself: its extractors, responses, middleware and body types.
pub use axum;
/// axum's own extractors, responses and HTTP types.
pub use axum::{
    Form, Json,
    body::Bytes,
    extract::{Path, Query, Request},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
pub use caller::{Caller, Iam};
pub use change::{Change, ChangeKind};
pub use connections::{Connection, ConnectionRecorder, Connections, Presence};
pub use context::{Context, NotAFunction};
pub use decision::Decision;
/// The outbox: state and emitted events stored together, each event handled once. [`Emit::stage`] creates its events.
#[cfg(feature = "outbox")]
pub use eg_sdk::outbox;
pub use eg_sdk::{
    __private::{EventTrait as Event, SchemaTrait as Schema},
    Answer, CloudEvent, Data, EventGateway, Question, TraceContext, Verdict, schema,
};
pub use emit::Emit;
pub use error::{Error, ResultExt};
pub use layer::{Function, FunctionFuture};
pub use state::State;
/// tower itself: the traits of layers and services, and `ServiceExt` to call a service.
pub use tower;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The items that macro expansions name. Not part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use axum::extract::Request;
    pub use eg_grammar::StreamKind;
    pub use eg_sdk::__private::{Field, Part, Presence, Shape};
    pub use eg_sdk::CloudEvent;
    pub use inventory;

    pub use crate::checks::{check_received, check_types, event_type};
    pub use crate::conditions::{Operand, check_extension, check_field, check_operand, takes};
    pub use crate::decision::decided;
    pub use crate::extract::{Call, Extract, ResponseFuture, boxed};
    pub use crate::invoked::{Answer, Payload};
    pub use crate::manifest::{record, record_len, service_record, service_record_len};
    pub use crate::probe::{Events, Probe};
    pub use crate::registry::{
        Authorizes, Cors, EventBridge, Filter, FunctionDef, Mode, Queue, Retry, ServiceDef, Stream,
        Subscription, Trigger,
    };
    pub use crate::requests::Route;
    pub use crate::returned::{Failed, Returned, Success, reply};

    /// The traits that apply where a type has no item of its own, without names, so that they hide none of the user's.
    pub mod defaults {
        pub use crate::extract::Extractor as _;
        pub use crate::invoked::{ByDeserialize as _, ByExtraction as _, BySerialize as _};
        pub use crate::probe::{EmitsNothing as _, NeedsNothing as _, NoEvents as _, NoPayload as _};
        pub use crate::returned::{ByConversion as _, InNoWay as _, NoResult as _, OneResult as _};
    }
}
