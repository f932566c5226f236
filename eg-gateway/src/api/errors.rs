//! Every status code that is not a success, and the body that comes with it. The only place that maps errors to
//! statuses.

use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::configuration::ChangeError;
use crate::decide::access::Denial;
use crate::decide::authorize::Denied;
use crate::decide::classify::BadEvent;
use crate::decide::refusal::Refusal;
use crate::decide::reply::Malformed;
use crate::deliver::CallError;
use crate::store::StoreError;

/// An error as clients of both APIs see it.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    message: String,
}

impl ApiError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn body_too_large(limit: usize) -> Self {
        let message =
            format!("the request body is larger than {limit} bytes: send less, or a reference to the data");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    pub(super) fn body_too_slow(limit: Duration) -> Self {
        let message = format!("the request body did not arrive within {} s", limit.as_secs());
        Self::new(StatusCode::REQUEST_TIMEOUT, message)
    }

    pub(super) fn body_broken(error: &(dyn Error + 'static)) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("the request body cannot be read: {error}"))
    }

    pub(super) fn bad_query(name: &str, rule: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("query parameter {name} must be {rule}"))
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// The authorizer of the event's type did not agree.
    pub(super) fn unauthorized(event_type: &str, denied: &Denied) -> Self {
        let reason = match denied {
            Denied::Refused(message) => message,
            Denied::Malformed(_) => "its authorizer gave no usable answer; the log of the gateway says more",
        };
        let message = format!("Event of type \"{event_type}\" is not authorized: {reason}");
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// Nothing would fetch what a connection is to bring.
    pub(super) fn no_connectors() -> Self {
        let message = "this gateway runs no connectors: let the source send its events to the Events API";
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A path parameter is not UTF-8.
    pub(super) fn bad_path() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "the path is not valid UTF-8 after percent-decoding")
    }

    /// A request has to say once for which host it is.
    pub(super) fn bad_host() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "the request needs exactly one valid Host header")
    }

    /// An event of a batch asks for an answer.
    pub(super) fn answered_in_batch(event_type: &str) -> Self {
        let message = format!(
            "events of type \"{event_type}\" are answered by a function here, and a batch has no place for answers: \
             emit them one by one"
        );
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A defect of the gateway itself.
    pub(super) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the gateway failed on this request; its log says how")
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::NotFound { .. } => StatusCode::NOT_FOUND,
            Refusal::Exists { .. } => StatusCode::CONFLICT,
            Refusal::Invalid { .. }
            | Refusal::Dangling { .. }
            | Refusal::AuthorizerMissing
            | Refusal::AuthorizerOfSystem(_)
            | Refusal::FunctionAuthorizes { .. }
            | Refusal::EventTypeInUse
            | Refusal::FunctionInUse
            | Refusal::PathConflict(_)
            | Refusal::CorsConflict(_)
            | Refusal::Immutable { .. } => StatusCode::BAD_REQUEST,
        };
        Self::new(status, refusal.to_string())
    }
}

impl From<StoreError> for ApiError {
    /// Whatever the cause, nothing was accepted, and trying again is right.
    fn from(error: StoreError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Refused(refusal) => refusal.into(),
            ChangeError::Store(error) => error.into(),
        }
    }
}

impl From<Denial> for ApiError {
    fn from(denial: Denial) -> Self {
        let status = match denial {
            Denial::Missing => StatusCode::UNAUTHORIZED,
            Denial::Wrong | Denial::NotLocal => StatusCode::FORBIDDEN,
        };
        Self::new(status, denial.to_string())
    }
}

impl From<BadEvent> for ApiError {
    fn from(error: BadEvent) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<CallError> for ApiError {
    /// What went wrong is the operator's business: the emitter is pointed to the log, as the original did.
    fn from(error: CallError) -> Self {
        let message = match error {
            CallError::AccessDenied { code, .. } => format!(
                "Function call failed with {code}. The provided credentials do not allow the gateway to invoke the \
                 function. Please check the keys of the function's provider and their permissions."
            ),
            CallError::Failed(_) => "Function call failed. Please check logs.".to_owned(),
        };
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl From<Malformed> for ApiError {
    fn from(error: Malformed) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = super::json(self.status, &json!({ "errors": [{ "message": self.message }] }));
        let hint = match self.status {
            StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, "1")),
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
            _ => None,
        };
        if let Some((name, value)) = hint {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// No such path of the Config API.
pub(super) fn not_found() -> Response {
    super::with_type(
        super::answer(StatusCode::NOT_FOUND, Body::from("404 page not found\n")),
        "text/plain; charset=utf-8",
    )
}

/// The path is there, the method is not.
pub(super) fn method_not_allowed() -> Response {
    let response = super::answer(StatusCode::METHOD_NOT_ALLOWED, Body::from("Method Not Allowed\n"));
    super::with_type(response, "text/plain; charset=utf-8")
}
