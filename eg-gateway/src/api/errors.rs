//! Maps every failure to its error code, and so to its status. No other module maps failures to statuses.

use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use eg_grammar::{Foreign, printable, printable_lines};
use eg_sdk::errors::{ErrorBody, ErrorCode};

use crate::budget::{Kind, Refused};
use crate::configuration::ChangeError;
use crate::decide::access::Denial;
use crate::decide::authorize::Denied;
use crate::decide::classify::BadEvent;
use crate::decide::refusal::Refusal;
use crate::decide::reply::Malformed;
use crate::decide::size::TooLarge;
use crate::decide::volume::TooMany;
use crate::deliver::CallError;
use crate::store::StoreError;

/// An error in the form that clients of both APIs receive.
#[derive(Debug)]
pub(crate) struct ApiError {
    code: ErrorCode,
    message: String,
}

impl ApiError {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let message = message.into();
        // Texts of clients and functions may end up in a terminal, with the body of the answer.
        Self { code, message: printable_lines(&message).into_owned() }
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).expect("codes have statuses that exist")
    }

    pub(super) fn code(&self) -> ErrorCode {
        self.code
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn body_too_large(limit: usize) -> Self {
        let message =
            format!("the request body is larger than {limit} bytes: send less, or a reference to the data");
        Self::new(ErrorCode::TooLarge, message)
    }

    pub(super) fn body_too_slow(limit: Duration) -> Self {
        let message = format!("the request body did not arrive within {} s", limit.as_secs());
        Self::new(ErrorCode::Timeout, message)
    }

    /// There is no memory for a request.
    pub(super) fn no_memory(refused: Refused) -> Self {
        let whose = match refused {
            Refused::Full => "the gateway's memory for requests is used up",
            Refused::Share(Kind::Client) => "this client's share of the memory for requests is used up",
            Refused::Share(Kind::Space) => "the space's share of the memory for requests is used up",
            Refused::Share(Kind::Function) => "the function's share of the memory for requests is used up",
        };
        Self::new(ErrorCode::Overloaded, format!("{whose}; try again"))
    }

    /// Too many emitters wait for a function.
    pub(super) fn no_call(function: &str) -> Self {
        let message = format!("too many requests wait for function \"{function}\"; try again");
        Self::new(ErrorCode::Overloaded, message)
    }

    pub(super) fn body_broken(error: &(dyn Error + 'static)) -> Self {
        Self::new(ErrorCode::InvalidRequest, format!("the request body cannot be read: {error}"))
    }

    pub(super) fn bad_query(name: &str, rule: &str) -> Self {
        Self::new(ErrorCode::InvalidRequest, format!("query parameter {name} must be {rule}"))
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// The dead letter cannot be redriven, because its subscription is deleted or disabled.
    pub(super) fn subscription_inactive(dead_letter: &str) -> Self {
        let message = format!(
            "the subscription of dead letter {dead_letter} is deleted or disabled: create or enable it first"
        );
        Self::new(ErrorCode::SubscriptionInactive, message)
    }

    /// The job gives up deliveries that must not be attempted any more.
    pub(super) fn job_not_cancellable(job: &str) -> Self {
        let message = format!(
            "job {job} gives up the deliveries of a deleted or disabled subscription, and cannot be cancelled: redrive \
             them once the subscription is back"
        );
        Self::new(ErrorCode::Unsupported, message)
    }

    /// The authorizer of the event's type refused the event.
    pub(super) fn unauthorized(event_type: &str, denied: &Denied) -> Self {
        let reason = match denied {
            Denied::Refused(message) => message,
            Denied::Malformed(_) => "its authorizer gave no usable answer; the log of the gateway says more",
        };
        let message = format!("Event of type \"{event_type}\" is not authorized: {reason}");
        Self::new(ErrorCode::NotAuthorized, message)
    }

    /// The gateway has no connectors, so a connection would have no effect.
    pub(super) fn no_connectors() -> Self {
        let message = "this gateway runs no connectors: let the source send its events to the Events API";
        Self::new(ErrorCode::Unsupported, message)
    }

    /// A path parameter is not UTF-8.
    pub(super) fn bad_path() -> Self {
        Self::new(ErrorCode::InvalidRequest, "the path is not valid UTF-8 after percent-decoding")
    }

    /// The request has no valid `Host`, more than one, or names another host in its target.
    pub(super) fn bad_host() -> Self {
        let message = "the request needs exactly one valid Host header, equal to the host in its target if that has one";
        Self::new(ErrorCode::InvalidRequest, message)
    }

    /// A web page from elsewhere sent the request, or it calls the gateway by a foreign name.
    pub(super) fn foreign(foreign: &Foreign) -> Self {
        Self::new(ErrorCode::Foreign, foreign.to_string())
    }

    /// The body of a change is not JSON.
    pub(super) fn not_json(declared: &str) -> Self {
        let message = format!(
            "the content type is `{}`: send JSON, as `content-type: application/json`",
            printable(declared)
        );
        Self::new(ErrorCode::UnsupportedType, message)
    }

    /// An event of a batch has a synchronous subscriber.
    pub(super) fn answered_in_batch(event_type: &str) -> Self {
        let message = format!(
            "events of type \"{event_type}\" are answered by a function here, and a batch has no place for answers: \
             emit them one by one"
        );
        Self::new(ErrorCode::Unsupported, message)
    }

    /// No function answers the request.
    pub(super) fn unrouted(message: String, status: u16) -> Self {
        let code = if status == ErrorCode::MethodNotAllowed.status() {
            ErrorCode::MethodNotAllowed
        } else {
            ErrorCode::UnknownPath
        };
        Self::new(code, message)
    }

    /// A defect of the gateway itself.
    pub(super) fn internal() -> Self {
        Self::new(ErrorCode::Internal, "the gateway failed on this request; its log says how")
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::NotFound { .. } => ErrorCode::NotFound,
            Refusal::Exists { .. } => ErrorCode::AlreadyExists,
            Refusal::Invalid { .. } | Refusal::AuthorizerOfSystem(_) => ErrorCode::InvalidResource,
            Refusal::Dangling { .. } | Refusal::AuthorizerMissing => ErrorCode::UnknownReference,
            Refusal::FunctionAuthorizes { .. } | Refusal::EventTypeInUse | Refusal::FunctionInUse => {
                ErrorCode::InUse
            }
            Refusal::PathConflict(_) | Refusal::CorsConflict(_) => ErrorCode::PathConflict,
            Refusal::Immutable { .. } => ErrorCode::Immutable,
        };
        Self::new(code, refusal.to_string())
    }
}

impl From<StoreError> for ApiError {
    /// In all cases no event was accepted, and clients should retry.
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Busy
            | StoreError::GivingUp(_)
            | StoreError::Outdated
            | StoreError::NotEverywhere(_)
            | StoreError::Slow(_) => ErrorCode::StoreBusy,
            StoreError::Full | StoreError::ShareUsed(_) => ErrorCode::StoreFull,
            StoreError::BackedUpElsewhere => ErrorCode::Unsupported,
            StoreError::File { .. }
            | StoreError::Url(_)
            | StoreError::Unreachable(_)
            | StoreError::LeaseLost
            | StoreError::Incomplete
            | StoreError::NotEmpty
            | StoreError::Occupied
            | StoreError::InUse(_)
            | StoreError::Newer { .. }
            | StoreError::Damaged { .. }
            | StoreError::Locked(_)
            | StoreError::NoRoom { .. }
            | StoreError::NoRights { .. }
            | StoreError::Corrupt(_)
            | StoreError::Disk(_)
            | StoreError::Failed(_)
            | StoreError::Gone(_)
            | StoreError::Closed => ErrorCode::StoreUnavailable,
        };
        Self::new(code, error.to_string())
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
        let code = match denial {
            Denial::Missing => ErrorCode::KeyMissing,
            Denial::Wrong => ErrorCode::KeyRefused,
            Denial::OnlyReads => ErrorCode::KeyOnlyReads,
            Denial::NotLocal => ErrorCode::NotLocal,
        };
        Self::new(code, denial.to_string())
    }
}

