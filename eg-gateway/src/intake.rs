//! The way of events into the store: on disk first, then the watchers and the engine hear of them.

use std::sync::Arc;

use eg_sdk::config::Subscription;

use crate::activity::{Activity, Feed};
use crate::deliver::Wakeups;
use crate::store::{Lane, NewEvent, Store, StoreError};

/// Accepts events. Clones share it.
#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) store: Store,
    pub(crate) wakeups: Arc<Wakeups>,
    pub(crate) feed: Feed,
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
        self.store.accept(events).await.inspect_err(|error| {
            tracing::error!(%error, "events not accepted");
        })?;
        for activity in received {
            self.feed.tell(|| activity);
        }
        self.wakeups.wake(lanes);
        Ok(())
    }
}
