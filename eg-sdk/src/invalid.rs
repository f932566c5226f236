//! Why something is no CloudEvent, in sentences that name the attribute and its rule.

/// Why bytes or attributes are not a CloudEvent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEvent {
    /// Not JSON, or not of the JSON types that the attributes have.
    #[error("not a CloudEvent in JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Nothing says which version of the specification the event follows.
    #[error("neither `specversion` (CloudEvents 1.0) nor `cloudEventsVersion` (CloudEvents 0.1) is given")]
    NoVersion,
    /// A version of the specification that is not spoken here.
    #[error("`specversion` is `{0}`; only `1.0` (and `cloudEventsVersion` 0.1) is supported")]
    Version(String),
    /// A required attribute is absent or empty.
    #[error("required attribute `{0}` is missing or empty")]
    Missing(&'static str),
    /// An attribute breaks its rule.
    #[error("attribute `{attribute}`: {reason}")]
    Attribute {
        /// The attribute's name as it stands in the event.
        attribute: String,
        /// The rule, and the value that breaks it.
        reason: String,
    },
    /// The content type names a format of events that is not spoken here.
    #[error("`{0}` is not a format of CloudEvents that is supported; use `application/cloudevents+json`")]
    Format(String),
    /// A batch of events where one event is wanted.
    #[error("the message is a batch of events; one event is wanted here")]
    Batch,
    /// One event of a batch is invalid.
    #[error("event {position} of the batch: {reason}")]
    InBatch {
        /// Its place in the batch; the first is 1.
        position: usize,
        /// What is wrong with it.
        reason: Box<InvalidEvent>,
    },
}

impl InvalidEvent {
    pub(crate) fn attribute(attribute: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Attribute { attribute: attribute.into(), reason: reason.into() }
    }
}
