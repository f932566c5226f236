//! What can go wrong between a program and its gateway, in sentences that name the thing and the way out.

#[cfg(feature = "eventbridge")]
use std::sync::Arc;

use super::transport::TransportError;
#[cfg(feature = "eventbridge")]
use crate::eventbridge::EntryError;
use crate::{DataError, InvalidEvent};

/// Why a call to the gateway failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The gateway's address cannot be used.
    #[error("`{url}` is not the URL of an event gateway: {reason}")]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The environment asks for something that this client cannot do.
    #[error("{variable} is set to `{value}`, but {reason}")]
    Setting {
        /// The environment variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// Why it cannot be honoured, and what to do.
        reason: &'static str,
    },
    /// The event breaks a rule of CloudEvents; nothing was sent.
    #[error("event `{ty}` is invalid")]
    Event {
        /// The event's type.
        ty: String,
        /// The rule.
        source: InvalidEvent,
    },
    /// The payload cannot be written as JSON; nothing was sent.
    #[error("the payload of an event cannot be written as JSON")]
    Payload(#[from] DataError),
    /// No answer from the gateway. For an emit this means: it may or may not have been accepted.
    #[error("cannot {action}: no answer from {url} (is the gateway running? `cargo eg run` starts one)")]
    Unreachable {
        /// What was attempted, for example ``emit event `user.created` ``.
        action: String,
        /// The URL that was called.
        url: String,
        /// The transport's reason.
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
        /// The gateway's message, or the start of the body.
        message: String,
    },
    /// A request was accepted as an event, but no function has a sync subscription that would answer it.
    #[error("nobody answers event `{ty}` at path `{path}`: no sync subscription matches")]
    NoSubscriber {
        /// The event's type.
        ty: String,
        /// The path it was posted to.
        path: String,
    },
    /// The answer is not what the API promises, or not the type that was asked for.
    #[error("cannot {action}: unexpected answer from {url}: {reason}")]
    Answer {
        /// What was attempted.
        action: String,
        /// The URL that was called.
        url: String,
        /// Where the answer does not fit.
        reason: String,
    },
    /// This client cannot do that, because of where its events go.
    #[error("cannot {action}: {reason}")]
    Unsupported {
        /// What was attempted.
        action: String,
        /// Why not.
        reason: &'static str,
    },
    /// The event cannot go to EventBridge as it is; nothing was sent.
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
    /// No answer from EventBridge. The event may or may not be on the bus.
    #[cfg(feature = "eventbridge")]
    #[error("cannot {action}: no answer from {url}")]
    NoAnswer {
        /// What was attempted.
        action: String,
        /// The endpoint that was called.
        url: String,
        /// The transport's reason.
        source: TransportError,
    },
    /// The call to EventBridge that held this event, among others, failed as a whole.
    #[cfg(feature = "eventbridge")]
    #[error("cannot {action}: the call that held it failed")]
    Call {
        /// What was attempted.
        action: String,
        /// Why, for all events of the call.
        source: Arc<Error>,
    },
    /// EventBridge has taken the call, but not this event.
    #[cfg(feature = "eventbridge")]
    #[error("cannot {action}: event bus `{bus}` refused it: {code}: {message}")]
    Bus {
        /// What was attempted.
        action: String,
        /// The bus, as it was set.
        bus: String,
        /// The `ErrorCode`, for example `ThrottlingException`.
        code: String,
        /// The `ErrorMessage`.
        message: String,
    },
}

impl Error {
    /// The HTTP status that the gateway refused with.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            #[cfg(feature = "eventbridge")]
            Self::Call { source, .. } => source.status(),
            _ => None,
        }
    }
}
