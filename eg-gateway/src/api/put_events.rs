//! `PutEvents` of Amazon EventBridge on the Events API: a program can emit events through an AWS SDK whose endpoint
//! is this gateway. Other operations are refused as AWS refuses unknown ones. Protocol: AWS JSON 1.1. Signatures are
//! not checked.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use super::emission::Emission;
use super::errors::ApiError;
use super::{answer, with_type};
use crate::clock;
use crate::decide::arrival::NewEvent;
use crate::decide::classify::BadEvent;
use crate::decide::envelope::Stamp;
use crate::decide::headers::content_encoding;
use crate::decide::put_events::{self, BadCall, Entry, EntryError};
use crate::decide::snapshot::Snapshot;

/// The header that names the operation.
static TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// The start of the targets of EventBridge.
const SERVICE: &str = "AWSEvents.";

/// The start of the media types of AWS's JSON protocols.
const AWS_JSON: &str = "application/x-amz-json-";

/// An operation that an AWS client calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    PutEvents,
    /// The gateway does not have it.
    Other(String),
}

impl Operation {
    /// Returns the operation that a request calls, if an AWS client sent it.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let target = text(&TARGET)?;
        let ours = target.strip_prefix(SERVICE);
        let of_aws = ours.is_some() || text(&CONTENT_TYPE).is_some_and(|ty| ty.starts_with(AWS_JSON));
        of_aws.then(|| match ours {
            Some("PutEvents") => Self::PutEvents,
            _ => Self::Other(target.to_owned()),
        })
    }
}

/// Returns the answer to an operation that the gateway does not have.
pub(super) fn unknown(operation: &str) -> Response {
    let message = format!(
        "{operation:?} is not an operation of this gateway: of EventBridge, it has {SERVICE}PutEvents"
    );
    failed(StatusCode::BAD_REQUEST, "UnknownOperationException", &message)
}

/// The result of one entry. Results have the order of the entries.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Accepted(Id),
    Refused(EntryError),
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Id {
    event_id: String,
}

/// Returns an error in the form that AWS clients read.
pub(super) fn refuse(error: &ApiError) -> Response {
    let code = match error.status() {
        StatusCode::UNAUTHORIZED => "MissingAuthenticationTokenException",
        StatusCode::FORBIDDEN => "AccessDeniedException",
        StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailableException",
        status if status.is_client_error() => "ValidationException",
        _ => "InternalException",
    };
    failed(error.status(), code, error.message())
}

impl Emission {
    /// Accepts the entries that are valid events. Invalid entries do not affect the others.
    pub(super) async fn put_events(self) -> Response {
        if let Some(coding) = content_encoding(&self.parts.headers) {
            return refuse(&BadEvent::Encoded(coding).into());
        }
        let entries = match put_events::entries(&self.body) {
            Ok(entries) => entries,
            Err(error) => {
                let code = match error {
                    BadCall::Json(_) => "SerializationException",
                    BadCall::Count | BadCall::Size(_) => "ValidationException",
                };
                return failed(StatusCode::BAD_REQUEST, code, &error.to_string());
            }
        };
        let snapshot = self.app.configuration.current();
        let (mut outcomes, mut accepted) = (Vec::with_capacity(entries.len()), Vec::new());
        for entry in &entries {
            let stamp = Stamp { id: clock::event_id().to_string(), time: clock::now() };
            outcomes.push(match self.entry(&snapshot, entry, &stamp).await {
                Ok(arrivals) => {
                    accepted.extend(arrivals);
                    Outcome::Accepted(Id { event_id: stamp.id })
                }
                Err(error) => Outcome::Refused(error),
            });
        }
        if let Err(error) = self.accept(&snapshot, accepted).await {
            return refuse(&error.into());
        }
        let failed = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Refused(_))).count();
        reply(StatusCode::OK, &json!({ "FailedEntryCount": failed, "Entries": outcomes }))
    }

    /// Returns the event of an entry, ready to be accepted in each space that has subscriptions for it.
    async fn entry(
        &self,
        snapshot: &Snapshot,
        entry: &Entry,
        stamp: &Stamp,
    ) -> Result<Vec<NewEvent>, EntryError> {
        let event = put_events::event(entry, stamp)?;
        self.unanswered(snapshot, event).await.map_err(|error| {
            let code = match error.status() {
                StatusCode::FORBIDDEN => "NotAuthorizedForDetailTypeException",
                status if status.is_client_error() => "InvalidArgument",
                _ => "InternalFailure",
            };
            EntryError::new(code, error.message())
        })
    }
}

fn failed(status: StatusCode, code: &str, message: &str) -> Response {
    reply(status, &json!({ "__type": code, "message": message }))
}

fn reply(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut response = with_type(answer(status, Body::from(body.to_string())), "application/x-amz-json-1.1");
    if let Ok(id) = HeaderValue::try_from(clock::event_id().to_string()) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}
