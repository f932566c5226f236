//! The way of events into the store: on disk first, then the watchers and the engine hear of them.

use std::sync::Arc;

use eg_sdk::config::Subscription;

use crate::activity::{Activity, Feed};
use crate::deliver::Wakeups;
use crate::metrics::Metrics;
use crate::store::{Lane, NewEvent, Store, StoreError};

/// Accepts events. Clones share it.
#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) store: Store,
    pub(crate) wakeups: Arc<Wakeups>,
    pub(crate) feed: Feed,
    pub(crate) metrics: Arc<Metrics>,
}

impl Intake {
    /// Returns once all the events are on disk; when it fails, none is.
    pub(crate) async fn accept(&self, events: Vec<NewEvent>) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let lane = |subscription: &Arc<Subscription>| Lane {
            space: subscription.space.clone(),
            function: subscription.function_id.clone(),
        };
        let lanes: Vec<Lane> = events.iter().flat_map(|event| &event.subscriptions).map(lane).collect();
        let watched = if self.feed.is_watched() { events.as_slice() } else { &[] };
        let received: Vec<Activity> = watched
            .iter()
            .map(|event| Activity::Received {
                id: event.id.clone(),
                event_type: event.ty.clone(),
                source: event.source.clone(),
                subscribers: event.subscriptions.len(),
            })
            .collect();
        let counts: Vec<(String, usize)> =
            events.iter().map(|event| (event.space.clone(), event.subscriptions.len())).collect();
        if let Err(error) = self.store.accept(events).await {
            tracing::error!(%error, "events not accepted");
            counts.iter().for_each(|(space, _)| self.metrics.dropped(space));
            return Err(error);
        }
        counts.iter().for_each(|(space, deliveries)| self.metrics.accepted(space, *deliveries));
        for activity in received {
            self.feed.tell(|| activity);
        }
        self.wakeups.wake(lanes);
        Ok(())
    }
}
