//! The deliveries that are given up, and what follows: the events that report them, and the [`Losses`] that somebody must
//! count and announce. The backends write them.

use std::sync::Arc;

use eg_grammar::is_system_event_type;
use eg_sdk::history::Loss;

use crate::clock::Clock;
use crate::decide::arrival::{NewEvent, Terms};
use crate::decide::envelope::Stamp;
use crate::decide::event::Outgoing;
use crate::decide::lanes::Lane;
use crate::decide::place::OTHER_SPACES;
use crate::decide::router::DEFAULT_SPACE;
use crate::decide::snapshot::Snapshot;
use crate::decide::system::{Call, SystemEvent};
use crate::decide::system_arrivals::system_arrivals;
use crate::timestamp::Timestamp;

/// Creates the events that report given-up deliveries to subscribers. Given-up deliveries of system events produce
/// none.
#[derive(Clone)]
pub(crate) struct Notices {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) terms: Terms,
    pub(crate) clock: Clock,
}

/// A delivery that is given up.
#[derive(Debug)]
pub(crate) struct GivingUp<'a> {
    pub(crate) delivery: i64,
    pub(crate) loss: Loss,
    pub(crate) reason: &'a str,
    /// Whether an attempt failed just now. Otherwise the delivery ends without another attempt.
    pub(crate) attempted: bool,
    pub(crate) now: Timestamp,
}

/// Deliveries that were given up in a transaction, and what follows. Once it is on disk, `Reception::lost` counts and
/// announces them.
#[derive(Debug, Default)]
#[must_use = "given-up deliveries must be counted and announced"]
pub(crate) struct Losses {
    pub(crate) lost: Vec<Lost>,
    /// The events that report them to subscribers.
    pub(crate) notices: Vec<NewEvent>,
    /// The lanes in which a delivery is due because the one before it with the same key has ended, given up or not.
    pub(crate) due: Vec<Lane>,
}

/// A delivery that was given up.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) delivery: i64,
    pub(crate) space: String,
    pub(crate) function: String,
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) loss: Loss,
    pub(crate) reason: String,
    /// Whether an attempt failed just then.
    pub(crate) attempted: bool,
}

impl Notices {
    /// Returns the space whose counters count an event. A client may name any space, and those without resources share their
    /// counters.
    pub(super) fn counted_space<'a>(&self, space: &'a str) -> &'a str {
        let known = space == DEFAULT_SPACE || self.snapshot.catalog.has_space(space);
        if known { space } else { OTHER_SPACES }
    }

    /// Returns the events that report a given-up delivery, which was attempted so often, with the JSON of its event.
    pub(super) fn events(
        &self,
        lost: &Lost,
        subscription: &str,
        json: Vec<u8>,
        attempts: u32,
    ) -> Vec<NewEvent> {
        if is_system_event_type(&lost.event_type) {
            return Vec::new();
        }
        let Lost { space, function, event_type, loss, reason, .. } = lost;
        let event = Outgoing::stored(event_type.clone(), json, None);
        let call = Call { space, function, event: &event };
        let event = SystemEvent::GivenUp { call, subscription, attempts, loss: *loss, reason };
        let stamp = || Stamp { id: self.clock.event_id().to_string(), time: self.clock.now() };
        system_arrivals(&self.snapshot.router, &self.terms, space, &event, stamp)
    }
}
