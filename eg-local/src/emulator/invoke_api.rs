//! Serves the Invoke API to AWS SDKs and the gateway. Checks the request, invokes the function and writes the outcome
//! as headers and a body.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{RequestPartsExt as _, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::arn::{FunctionName, LATEST};
use super::body::{Received, receive};
use super::event_stream::{self, Complete};
use super::events::carry_out;
use super::function::Function;
use super::invocation::{Completed, Invocation, Outcome, check_payload};
use super::registry::Registry;
use super::status::{ACCEPTED, DRY_RUN, INVOKED, InvokeError, MAX_EVENT_PAYLOAD, MAX_PAYLOAD};

const INVOCATION_TYPE: &str = "x-amz-invocation-type";
const LOG_TYPE: &str = "x-amz-log-type";
const CLIENT_CONTEXT: &str = "x-amz-client-context";
const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");

/// The number of buffered parts of a streamed answer for a slow caller.
const PARTS: usize = 16;

/// Whether the caller waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InvocationType {
    RequestResponse,
    Event,
    DryRun,
}

#[derive(Debug, Deserialize)]
struct Parameters {
    #[serde(rename = "Qualifier")]
    qualifier: Option<String>,
}

/// The routes of the Invoke API.
pub(super) fn router(registry: Registry) -> Router {
    Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .route(
            "/2021-11-15/functions/{name}/response-streaming-invocations",
            post(invoke_with_response_stream),
        )
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        // `receive` enforces Lambda's limit with Lambda's error.
        .layer(DefaultBodyLimit::disable())
        .with_state(registry)
}

/// A valid request.
struct Request {
    kind: InvocationType,
    function: Arc<Function>,
    name: String,
    invocation: Invocation,
    /// Whether the caller requests the end of the log.
    wants_log: bool,
}

async fn invoke(State(registry): State<Registry>, request: Request) -> Result<Response, InvokeError> {
    let Request { kind, function, name, invocation, wants_log } = request;
    let ids = Ids::of(&invocation);
    let response = match kind {
        InvocationType::DryRun => DRY_RUN.into_response(),
        InvocationType::Event => {
            // Continues without a waiting caller.
            drop(registry.work().spawn(carry_out(invocation, name, function, registry.clone()))?);
            ACCEPTED.into_response()
        }
        InvocationType::RequestResponse => {
            let place = function.reserve().await?;
            // A separate task, so that the invocation continues if the caller disconnects, as on Lambda.
            let task = registry.work().spawn(async move { function.invoke(&invocation, place).await })?;
            answer(task.await.map_err(|_| InvokeError::Stopping)?, wants_log)
        }
    };
    Ok(ids.add_to(response))
}

async fn invoke_with_response_stream(
    State(registry): State<Registry>,
    request: Request,
) -> Result<Response, InvokeError> {
    let Request { kind, function, mut invocation, wants_log, .. } = request;
    let ids = Ids::of(&invocation);
    match kind {
        InvocationType::DryRun => return Ok(ids.add_to(DRY_RUN.into_response())),
        InvocationType::RequestResponse => {}
        InvocationType::Event => {
            return Err(InvokeError::BadHeader {
                header: INVOCATION_TYPE,
                allowed: "RequestResponse or DryRun",
                value: "Event".to_owned(),
            });
        }
    }
    let place = function.reserve().await?;
    let (sender, parts) = mpsc::channel(PARTS);
    invocation.parts = Some(sender);
    // The task owns the invocation, so the parts end with it.
    let task = registry.work().spawn(async move { function.invoke(&invocation, place).await })?;
    let messages = futures_util::stream::unfold(Streaming::Parts(parts, task), move |streaming| async move {
        let (message, next) = streaming.next(wants_log).await?;
        Some((Ok::<_, Infallible>(message), next))
    });
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(event_stream::CONTENT_TYPE)),
        (EXECUTED_VERSION, HeaderValue::from_static(LATEST)),
    ];
    Ok(ids.add_to((INVOKED, headers, Body::from_stream(messages)).into_response()))
}

/// The rest of a streamed answer.
enum Streaming {
    Parts(mpsc::Receiver<Bytes>, JoinHandle<Completed>),
    Done,
}

impl Streaming {
    async fn next(self, wants_log: bool) -> Option<(Bytes, Self)> {
        let Self::Parts(mut parts, task) = self else { return None };
        if let Some(part) = parts.recv().await {
            return Some((event_stream::parts(part), Self::Parts(parts, task)));
        }
        // This fails only when the runtime ends.
        let completed = task.await.ok()?;
        let log_result = wants_log.then(|| STANDARD.encode(&completed.log_tail));
        let (rest, end) = match completed.outcome {
            Outcome::Answer(rest) => (rest, Complete { log_result, ..Complete::default() }),
            Outcome::FunctionError(error) => {
                let details = String::from_utf8_lossy(&error).into_owned();
                let end =
                    Complete { error_code: error_code(&error), error_details: Some(details), log_result };
                (Bytes::new(), end)
            }
        };
        // An answer that the function did not stream is sent as a whole.
        let last = [event_stream::parts(rest), event_stream::complete(&end)].concat();
        Some((last.into(), Self::Done))
    }
}

/// Returns the `errorType` of an error object.
fn error_code(error: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Error {
        error_type: Option<String>,
    }
    let error = serde_json::from_slice::<Error>(error).ok().and_then(|error| error.error_type);
    Some(error.unwrap_or_else(|| "Unhandled".to_owned()))
}

