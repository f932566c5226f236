//! The status codes, error types and bodies of the Invoke API and the Runtime API. Spellings follow Lambda's API
//! reference, because SDKs and runtimes compare them.

use axum::response::{IntoResponse, Response};
use eg_grammar::limits;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::json;

use super::arn::FunctionName;

/// The largest payload of a synchronous invoke and the largest answer, in bytes.
pub(super) const MAX_PAYLOAD: usize = limits::PAYLOAD;

/// The largest payload of an asynchronous invoke, in bytes.
pub(super) const MAX_EVENT_PAYLOAD: usize = limits::ASYNC_PAYLOAD;

/// The largest streamed answer, in bytes.
pub(super) const MAX_STREAM: usize = limits::STREAMED_ANSWER;

/// The header from which AWS SDKs read the error type.
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// Why an invocation was refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvokeError {
    #[error("Function not found: {0}")]
    FunctionNotFound(FunctionName),
    #[error("{0:?} is not a function name or ARN")]
    BadName(String),
    #[error("Could not parse request body into json: {0}")]
    NotJson(serde_json::Error),
    #[error("Could not read the request body: {0}")]
    Unreadable(String),
    #[error("Request must be smaller than {limit} bytes for the InvokeFunction operation")]
    TooLarge { limit: usize },
    #[error("Could not read the client context: {0}")]
    BadClientContext(String),
    #[error("Rate Exceeded.")]
    Throttled,
    #[error("{header} must be {allowed}, not {value:?}")]
    BadHeader { header: &'static str, allowed: &'static str, value: String },
    #[error("the emulator has no operation {method} {path}")]
    UnknownOperation { method: String, path: String },
    #[error("the emulator is stopping")]
    Stopping,
}

impl InvokeError {
    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::FunctionNotFound(_) => (StatusCode::NOT_FOUND, "ResourceNotFoundException"),
            Self::BadName(_) | Self::BadHeader { .. } => {
                (StatusCode::BAD_REQUEST, "InvalidParameterValueException")
            }
            Self::Throttled => (StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException"),
            Self::NotJson(_) | Self::Unreadable(_) | Self::BadClientContext(_) => {
                (StatusCode::BAD_REQUEST, "InvalidRequestContentException")
            }
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException"),
            Self::UnknownOperation { .. } => (StatusCode::NOT_FOUND, "UnknownOperationException"),
            Self::Stopping => (StatusCode::INTERNAL_SERVER_ERROR, "ServiceException"),
        }
    }
}

impl IntoResponse for InvokeError {
    fn into_response(self) -> Response {
        let (status, error_type) = self.status();
        let blame = if status.is_server_error() { "Service" } else { "User" };
        // Lambda's spelling of the key varies by error; SDKs accept both.
        let key = if matches!(self, Self::FunctionNotFound(_)) { "Message" } else { "message" };
        let mut body = json!({"Type": blame, key: self.to_string()});
        if matches!(self, Self::Throttled) {
            body["Reason"] = "ReservedFunctionConcurrentInvocationLimitExceeded".into();
        }
        let mut response = json_response(status, &body);
        response.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(error_type));
        response
    }
}

/// Why the Runtime API refused a call.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("Invalid request ID")]
    UnknownRequest,
    #[error("State transition is not allowed: {0}")]
    OutOfTurn(&'static str),
    #[error("Exceeded maximum allowed payload size ({MAX_PAYLOAD} bytes).")]
    TooLarge,
    #[error("Could not read the request body: {0}")]
    Unreadable(String),
    #[error("the execution environment is gone")]
    Gone,
    #[error("the Runtime API has no operation {method} {path}")]
    UnknownOperation { method: String, path: String },
}

impl Refusal {
    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::UnknownRequest => (StatusCode::BAD_REQUEST, "InvalidRequestID"),
            Self::Unreadable(_) => (StatusCode::BAD_REQUEST, "InvalidRequestContent"),
            Self::OutOfTurn(_) => (StatusCode::FORBIDDEN, "InvalidStateTransition"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"),
            // For a runtime, any 500 means that it must exit.
            Self::Gone => (StatusCode::INTERNAL_SERVER_ERROR, "ContainerError"),
            Self::UnknownOperation { .. } => (StatusCode::NOT_FOUND, "UnknownOperation"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error_type) = self.status();
        json_response(status, &json!({"errorMessage": self.to_string(), "errorType": error_type}))
    }
}

/// Why the Extensions API refused a call.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExtensionRefusal {
    #[error("Empty extension name")]
    NoName,
    #[error("{0}")]
    BadRequest(String),
    #[error("{0}: unknown event type; there are INVOKE and SHUTDOWN")]
    UnknownEventType(String),
    #[error("SHUTDOWN: only external extensions can register for it")]
    ShutdownIsForExternal,
    #[error("Extension registration closed already")]
    RegistrationClosed,
    #[error("Extension with this name already registered")]
    AlreadyRegistered,
    #[error("Extension limit ({most}) reached")]
    TooMany { most: usize },
    #[error("Missing Lambda-Extension-Identifier header")]
    NoIdentifier,
    #[error("Invalid Lambda-Extension-Identifier")]
    BadIdentifier,
    #[error("Unknown extension {0}")]
    UnknownIdentifier(String),
    #[error("{0} not found")]
    MissingHeader(&'static str),
    #[error("the execution environment is gone")]
    Gone,
}

impl ExtensionRefusal {
    fn status(&self) -> (StatusCode, &'static str) {
        let error_type = match self {
            Self::NoName => "Extension.InvalidExtensionName",
            Self::BadRequest(_) => "InvalidRequestFormat",
            Self::UnknownEventType(_) | Self::ShutdownIsForExternal => "Extension.InvalidEventType",
            Self::RegistrationClosed => "Extension.RegistrationClosed",
            Self::AlreadyRegistered => "Extension.InvalidExtensionState",
            Self::TooMany { .. } => "Extension.TooManyExtensions",
            Self::NoIdentifier => "Extension.MissingExtensionIdentifier",
            Self::BadIdentifier => "Extension.InvalidExtensionIdentifier",
            Self::UnknownIdentifier(_) => "Extension.UnknownExtensionIdentifier",
            Self::MissingHeader(_) => "Extension.MissingHeader",
            Self::Gone => return (StatusCode::INTERNAL_SERVER_ERROR, "ContainerError"),
        };
        (StatusCode::FORBIDDEN, error_type)
    }
}

impl IntoResponse for ExtensionRefusal {
    fn into_response(self) -> Response {
        let (status, error_type) = self.status();
        json_response(status, &json!({"errorMessage": self.to_string(), "errorType": error_type}))
    }
}

/// The Runtime API's answer to an accepted response or error.
pub(super) fn taken() -> Response {
    json_response(StatusCode::ACCEPTED, &json!({"status": "OK"}))
}

/// The answer to an extension's request.
pub(super) fn told(answer: &impl Serialize) -> Response {
    // Serializing texts and numbers cannot fail.
    let body = serde_json::to_value(answer).unwrap_or_default();
    json_response(StatusCode::OK, &body)
}

/// The answer to an accepted asynchronous invocation.
pub(super) const ACCEPTED: StatusCode = StatusCode::ACCEPTED;

/// The answer to a successful dry run.
pub(super) const DRY_RUN: StatusCode = StatusCode::NO_CONTENT;

/// The answer of an invoked function, successful or failed.
pub(super) const INVOKED: StatusCode = StatusCode::OK;

fn json_response(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
