//! The attributes and derives of functions and events, with their documentation. `eg-macros` expands them.

/// Ties a serde type to an event type: `#[derive(Event)] #[event("user.created")]`; `source = "…"` overrides
/// the default source, `/services/<service>`. Functions emit the event from this source only. The type gets its [`Schema`]
/// too; `schema = false` leaves that out.
pub use eg_macros::Event;
/// Describes the JSON of a type, for the schemas of the events that contain it; see [`schema`](crate::schema).
pub use eg_macros::Schema;
/// Decides which requests may reach the functions of routes: `#[authorizer]`.
///
/// The function gets the request without its body, through extractors as in [`macro@http`], and returns a [`Decision`](crate::Decision), or a
/// `Result` of it. Routes name it with `authorizer = …`, as a path that the compiler checks:
///
/// ```standalone_crate
/// use eg_runtime::{Caller, Decision, Error, HeaderMap, State, authorizer, http};
///
/// #[derive(Clone)]
/// struct Tokens(&'static str);
///
/// /// Knows one token.
/// #[authorizer]
/// async fn check_token(State(tokens): State<Tokens>, headers: HeaderMap) -> Result<Decision, Error> {
///     Ok(match headers.get("authorization").and_then(|value| value.to_str().ok()) {
///         None => Decision::unauthorized(),
///         Some(token) if token == tokens.0 => Decision::allow("donald").with("tier", "gold"),
///         Some(_) => Decision::deny(),
///     })
/// }
///
/// #[http(GET, "/orders", authorizer = check_token)]
/// async fn orders(caller: Caller) -> String {
///     format!("the orders of {}", caller.principal_id().unwrap_or_default())
/// }
///
/// # use eg_runtime::{App, testing::TestApp};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let app = TestApp::new(App::new().state(Tokens("Bearer t0k3n")))?;
/// assert_eq!(app.get("/orders").await.status(), 401);
/// assert_eq!(app.request("GET", "/orders").bearer("guess").send().await.status(), 403);
/// assert_eq!(app.request("GET", "/orders").bearer("t0k3n").send().await.text(), "the orders of donald");
/// # Ok(())
/// # }
/// ```
///
/// The client of a request that may not pass gets a 401 or a 403, as from API Gateway: `{"message":"Unauthorized"}`,
/// `{"message":"Forbidden"}`. An error with a status of 401 is the former, and with any other 4xx the latter. Any other error
/// is a 500.
///
/// | where the request comes from | who asks the authorizer |
/// |---|---|
/// | an HTTP API or a REST API with this authorizer | API Gateway, which calls the authorizer as a function of its own |
/// | plain HTTP; the event gateway, also that of `cargo eg run`; tests; function URLs, load balancers and VPC Lattice; an API without an authorizer | the process of the route's function, before the function |
///
/// So no request reaches the function before the authorizer allows it. A decision names its authorizer (`egAuthorizer` in the
/// context), and the decision of another one does not count. In the second case the authorizer runs in the process of another
/// function, with its role and its timeout; the values of its `State<T>` arguments must be there, too.
///
/// As a function of its own, the authorizer answers the questions of HTTP APIs (payload formats 1.0 and 2.0), REST APIs
/// (`TOKEN` and `REQUEST`) and WebSocket APIs (of `$connect`), each in its form. To an HTTP API with format 2.0 that is the
/// simple answer; with `#[authorizer(iam)]` it is a policy. A policy is for the request in question only, so an API that caches
/// policies must use the path as a source of identity. It also answers the event gateway, as the authorizer of an event type.
///
/// Options: `iam`, and `name`, `timeout`, `memory` and `crate` as in [`macro@http`]. An authorizer has no other trigger.
pub use eg_macros::authorizer;
/// Answers HTTP requests: `#[http(METHOD, "/path/{id}")]`.
///
/// METHOD is GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS, or ANY for all of them. A path segment `{name}` is a parameter,
/// and `{*name}` at the end matches the rest of the path. The gateway's spelling (`:name`, `*name`) works, too.
///
/// | option | meaning |
/// |---|---|
/// | `name = "createUser"` | the function's name; default: its name in Rust |
/// | `mode = "async"` | the caller does not wait, and a failed call is repeated |
/// | `stream` | the answer is sent while the function makes it; see [Streams](crate#streams) |
/// | `authorizer = check_token` | which requests pass; see [`macro@authorizer`] |
/// | `cors`, `cors(origins = ["…"], methods = ["…"], headers = ["…"], credentials = true)` | which web pages may call it |
/// | `body_limit = "64KiB"`, `body_limit = 65536` | the maximum size of a request's body, a plain number in bytes; a larger body gets a 413 |
/// | `timeout = "30s"`, `timeout = 30` | the maximum duration of a call; a plain number is in seconds |
/// | `memory = 512` | the memory of the function, in megabytes |
/// | `crate = path::to::eg_runtime` | the runtime under another name |
///
/// `timeout` and `memory` go into the manifest for deployment. Several attributes on one function are several triggers. An
/// argument may have a `#[cfg]`.
pub use eg_macros::http;
/// Handles whatever Lambda sends: `#[invoke]`.
///
/// The last argument is the payload, whoever sent it: any type that serde deserializes, `Json<T>` of one, or [`Bytes`](crate::Bytes).
/// The result is the answer, as it is: any type that serde serializes, or [`Bytes`](crate::Bytes). Neither is wrapped in an envelope.
/// `eg_runtime::aws_lambda_events` has types for the payloads of AWS's services; each family of them is a feature of this
/// crate.
///
/// ```
/// use eg_runtime::{Context, Error, State, invoke};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Deserialize)]
/// struct Order { item: String, count: u32 }
///
/// #[derive(Serialize)]
/// struct Price { cents: u32 }
///
/// /// A task of a state machine.
/// #[invoke]
/// async fn price(State(cents): State<u32>, order: Order) -> Result<Price, Error> {
///     match order.item.as_str() {
///         "lamp" => Ok(Price { cents: cents * order.count }),
///         other => Err(Error::reject(format!("`{other}` has no price")).with_type("NoPrice")),
///     }
/// }
/// ```
///
/// An error reaches the caller as Lambda's error: `errorType` is that of [`Error::with_type`](crate::Error::with_type), else `Retry` or `Reject`. A
/// payload that does not fit the type is a `Reject`.
///
/// The function is called by its name: on Lambda with `_HANDLER` set to it, or if it is the only function of the binary;
/// locally with `cargo eg invoke NAME --data '…'`; over HTTP with `POST /functions/<name>`. A process that serves
/// several functions calls none with `#[invoke]`, because a payload does not say which function it is for. The gateway
/// never calls such a function, and the template adds no trigger for it: name it in the service that calls it. It can have
/// no other trigger.
///
/// Options: `name`, `timeout`, `memory` and `crate` as in [`macro@http`].
pub use eg_macros::invoke;
/// Handles the messages of an SQS queue: `#[queue("orders")]`.
///
/// Each message is one call. If a message is a CloudEvent, an event in EventBridge's envelope, or an SNS notification
/// of one of these, the function gets that event. Of any other message, `Json<T>` and `CloudEvent<T>` get the body.
/// Only failed messages of a batch are delivered again (on Lambda this needs `ReportBatchItemFailures` on the event
/// source mapping). On FIFO queues, messages of the same group after a failed one are not handled before it.
///
/// A rejected message goes to the failures queue that `EVENT_FAILURES_QUEUE` names, and leaves its queue (see
/// [Rejections and loops on AWS](crate#rejections-and-loops-on-aws)). Without that variable, it is delivered again until its
/// queue moves it to the dead-letter queue; the local queues of `cargo eg run` move it there at once.
///
/// Options: `batch_size = 10` and `window = "5s"` (for the event source mapping), and `name`, `timeout`, `memory` and
/// `crate` as in [`macro@http`].
pub use eg_macros::queue;
/// Runs on a schedule: `#[schedule("rate(5 minutes)")]`, `#[schedule("cron(0 12 * * ? *)")]`, in EventBridge's syntax
/// (minutes, hours, day of month, month, day of week, year; UTC), which is checked at compile time.
///
/// The function may take the `CloudEvent<Data>` that EventBridge sends. Options: `name`, `timeout`, `memory` and
/// `crate` as in [`macro@http`].
pub use eg_macros::schedule;
/// Handles the records of a stream: `#[stream(dynamodb("orders"))]`, `#[stream(kinesis("clicks"))]` or
/// `#[stream(kafka("orders"))]`, of DynamoDB Streams, Kinesis, Amazon MSK or a Kafka cluster elsewhere.
///
/// Each record is one call, in the order of its shard or partition. For DynamoDB, the payload is a [`Change`](crate::Change). For the others
/// it is the content of the record; if that is a CloudEvent or an event in EventBridge's envelope, the function gets that
/// event. In `CloudEvent<T>`, the `subject` is the key.
///
/// After a failure, no record behind it in its shard is handled, and Lambda sends the failed one and those behind it again.
/// (This needs `ReportBatchItemFailures` on the event source mapping, which the template sets; Kafka also needs provisioned
/// pollers.) The mapping gives a record up after the attempts or the age of `retry`, and sends its place in the stream to the
/// failures queue.
///
/// A rejected record goes to the failures queue, and the records behind it are handled. Without `EVENT_FAILURES_QUEUE`, it is
/// sent again until the mapping gives it up.
///
/// Options: `batch_size = 100` (1 to 10,000), `window = "5s"`, `retry(attempts = 5, max_age = "1h")`, and `name`, `timeout`,
/// `memory` and `crate` as in [`macro@http`]. Locally, `cargo eg emit --stream NAME` sends a record.
pub use eg_macros::stream;
/// Handles events: `#[subscribe("user.created")]`, `#[subscribe("a", "b")]`, `#[subscribe(UserCreated)]`.
///
/// Options: `name = "sendWelcomeEmail"` (default: the function's name), `mode = "sync"` (the emitter gets the
/// answer), `path = "/x"` and `method = PUT` (for events posted there; default: `/` and POST), `retry(attempts = 5,
/// max_age = "1h", min_backoff = 1, max_backoff = "5m")`, and `timeout`, `memory` and `crate` as in [`macro@http`].
/// Several attributes on one function are several triggers.
///
/// `where(data.amount > 500, data.country in ["DE", "AT"])` is for the events that meet all of these conditions. The compiler
/// compares them with the type of the event, by the names in the JSON. Operators: `==`, `!=`, `<`, `<=`, `>`, `>=`, `in` (a list, a
/// range such as `5..=10`, or `cidr("10.0.0.0/8")`), `exists`, `starts_with`, `ends_with`, `like` (`*` stands for any characters),
/// `equals_ignore_case`, and `not` before each of these words. `any(…)` needs one of its conditions, in which `all(…)` groups
/// several. `source`, `subject` and extensions are compared without `data.`.
///
/// `ordered` delivers events with the same extension `partitionkey` one after the other; it needs an event gateway.
///
/// Give a synchronous subscription a path if it is also called on AWS, where there is no gateway: HTTP requests to the path
/// that carry the event, in structured or binary mode, reach the function through an HTTP API. `cargo eg check` lists those
/// without one.
///
/// Events of AWS's services come through EventBridge: `#[subscribe(eventbridge(source = "aws.s3", detail_type = "Object
/// Created"))]`. `source` and `detail_type` may be lists, and `detail` is a pattern for the content, in EventBridge's language
/// with the operators `prefix`, `suffix`, `wildcard`, `equals-ignore-case`, `anything-but`, `numeric`, `cidr`, `exists` and `$or`:
///
/// ```
/// use eg_runtime::{CloudEvent, subscribe};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Created { object: Object }
///
/// #[derive(Deserialize)]
/// struct Object { key: String, size: u64 }
///
/// #[subscribe(eventbridge(
///     source = "aws.s3",
///     detail_type = "Object Created",
///     detail = {"bucket": {"name": ["pictures"]}, "object": {"size": [{"numeric": [">", 0]}]}},
/// ))]
/// async fn resize(event: CloudEvent<Created>) {
///     println!("{}: {} bytes", event.data.object.key, event.data.object.size);
/// }
/// ```
///
/// In the template this becomes a rule, for sources that begin with `aws.` on the default bus, where AWS's services emit.
/// Locally, `cargo eg emit --event "Object Created" --source aws.s3` emits such an event; the gateway compares it
/// with the same pattern. A process that serves all functions (`*`) does not compare the detail.
///
/// `retry` limits the number of `attempts` (including the first) and the age (`max_age` after acceptance) of a
/// delivery, and the backoff between attempts: at most `min_backoff` after the first, doubling each time, and never
/// more than `max_backoff`. The gateway's defaults apply to limits that are left out.
pub use eg_macros::subscribe;