impl FromRequest<Registry> for Request {
    type Rejection = Response;

    async fn from_request(request: axum::extract::Request, registry: &Registry) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Path(name) = parts.extract::<Path<String>>().await.map_err(IntoResponse::into_response)?;
        let Query(parameters) =
            parts.extract::<Query<Parameters>>().await.map_err(IntoResponse::into_response)?;
        let request = Self::read(registry, name, parameters, &parts.headers, body).await;
        request.map_err(IntoResponse::into_response)
    }
}

impl Request {
    async fn read(
        registry: &Registry,
        name: String,
        parameters: Parameters,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Self, InvokeError> {
        let kind = invocation_type(headers)?;
        let wants_log = wants_log(headers)?;
        let mut name = FunctionName::parse(&name).ok_or(InvokeError::BadName(name))?;
        name.qualifier = name.qualifier.or(parameters.qualifier);
        let client_context = client_context(headers)?;
        let payload = payload(body, kind).await?;
        let Some(function) = registry.get(&name.name).filter(|_| name.is_latest()) else {
            return Err(InvokeError::FunctionNotFound(name));
        };
        let mut invocation = Invocation::new(&name.name, payload, headers.get(TRACE_ID).cloned());
        invocation.client_context = client_context;
        Ok(Self { kind, function, name: name.name, invocation, wants_log })
    }
}

/// Writes the headers that every answer has.
struct Ids {
    request: Option<HeaderValue>,
    trace: HeaderValue,
}

impl Ids {
    fn of(invocation: &Invocation) -> Self {
        // A request id consists of hexadecimal digits and dashes.
        let request = HeaderValue::from_str(&invocation.request_id).ok();
        Self { request, trace: invocation.trace_id.clone() }
    }

    fn add_to(self, mut response: Response) -> Response {
        response.headers_mut().extend(self.request.map(|id| (REQUEST_ID, id)));
        response.headers_mut().insert(TRACE_ID, self.trace);
        response
    }
}

fn answer(completed: Completed, wants_log: bool) -> Response {
    let (payload, failed) = match completed.outcome {
        Outcome::Answer(payload) => (payload, false),
        Outcome::FunctionError(payload) => (payload, true),
    };
    let mut response = (INVOKED, [(CONTENT_TYPE, "application/json")], payload).into_response();
    let headers = response.headers_mut();
    headers.insert(EXECUTED_VERSION, HeaderValue::from_static(LATEST));
    if failed {
        headers.insert(FUNCTION_ERROR, HeaderValue::from_static("Unhandled"));
    }
    // Base64 is always a valid header value.
    let log = wants_log.then(|| HeaderValue::from_str(&STANDARD.encode(&completed.log_tail)));
    headers.extend(log.and_then(Result::ok).map(|log| (LOG_RESULT, log)));
    response
}

fn invocation_type(headers: &HeaderMap) -> Result<InvocationType, InvokeError> {
    match header(headers, INVOCATION_TYPE) {
        None | Some("RequestResponse") => Ok(InvocationType::RequestResponse),
        Some("Event") => Ok(InvocationType::Event),
        Some("DryRun") => Ok(InvocationType::DryRun),
        Some(value) => Err(InvokeError::BadHeader {
            header: INVOCATION_TYPE,
            allowed: "RequestResponse, Event or DryRun",
            value: value.to_owned(),
        }),
    }
}

fn wants_log(headers: &HeaderMap) -> Result<bool, InvokeError> {
    match header(headers, LOG_TYPE) {
        None | Some("None") => Ok(false),
        Some("Tail") => Ok(true),
        Some(value) => {
            Err(InvokeError::BadHeader { header: LOG_TYPE, allowed: "None or Tail", value: value.to_owned() })
        }
    }
}

/// Decodes the client context, which callers send in base64 and functions get as JSON.
fn client_context(headers: &HeaderMap) -> Result<Option<HeaderValue>, InvokeError> {
    let Some(encoded) = headers.get(CLIENT_CONTEXT) else { return Ok(None) };
    let bad = |error: &dyn fmt::Display| InvokeError::BadClientContext(error.to_string());
    let decoded = STANDARD.decode(encoded).map_err(|error| bad(&error))?;
    // Serialized again to remove line breaks, which a header cannot contain.
    let json: serde_json::Value = serde_json::from_slice(&decoded).map_err(|error| bad(&error))?;
    HeaderValue::from_str(&ascii(&json)).map(Some).map_err(|error| bad(&error))
}

/// Escapes non-ASCII characters, because runtimes read headers as ASCII.
fn ascii(json: &serde_json::Value) -> String {
    let mut text = String::new();
    for character in json.to_string().chars() {
        if character.is_ascii() && character != '\u{7f}' {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                text += &format!("\\u{unit:04x}");
            }
        }
    }
    text
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("(unprintable)"))
}

async fn payload(body: Body, kind: InvocationType) -> Result<Bytes, InvokeError> {
    let limit = match kind {
        InvocationType::Event => MAX_EVENT_PAYLOAD,
        InvocationType::RequestResponse | InvocationType::DryRun => MAX_PAYLOAD,
    };
    match receive(body, limit).await {
        Received::TooLarge => Err(InvokeError::TooLarge { limit }),
        Received::Broken(error) => Err(InvokeError::Unreadable(error)),
        Received::Whole(bytes) => check_payload(bytes, limit),
    }
}

async fn unknown(request: axum::extract::Request) -> InvokeError {
    InvokeError::UnknownOperation {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
    }
}
