//! The reasons to refuse a request to the Config API, with the texts that clients of the original compare. `api::errors`
//! maps them to statuses.

use std::fmt;

use super::routes::Conflict;

/// The kinds of resources of the Config API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    EventType,
    Function,
    Subscription,
    Cors,
}

impl Kind {
    /// Returns the name in the store and in log lines.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::EventType => "event_type",
            Self::Function => "function",
            Self::Subscription => "subscription",
            Self::Cors => "cors",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EventType => "Event Type",
            Self::Function => "Function",
            Self::Subscription => "Subscription",
            Self::Cors => "CORS configuration",
        })
    }
}

/// The reason why a request to the Config API is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{kind} doesn't validate. Validation error: {detail}")]
    Invalid { kind: Kind, detail: String },
    #[error("{kind} \"{id}\" not found.")]
    NotFound { kind: Kind, id: String },
    /// A resource that the body of the request refers to does not exist.
    #[error("{kind} \"{id}\" not found.")]
    Dangling { kind: Kind, id: String },
    #[error("{kind} \"{id}\" already {}.", if *kind == Kind::Function { "registered" } else { "exists" })]
    Exists { kind: Kind, id: String },
    #[error("Authorizer function doesn't exists.")]
    AuthorizerMissing,
    #[error(
        "Event Type \"{0}\" is emitted by the gateway itself, which needs no authorization: leave out authorizerId."
    )]
    AuthorizerOfSystem(String),
    #[error("Function {id} cannot be deleted because is used as an authorizer for {event_type} event type.")]
    FunctionAuthorizes { id: String, event_type: String },
    #[error("Event type cannot be deleted because there are subscriptions using it.")]
    EventTypeInUse,
    #[error("Function cannot be deleted because it's subscribed to a least one event.")]
    FunctionInUse,
    #[error("Subscription path conflict: {0}")]
    PathConflict(#[from] Conflict),
    #[error("CORS configuration path conflict: {0}")]
    CorsConflict(Conflict),
    #[error(
        "Invalid update. '{field}' of existing {} cannot be updated.",
        if *kind == Kind::Cors { "CORS configuration" } else { "subscription" }
    )]
    Immutable { kind: Kind, field: &'static str },
}
