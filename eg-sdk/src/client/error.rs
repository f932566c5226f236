//! The errors of the client. Each message names the thing that failed and says what to do.

#[cfg(feature = "eventbridge")]
use std::sync::Arc;

use super::transport::TransportError;
use crate::errors::ErrorCode;
#[cfg(feature = "eventbridge")]
use crate::eventbridge::EntryError;
use crate::{DataError, InvalidEvent};

/// Why a call to the gateway failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The gateway's URL is invalid.
    #[error("`{url}` is not the URL of an event gateway: {reason}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with the event.
        reason: String,
    },
    /// An environment variable asks for something that this client does not support.
    #[error("{variable} is set to `{value}`, but {reason}")]
    Setting {
        /// The environment variable.
        variable: &'static str,
        /// The value.
        value: String,
        /// Why it is not supported, and what to do.
        reason: &'static str,
    },
    /// The event violates CloudEvents. Nothing was sent.
    #[error("event `{ty}` is invalid")]
    Event {
        /// The event's type.
        ty: String,
        /// The rule.
        source: InvalidEvent,
    },
    /// The payload cannot be serialized as JSON. Nothing was sent.
    #[error("the payload of an event cannot be serialized as JSON")]
    Payload(#[from] DataError),
    /// The gateway did not answer. An emitted event may or may not have been accepted.
    #[error("cannot {action}: no answer from {url} (is the gateway running? `cargo eg run` starts one)")]
    Unreachable {
        /// What was attempted, for example ``emit event `user.created` ``.
        action: String,
        /// The URL that was called.
        url: String,
        /// The transport's error.
        source: TransportError,
    },
    /// The gateway answered with an error.
    #[error("cannot {action}: {url} answered {status}: {message}")]
    Refused {
        /// What was attempted.
        action: String,
        /// The URL that was called.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The kind of the error, if the gateway sent one that this version knows.
        code: Option<ErrorCode>,
        /// The gateway's message, or the start of the body.
        message: String,
    },
    /// No function has a synchronous subscription for the request; the gateway accepted it as an event.
    #[error("no function answers event `{ty}` at path `{path}`: no sync subscription matches")]
    NoSubscriber {
        /// The event's type.
        ty: String,
        /// The path of the request.
        path: String,
    },
    /// The answer violates the API or does not match the requested type.
    #[error("cannot {action}: unexpected answer from {url}: {reason}")]
    Answer {
        /// What was attempted.
        action: String,
        /// The URL that was called.
        url: String,
        /// Where the answer is wrong.
        reason: String,
    },
    /// The operation is not supported for this destination of events.
    #[error("cannot {action}: {reason}")]
    Unsupported {
        /// What was attempted.
        action: String,
        /// Why not.
        reason: &'static str,
    },
    /// EventBridge does not accept such an event. Nothing was sent.
    #[cfg(feature = "eventbridge")]
    #[error("event `{ty}` (id {id}) cannot go to EventBridge")]
    Entry {
        /// The event's type.
        ty: String,
        /// The event's id.
        id: String,
        /// The limit or rule of EventBridge.
        source: EntryError,
    },
    /// EventBridge did not answer. The event may or may not be on the bus.
    #[cfg(feature = "eventbridge")]
    #[error("cannot {action}: no answer from {url}")]
    NoAnswer {
        /// What was attempted.
        action: String,
        /// The endpoint that was called.
        url: String,
        /// The transport's error.
        source: TransportError,
    },
    /// The call to EventBridge that contained this event failed as a whole.
    #[cfg(feature = "eventbridge")]
    #[error("cannot {action}: the call that held it failed")]
    Call {
        /// What was attempted.
        action: String,
        /// The reason, the same for all events of the call.
        source: Arc<Error>,
    },
    /// EventBridge accepted the call but not this event.
    #[cfg(feature = "eventbridge")]
    #[error("cannot {action}: event bus `{bus}` refused it: {code}: {message}")]
    Bus {
        /// What was attempted.
        action: String,
        /// The bus, as configured.
        bus: String,
        /// The `ErrorCode`, for example `ThrottlingException`.
        code: String,
        /// The `ErrorMessage`.
        message: String,
    },
}

impl Error {
    /// Returns the HTTP status of the gateway's refusal.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            #[cfg(feature = "eventbridge")]
            Self::Call { source, .. } => source.status(),
            _ => None,
        }
    }

    /// Returns the kind of the gateway's error.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => *code,
            _ => None,
        }
    }
}
