//! The operations of events: they are accepted and found again.

use std::sync::Arc;
use std::time::Duration;

use eg_sdk::history::{EventDetail, EventFilter, EventPage};

use super::{Losses, Notices, Store, StoreError};
use crate::decide::arrival::NewEvent;
use crate::decide::lived::Stop;
use crate::timestamp::Timestamp;

/// The result of accepting an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    New,
    /// The event was accepted before; this one is not stored. `conflict` says whether it has another payload.
    Duplicate {
        conflict: bool,
    },
}

/// The size from which on a page ends, in bytes of JSON: its last event may exceed it. So the memory for a page has a limit,
/// however large the events are.
pub(crate) const PAGE: usize = 4 * 1024 * 1024;

/// How far the order of acceptance and the times of acceptance may differ in a time with many events.
pub(super) const DISORDER: Duration = Duration::from_secs(60 * 60);

/// Selects the events of a space to list, the newest first.
#[derive(Debug, Clone)]
pub(crate) struct EventQuery {
    pub(crate) space: String,
    pub(crate) filter: EventFilter,
    /// Only events that were accepted before this one.
    pub(crate) before: Option<i64>,
    pub(crate) limit: u32,
}

impl Store {
    /// Stores events and their deliveries, all or none. They wait in the line of `space`, which is the emitter's; their
    /// room is that of the space of each. `notices` has the configuration by which the deliveries were decided. Returns once
    /// the events are durable.
    ///
    /// An event with a time since which it is unique is a duplicate if one with its space, id, source, type, method and
    /// path was accepted after that time. Then it is counted and not stored.
    ///
    /// # Errors
    /// Returns [`StoreError::Busy`], [`StoreError::Full`] or [`StoreError::ShareUsed`] at once if too many emitters are
    /// waiting or there is no room for the events, and another error if the store fails. In each case no event counts as
    /// accepted.
    pub(crate) async fn accept(
        &self,
        space: &str,
        events: Arc<[NewEvent]>,
        notices: Notices,
    ) -> Result<(Vec<Accepted>, Losses), StoreError> {
        backend!(self.accept(space, events, notices).await)
    }

    /// Lists events. A page may be short or empty although there are more: the search for it ends after a while.
    pub(crate) async fn events(&self, query: EventQuery) -> Result<EventPage, StoreError> {
        backend!(self.events(query).await)
    }

    /// Returns the newest event with this id (and this source and type, if given), with its deliveries and attempts.
    pub(crate) async fn event(
        &self,
        space: String,
        id: String,
        source: Option<String>,
        ty: Option<String>,
    ) -> Result<Option<EventDetail>, StoreError> {
        backend!(self.event(space, id, source, ty).await)
    }

    /// Returns how many events led to the newest event with this id, or `None` if there is no such event. Costs little,
    /// however large the event is.
    pub(crate) async fn hops_of(&self, space: String, id: String) -> Result<Option<u32>, StoreError> {
        backend!(self.hops_of(space, id).await)
    }

    /// Returns when the newest event was accepted.
    pub(crate) async fn reached(&self) -> Result<Timestamp, StoreError> {
        backend!(self.reached().await)
    }

    /// Returns the times in which no gateway ran, the latest first: the one that this start has ended.
    pub(crate) async fn stops(&self) -> Result<Vec<Stop>, StoreError> {
        backend!(self.stops().await)
    }
}
