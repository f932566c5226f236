//! The way of events into the store: what becomes of each for its subscriptions, on disk first, then the watchers and
//! the engine hear of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::activity::{Activity, DeliveryOutcome};
use crate::clock::Millis;
use crate::decide::facts::Facts;
use crate::decide::intake::{Fate, Intake, intake};
use crate::decide::router::Target;
use crate::deliver::Wakeups;
use crate::feed::Feed;
use crate::metrics::{Metrics, Outcome};
use crate::store::{Accepted, Lane, NewEvent, Store, StoreError};

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

/// An event that came in.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) space: String,
    pub(crate) id: String,
    pub(crate) ty: String,
    pub(crate) source: String,
    pub(crate) method: String,
    /// Within the space.
    pub(crate) path: String,
    pub(crate) accepted_at: Millis,
    /// The JSON that functions get.
    pub(crate) json: Bytes,
    /// Where it was routed.
    pub(crate) targets: Vec<Arc<Target>>,
    /// The events that tell of this one. When it is a duplicate, they are not accepted either.
    pub(crate) notices: Vec<Arrival>,
}

impl Reception {
    /// Returns once all the events are on disk; when it fails, none is.
    pub(crate) async fn accept(&self, arrivals: Vec<Arrival>) -> Result<(), StoreError> {
        if arrivals.is_empty() {
            return Ok(());
        }
        let events: Arc<[NewEvent]> = arrivals.into_iter().map(|arrival| self.decide(arrival)).collect();
        let accepted = self.store.accept(Arc::clone(&events)).await.inspect_err(|error| {
            tracing::error!(%error, "events not accepted");
            events
                .iter()
                .flat_map(NewEvent::with_notices)
                .for_each(|event| self.metrics.dropped(&event.space));
        })?;
        let mut lanes = Vec::new();
        for (event, accepted) in events.iter().zip(accepted) {
            match accepted {
                Accepted::New => event.with_notices().for_each(|event| self.announce(event, &mut lanes)),
                Accepted::Duplicate => self.feed.tell(|| Activity::Duplicate {
                    id: event.id.clone(),
                    event_type: event.ty.clone(),
                    source: event.source.clone(),
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

    /// What is to be stored of an event.
    pub(crate) fn decide(&self, arrival: Arrival) -> NewEvent {
        let Arrival { space, id, ty, source, method, path, accepted_at, json, targets, notices } = arrival;
        let (intakes, subject, reliable_id) = {
            let facts = Facts::new(&json);
            let subject = facts.subject().map(str::to_owned);
            (intake(&targets, &facts, self.max_hops), subject, facts.has_reliable_id())
        };
        let window = i64::try_from(self.dedupe_window.as_millis()).unwrap_or(i64::MAX);
        NewEvent {
            space,
            id,
            ty,
            source,
            subject,
            method,
            path,
            accepted_at,
            json,
            intakes,
            unique_since: (reliable_id && window > 0).then(|| accepted_at.saturating_sub(window)),
            notices: notices.into_iter().map(|notice| self.decide(notice)).collect(),
        }
    }

    /// Counts an event that is on disk, tells the watchers, and notes where its deliveries wait.
    fn announce(&self, event: &NewEvent, lanes: &mut Vec<Lane>) {
        let delivered = |intake: &&Intake| matches!(intake.fate, Fate::Deliver { .. });
        self.metrics.began(&event.space, event.intakes.len());
        self.feed.tell(|| Activity::Received {
            id: event.id.clone(),
            event_type: event.ty.clone(),
            source: event.source.clone(),
            method: event.method.clone(),
            path: event.path.clone(),
            subscribers: event.intakes.iter().filter(delivered).count(),
            cause: Facts::new(&event.json).cause().map(str::to_owned),
        });
        for Intake { subscription, fate } in &event.intakes {
            let (event_id, event_type) = (event.id.clone(), event.ty.clone());
            let function = subscription.function_id.clone();
            match fate {
                Fate::Deliver { .. } => lanes.push(Lane { space: event.space.clone(), function }),
                Fate::Filtered { reason } => {
                    self.metrics.ended(&event.space, Outcome::Filtered, 1);
                    let reason = reason.clone();
                    self.feed.tell(|| Activity::Filtered { event_id, event_type, function, reason });
                }
                Fate::Dead { reason } => {
                    self.metrics.ended(&event.space, Outcome::Dead, 1);
                    let outcome = DeliveryOutcome::Dead { reason: reason.clone() };
                    self.feed.tell(|| Activity::unattempted(event_id, event_type, function, outcome));
                }
            }
        }
    }
}
