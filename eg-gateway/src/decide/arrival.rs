//! Describes an event to accept: its origin, its deliveries and its duplicates. `intake` decides for each
//! subscription, and `store` writes the event.

use std::sync::Arc;
use std::time::Duration;

use super::event::Event;
use super::intake::{Fate, Intake, intake};
use super::router::Target;
use crate::timestamp::Timestamp;

/// Where and when an event arrived.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) space: String,
    pub(crate) method: String,
    /// The path within the space.
    pub(crate) path: String,
    pub(crate) accepted_at: Timestamp,
}

/// An event to accept.
#[derive(Debug)]
pub(crate) struct NewEvent {
    pub(crate) event: Event,
    pub(crate) origin: Origin,
    /// One delivery is created for each.
    pub(crate) intakes: Vec<Intake>,
    /// The event is a duplicate if an event with the same source, id, type, method and path was accepted after this
    /// time. `None`: the event is never a duplicate.
    pub(crate) unique_since: Option<Timestamp>,
    /// System events about this event. They are stored before it, unless it is a duplicate.
    pub(crate) notices: Vec<NewEvent>,
}

impl NewEvent {
    /// Returns whether a function gets the event.
    pub(crate) fn is_delivered(&self) -> bool {
        self.intakes.iter().any(Intake::is_delivered)
    }

    /// Gives up all deliveries of the event.
    pub(crate) fn give_up(&mut self, reason: &str) {
        for intake in self.intakes.iter_mut().filter(|intake| intake.is_delivered()) {
            intake.fate = Fate::Dead { reason: reason.to_owned() };
        }
    }

    /// Returns everything that is stored with this event, in that order.
    pub(crate) fn with_notices(&self) -> impl Iterator<Item = &Self> {
        self.notices.iter().chain([self])
    }
}

/// The terms on which events are accepted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How long a second event with the same source and id counts as a duplicate.
    pub(crate) dedupe_window: Duration,
    /// Maximum number of hops.
    pub(crate) max_hops: u64,
}

impl Terms {
    /// Prepares an event that was routed to `targets` for the store. `notices` are the system events about it.
    pub(crate) fn admit(
        &self,
        event: Event,
        origin: Origin,
        targets: &[Arc<Target>],
        notices: Vec<NewEvent>,
    ) -> NewEvent {
        let intakes = intake(targets, &event, self.max_hops);
        let unique = event.has_reliable_id() && !self.dedupe_window.is_zero();
        let unique_since = unique.then(|| origin.accepted_at.saturating_sub(self.dedupe_window));
        NewEvent { event, origin, intakes, unique_since, notices }
    }
}
