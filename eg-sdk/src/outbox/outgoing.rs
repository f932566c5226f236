//! The contents of an outbox: events with fixed ids, and their causes. Stores and emits nothing.

use std::fmt;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{CloudEvent, Data, Error, EventGateway, IntoCloudEvent};

/// A complete and valid event. Emitted twice, it is the same event. Created by [`EventGateway::stage`]. Its serde
/// format is the JSON of a CloudEvent.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing(CloudEvent<Data>);

impl Outgoing {
    /// Returns the event.
    #[must_use]
    pub fn event(&self) -> &CloudEvent {
        &self.0
    }
}

impl EventGateway {
    /// Completes an event as [`emit`](Self::emit) would, with id, time, source and trace, for an
    /// [outbox](crate::outbox). Emits nothing.
    ///
    /// # Errors
    /// [`Error::Event`] and [`Error::Payload`], as for [`emit`](Self::emit).
    pub fn stage<E: IntoCloudEvent>(&self, event: E) -> Result<Outgoing, Error> {
        self.prepare(event).map(Outgoing)
    }
}

impl Serialize for Outgoing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json =
            String::from_utf8(self.0.to_json().map_err(S::Error::custom)?).map_err(S::Error::custom)?;
        RawValue::from_string(json).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Outgoing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        CloudEvent::from_json(json.get().as_bytes()).map(Self).map_err(D::Error::custom)
    }
}

/// The events that follow from one cause, in order. Serializable with serde.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    pub(super) cause: String,
    pub(super) events: Vec<Outgoing>,
}

impl Batch {
    /// Returns the cause, which is the key of the batch.
    #[must_use]
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// The events.
    #[must_use]
    pub fn events(&self) -> &[Outgoing] {
        &self.events
    }
}

/// A change of state, and the events that follow from it.
#[derive(Debug, Clone)]
pub struct Decision<C> {
    pub(super) change: C,
    pub(super) events: Vec<Outgoing>,
}

impl<C> Decision<C> {
    /// Creates a decision without events.
    #[must_use]
    pub fn new(change: C) -> Self {
        Self { change, events: Vec::new() }
    }

    /// Adds an event.
    #[must_use]
    pub fn emit(mut self, event: Outgoing) -> Self {
        self.events.push(event);
        self
    }
}

/// What an outbox handles once: an event, identified by source and id, or anything else with a unique name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cause(String);

impl Cause {
    /// Names one of several functions that share an outbox and each handle the same event.
    #[must_use]
    pub fn by(self, function: &str) -> Self {
        Self(format!("{} by {function}", self.0))
    }

    /// Returns its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T> From<&CloudEvent<T>> for Cause {
    fn from(event: &CloudEvent<T>) -> Self {
        Self(format!("{} of {}", event.id(), event.source()))
    }
}

impl From<&str> for Cause {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl From<String> for Cause {
    fn from(name: String) -> Self {
        Self(name)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
