//! The Invoke API, as AWS SDKs and the gateway call it. Checks the request, hands it to the function
//! and turns the outcome into headers and a body.

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::arn::{FunctionName, LATEST};
use super::body::{Received, receive};
use super::invocation::{Completed, Invocation, Outcome};
use super::registry::Registry;
use super::status::{ACCEPTED, DRY_RUN, INVOKED, InvokeError, MAX_EVENT_PAYLOAD, MAX_PAYLOAD};

const INVOCATION_TYPE: &str = "x-amz-invocation-type";
const LOG_TYPE: &str = "x-amz-log-type";
const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");

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
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        // `receive` has Lambda's limits and Lambda's error.
        .layer(DefaultBodyLimit::disable())
        .with_state(registry)
}

async fn invoke(
    State(registry): State<Registry>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, InvokeError> {
    let kind = invocation_type(&headers)?;
    let wants_log = wants_log(&headers)?;
    let mut name = FunctionName::parse(&name).ok_or(InvokeError::BadName(name))?;
    name.qualifier = name.qualifier.or(parameters.qualifier);
    let payload = payload(body, kind).await?;
    let Some(function) = registry.get(&name.name).filter(|_| name.is_latest()) else {
        return Err(InvokeError::FunctionNotFound(name));
    };

    let invocation = Invocation::new(&name.name, payload, headers.get(TRACE_ID).cloned());
    let mut response = match kind {
        InvocationType::DryRun => DRY_RUN.into_response(),
        InvocationType::Event => {
            let invocation = invocation.clone();
            // Runs on when nobody waits for it.
            drop(registry.work().spawn(async move { function.invoke(&invocation).await })?);
            ACCEPTED.into_response()
        }
        InvocationType::RequestResponse => {
            let running = invocation.clone();
            // A task of its own: the invocation goes on when the caller hangs up, as on Lambda.
            let task = registry.work().spawn(async move { function.invoke(&running).await })?;
            answer(task.await.map_err(|_| InvokeError::Stopping)?, wants_log)
        }
    };
    let id = HeaderValue::from_str(&invocation.request_id);
    // A request id is made of hexadecimal digits and dashes.
    response.headers_mut().extend(id.ok().map(|id| (REQUEST_ID, id)));
    response.headers_mut().insert(TRACE_ID, invocation.trace_id);
    Ok(response)
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
    if wants_log {
        let log = HeaderValue::from_str(&STANDARD.encode(completed.log_tail));
        // Base64 always is a header value.
        headers.extend(log.ok().map(|log| (LOG_RESULT, log)));
    }
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

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("(unprintable)"))
}

/// An empty body stands for an empty object.
async fn payload(body: Body, kind: InvocationType) -> Result<Bytes, InvokeError> {
    let limit = match kind {
        InvocationType::Event => MAX_EVENT_PAYLOAD,
        InvocationType::RequestResponse | InvocationType::DryRun => MAX_PAYLOAD,
    };
    match receive(body, limit).await {
        Received::TooLarge => Err(InvokeError::TooLarge { limit }),
        Received::Broken(error) => Err(InvokeError::Unreadable(error)),
        Received::Whole(bytes) if bytes.is_empty() => Ok(Bytes::from_static(b"{}")),
        Received::Whole(bytes) => match serde_json::from_slice::<IgnoredAny>(&bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(InvokeError::NotJson(error)),
        },
    }
}

async fn unknown(request: Request) -> InvokeError {
    InvokeError::UnknownOperation {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
    }
}
