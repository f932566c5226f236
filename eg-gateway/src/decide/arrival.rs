//! An event that is accepted, with what is stored of it: where it came in, and what becomes of it for each subscription.

use std::sync::Arc;
use std::time::Duration;

use super::event::Event;
use super::intake::{Intake, intake};
use super::router::Target;
use crate::clock::{Millis, in_millis};

/// Where and when an event came in.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) space: String,
    pub(crate) method: String,
    /// Within the space.
    pub(crate) path: String,
    pub(crate) accepted_at: Millis,
}

/// An event to accept.
#[derive(Debug)]
pub(crate) struct NewEvent {
    pub(crate) event: Event,
    pub(crate) origin: Origin,
    /// One delivery is made for each.
    pub(crate) intakes: Vec<Intake>,
    /// The event is a duplicate of an event accepted after this time that has the same source and id, and was sent to
    /// the same place as the same type. `None`: the event is accepted in any case.
    pub(crate) unique_since: Option<Millis>,
    /// System events about this event: stored before it, and not when it is a duplicate.
    pub(crate) notices: Vec<NewEvent>,
}

impl NewEvent {
    /// All that is stored when this event is, in that order.
    pub(crate) fn with_notices(&self) -> impl Iterator<Item = &Self> {
        self.notices.iter().chain([self])
    }
}

/// The terms on which events are accepted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// For how long a second event with the same source and id is a duplicate.
    pub(crate) dedupe_window: Duration,
    /// How many events may lead to one another.
    pub(crate) max_hops: u64,
}

impl Terms {
    /// What is to be stored of an event that was routed to `targets`. `notices` are the system events about it.
    pub(crate) fn admit(
        &self,
        event: Event,
        origin: Origin,
        targets: &[Arc<Target>],
        notices: Vec<NewEvent>,
    ) -> NewEvent {
        let intakes = intake(targets, &event, self.max_hops);
        let window = in_millis(self.dedupe_window);
        let unique = event.has_reliable_id() && window > 0;
        let unique_since = unique.then(|| origin.accepted_at.saturating_sub(window));
        NewEvent { event, origin, intakes, unique_since, notices }
    }
}
