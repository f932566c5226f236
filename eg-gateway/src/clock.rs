//! The only module that asks the machine for time and randomness. Functions take both as values; long-running parts that
//! the simulation drives take a [`Clock`].

use std::sync::Arc;
use std::time::Instant;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::timestamp::Timestamp;

/// The wall clock and the randomness that the engine and the parts around it use. Clones share them.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Source>);

/// The source of the time and the randomness of a [`Clock`].
pub(crate) trait Source: Send + Sync {
    /// Returns the time of the wall clock, which may jump in either direction.
    fn now(&self) -> OffsetDateTime;
    /// Returns a random number from 0 (inclusive) to 1 (exclusive).
    fn random(&self) -> f64;
    /// Returns a random id for an event that the gateway itself creates.
    fn event_id(&self) -> Uuid;
}

impl Clock {
    /// Returns the clock and the randomness of this machine.
    pub(crate) fn system() -> Self {
        Self::new(Machine)
    }

    pub(crate) fn new(source: impl Source + 'static) -> Self {
        Self(Arc::new(source))
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.0.now()
    }

    /// Returns the time of the wall clock in whole milliseconds.
    pub(crate) fn timestamp(&self) -> Timestamp {
        self.0.now().into()
    }

    /// Returns a random number from 0 (inclusive) to 1 (exclusive).
    pub(crate) fn random(&self) -> f64 {
        self.0.random()
    }

    /// Returns a random id for an event that the gateway itself creates.
    pub(crate) fn event_id(&self) -> Uuid {
        self.0.event_id()
    }
}

struct Machine;

impl Source for Machine {
    fn now(&self) -> OffsetDateTime {
        now()
    }

    fn random(&self) -> f64 {
        random()
    }

    fn event_id(&self) -> Uuid {
        event_id()
    }
}

/// Returns the time of the wall clock.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Returns the time of the wall clock in whole milliseconds.
pub(crate) fn timestamp() -> Timestamp {
    now().into()
}

/// Returns the time of the steady clock, for durations.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Returns a random number from 0 to 1.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn random() -> f64 {
    fastrand::f64()
}

/// Returns a random id for an event that the gateway itself creates.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn event_id() -> Uuid {
    Uuid::new_v4()
}
