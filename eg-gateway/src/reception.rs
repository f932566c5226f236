//! Accepts events: decides what becomes of each for its subscriptions, stores that, and then informs watchers and the
//! engine. How events are read and routed is left to the callers.

use std::sync::Arc;
use std::time::Duration;

use crate::activity::{Activity, DeliveryOutcome};
use crate::decide::event::Event;
use crate::decide::intake::{Fate, Intake, intake};
use crate::decide::router::Target;
use crate::deliver::Wakeups;
use crate::feed::Feed;
use crate::metrics::{Metrics, Outcome};
use crate::store::{Accepted, Lane, NewEvent, Origin, Store, StoreError};

/// Accepts events. Clones share it.
#[derive(Clone)]
pub(crate) struct Reception {
    pub(crate) store: Store,
    pub(crate) wakeups: Arc<Wakeups>,
    pub(crate) feed: Feed,
    pub(crate) metrics: Arc<Metrics>,
    /// For how long a second event with the same source and id is a duplicate.
    pub(crate) dedupe_window: Duration,
    /// How many events may lead to one another.
    pub(crate) max_hops: u64,
}

impl Reception {
    /// What is to be stored of an event that was routed to `targets`. `notices` are the system events about it.
    pub(crate) fn admit(
        &self,
        event: Event,
        origin: Origin,
        targets: &[Arc<Target>],
        notices: Vec<NewEvent>,
    ) -> NewEvent {
        let intakes = intake(targets, &event, self.max_hops);
        let window = i64::try_from(self.dedupe_window.as_millis()).unwrap_or(i64::MAX);
        let unique = event.has_reliable_id() && window > 0;
        let unique_since = unique.then(|| origin.accepted_at.saturating_sub(window));
        NewEvent { event, origin, intakes, unique_since, notices }
    }

    /// Returns once all the events are on disk; when it fails, none is.
    pub(crate) async fn accept(&self, events: Vec<NewEvent>) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let events: Arc<[NewEvent]> = events.into();
        let accepted = self.store.accept(Arc::clone(&events)).await.inspect_err(|error| {
            tracing::error!(%error, "events not accepted");
            events
                .iter()
                .flat_map(NewEvent::with_notices)
                .for_each(|event| self.metrics.dropped(&event.origin.space));
        })?;
        let mut lanes = Vec::new();
        for (event, accepted) in events.iter().zip(accepted) {
            match accepted {
                Accepted::New => event.with_notices().for_each(|event| self.announce(event, &mut lanes)),
                Accepted::Duplicate => self.feed.tell(|| Activity::Duplicate {
                    id: event.event.id().to_owned(),
                    event_type: event.event.ty().to_owned(),
                    source: event.event.source().to_owned(),
                }),
            }
        }
        self.wakeups.wake(lanes);
        Ok(())
    }

    /// Announces events that are on disk, and wakes who delivers them.
    pub(crate) fn stored(&self, events: &[NewEvent]) {
        let mut lanes = Vec::new();
        events.iter().for_each(|event| self.announce(event, &mut lanes));
        self.wakeups.wake(lanes);
    }

    /// Counts an event that is on disk, tells the watchers, and notes where its deliveries wait.
    fn announce(&self, new: &NewEvent, lanes: &mut Vec<Lane>) {
        let NewEvent { event, origin: Origin { space, method, path, .. }, intakes, .. } = new;
        let delivered = |intake: &&Intake| matches!(intake.fate, Fate::Deliver { .. });
        self.metrics.began(space, intakes.len());
        self.feed.tell(|| Activity::Received {
            id: event.id().to_owned(),
            event_type: event.ty().to_owned(),
            source: event.source().to_owned(),
            method: method.clone(),
            path: path.clone(),
            subscribers: intakes.iter().filter(delivered).count(),
            cause: event.cause().map(str::to_owned),
        });
        let names = || (event.id().to_owned(), event.ty().to_owned());
        for Intake { subscription, fate } in intakes {
            let function = subscription.function_id.clone();
            match fate {
                Fate::Deliver { .. } => lanes.push(Lane { space: space.clone(), function }),
                Fate::Filtered { reason } => {
                    self.metrics.ended(space, Outcome::Filtered, 1);
                    self.feed.tell(|| {
                        let (event_id, event_type) = names();
                        Activity::Filtered { event_id, event_type, function, reason: reason.clone() }
                    });
                }
                Fate::Dead { reason } => {
                    self.metrics.ended(space, Outcome::Dead, 1);
                    self.feed.tell(|| {
                        let (event_id, event_type) = names();
                        let outcome = DeliveryOutcome::Dead { reason: reason.clone() };
                        Activity::unattempted(event_id, event_type, function, outcome)
                    });
                }
            }
        }
    }
}
