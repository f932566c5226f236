//! The errors of the queues' API and SQS's codes for them. Source: the API reference of Amazon SQS, and the AWS JSON
//! protocol.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::json;

use super::attributes::AttributeError;
use super::store::StoreError;

/// The content type of the protocol.
pub(super) const JSON: &str = "application/x-amz-json-1.0";

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("there is no queue `{name}`; {}", known(queues))]
    NoQueue { name: String, queues: Vec<String> },
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    #[error("the queue `{name}` exists with another {attribute}")]
    Exists { name: String, attribute: String },
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("the receipt handle is not the one from the last receive of the message")]
    Receipt,
    #[error("a message has at most {limit} bytes, not {size}")]
    TooLarge { size: usize, limit: usize },
    #[error("a batch has 1 to {limit} entries, not {count}")]
    Entries { count: usize, limit: usize },
    #[error("two entries have the id `{0}`")]
    SameId(String),
    #[error("the local queues have no operation `{0}`")]
    Operation(String),
    #[error("the request cannot be read: {0}")]
    Unreadable(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refusal {
    /// Returns the error's name, and its name in the older protocol, which SDKs still report.
    fn names(&self) -> (&'static str, &'static str) {
        match self {
            Self::NoQueue { .. } => ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"),
            Self::Invalid(_) => ("InvalidParameterValue", "InvalidParameterValue"),
            Self::TooLarge { .. } => ("InvalidParameterValue", "InvalidParameterValue"),
            Self::Attribute(AttributeError::Name { .. }) => ("InvalidAttributeName", "InvalidAttributeName"),
            Self::Attribute(AttributeError::Value(_)) => ("InvalidAttributeValue", "InvalidAttributeValue"),
            Self::Exists { .. } => ("QueueNameExists", "QueueAlreadyExists"),
            Self::Missing(_) => ("MissingParameter", "MissingParameter"),
            Self::Receipt => ("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid"),
            Self::Entries { count: 0, .. } => {
                ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest")
            }
            Self::Entries { .. } => {
                ("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest")
            }
            Self::SameId(_) => {
                ("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct")
            }
            Self::Operation(_) => ("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation"),
            Self::Unreadable(_) => ("SerializationException", "MalformedInput"),
            Self::Store(_) => ("InternalError", "InternalError"),
        }
    }

    /// Returns the error's name, for entries of a batch.
    pub(super) fn code(&self) -> &'static str {
        self.names().1
    }

    /// Returns whether the caller caused the error.
    pub(super) fn is_senders_fault(&self) -> bool {
        !matches!(self, Self::Store(_))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (name, query) = self.names();
        let (status, side) = if self.is_senders_fault() {
            (StatusCode::BAD_REQUEST, "Sender")
        } else {
            (StatusCode::INTERNAL_SERVER_ERROR, "Receiver")
        };
        let body = json!({"__type": format!("com.amazonaws.sqs#{name}"), "message": self.to_string()});
        let headers =
            [(CONTENT_TYPE.as_str(), JSON.to_owned()), ("x-amzn-query-error", format!("{query};{side}"))];
        (status, headers, body.to_string()).into_response()
    }
}

fn known(queues: &[String]) -> String {
    match queues {
        [] => "no function of this application has one".to_owned(),
        names => format!("the queues are {}", names.join(", ")),
    }
}
