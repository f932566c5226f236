//! The errors of reading and writing CloudEvents. Each message names the attribute and its rule.

/// Why bytes or attributes are not a CloudEvent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEvent {
    /// The text is not JSON, or an attribute has the wrong JSON type.
    #[error("not a CloudEvent in JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The event does not state its version of the specification.
    #[error(
        "the event has neither `specversion` (CloudEvents 1.0) nor `cloudEventsVersion` (CloudEvents 0.1)"
    )]
    NoVersion,
    /// The event states an unsupported version of the specification.
    #[error("`specversion` is `{0}`; only `1.0` (and `cloudEventsVersion` 0.1) is supported")]
    Version(String),
    /// A required attribute is absent or empty.
    #[error("required attribute `{0}` is missing or empty")]
    Missing(&'static str),
    /// An attribute violates its rule.
    #[error("attribute `{attribute}`: {reason}")]
    Attribute {
        /// The attribute's name in the event.
        attribute: String,
        /// The rule, and the value that violates it.
        reason: String,
    },
    /// The content type names an unsupported event format.
    #[error("`{0}` is not a supported CloudEvents format; use `application/cloudevents+json`")]
    Format(String),
    /// The message is a batch, but a single event is expected.
    #[error("the message is a batch of events; a single event is expected")]
    Batch,
    /// One event of a batch is invalid.
    #[error("event {position} of the batch: {reason}")]
    InBatch {
        /// The event's position in the batch, starting at 1.
        position: usize,
        /// What is wrong with the event.
        reason: Box<InvalidEvent>,
    },
}

impl InvalidEvent {
    pub(crate) fn attribute(attribute: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Attribute { attribute: attribute.into(), reason: reason.into() }
    }
}
