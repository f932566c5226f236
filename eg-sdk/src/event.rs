//! Ties Rust types to event types. Knows nothing about transport.

use serde::Serialize;

use crate::schema::Shape;
use crate::{CloudEvent, Data, DataError, IntoData};

/// A serde type that is the payload of one event type.
///
/// Usually derived: `#[derive(Event)] #[event("user.created")]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not tied to an event type",
    note = "add `#[derive(Event)]` and `#[event(\"some.type\")]` to `{Self}`"
)]
pub trait Event {
    /// The CloudEvents `type`, for example `user.created`.
    const TYPE: &'static str;

    /// The CloudEvents `source` of events of this type, if it differs from that of the emitting service.
    const SOURCE: Option<&'static str> = None;

    /// The JSON shape of the payload, if known; see [`schema`](crate::schema).
    const SCHEMA: Option<&'static Shape> = None;
}

/// An event that asks for an answer: the function with a synchronous subscription for it answers with JSON of a known type.
///
/// Usually derived: `#[derive(Event)] #[event("price.asked", answer = Price)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what its answer is",
    label = "has no declared answer",
    note = "add the type of the answer to `{Self}`: `#[derive(Event)]` with `#[event(\"some.type\", answer = Price)]`"
)]
pub trait Question: Event {
    /// The type of the answer.
    type Answer;
}

/// What can be emitted: a value of an [`Event`] type, or a [`CloudEvent`] with attributes of your choice.
pub trait IntoCloudEvent {
    /// The event with its payload as JSON.
    ///
    /// `default_source` becomes the `source` when neither the event nor its type names one.
    ///
    /// # Errors
    /// If the payload cannot be serialized as JSON.
    fn into_cloud_event(self, default_source: &str) -> Result<CloudEvent<Data>, DataError>;
}

impl<E: Event + Serialize> IntoCloudEvent for E {
    fn into_cloud_event(self, default_source: &str) -> Result<CloudEvent<Data>, DataError> {
        CloudEvent::new(default_source, self).encode()
    }
}

impl<T: IntoData> IntoCloudEvent for CloudEvent<T> {
    fn into_cloud_event(self, _default_source: &str) -> Result<CloudEvent<Data>, DataError> {
        self.encode()
    }
}