impl From<BadEvent> for ApiError {
    fn from(error: BadEvent) -> Self {
        let code = match error {
            BadEvent::Encoded(_) => ErrorCode::UnsupportedEncoding,
            BadEvent::TooMany(_) => ErrorCode::TooLarge,
            BadEvent::MediaType(_) | BadEvent::Invalid(_) | BadEvent::TooDeep(_) | BadEvent::Reserved(_) => {
                ErrorCode::InvalidEvent
            }
        };
        Self::new(code, error.to_string())
    }
}

impl From<TooLarge> for ApiError {
    fn from(error: TooLarge) -> Self {
        Self::new(ErrorCode::TooLarge, error.to_string())
    }
}

impl From<TooMany> for ApiError {
    fn from(error: TooMany) -> Self {
        BadEvent::from(error).into()
    }
}

impl From<CallError> for ApiError {
    /// The details are for the operator. The message refers the emitter to the log, as in the original.
    fn from(error: CallError) -> Self {
        match error {
            CallError::AccessDenied { code, .. } => {
                let message = format!(
                    "Function call failed with {code}. The provided credentials do not allow the gateway to invoke \
                     the function. Please check the keys of the function's provider and their permissions."
                );
                Self::new(ErrorCode::FunctionAccessDenied, message)
            }
            CallError::Unmade(_) => {
                let message = "the gateway lacked the means to call the function; try again";
                Self::new(ErrorCode::Overloaded, message)
            }
            CallError::Passing(_) | CallError::Failed(_) => {
                Self::new(ErrorCode::FunctionFailed, "Function call failed. Please check logs.")
            }
        }
    }
}

impl From<Malformed> for ApiError {
    fn from(error: Malformed) -> Self {
        Self::new(ErrorCode::InvalidReply, error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = super::json(status, &ErrorBody::new(self.code, self.message));
        let hint = match status {
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

/// The original's plain-text body of an error, in the extensions of its response.
#[derive(Clone, Copy)]
struct OriginalText(&'static str);

/// Returns the answer to a path that the API does not have.
pub(super) fn not_found() -> Response {
    routing_error(ErrorCode::UnknownPath, "404 page not found")
}

/// Returns the answer to a method that the path does not have.
pub(super) fn method_not_allowed() -> Response {
    routing_error(ErrorCode::MethodNotAllowed, "Method Not Allowed")
}

fn routing_error(code: ErrorCode, text: &'static str) -> Response {
    let mut response = ApiError::new(code, text).into_response();
    response.extensions_mut().insert(OriginalText(text));
    response
}

/// Replaces the body of a routing error by the original's plain text, for `--strict-compat`.
pub(super) fn as_the_original(response: Response) -> Response {
    match response.extensions().get() {
        Some(OriginalText(text)) => super::with_type(
            super::answer(response.status(), Body::from(format!("{text}\n"))),
            "text/plain; charset=utf-8",
        ),
        None => response,
    }
}
