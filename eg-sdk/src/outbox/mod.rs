//! A transactional outbox: a service's change of state and the resulting events happen together, once, or not at all.
//! It works with any database; you implement [`OutboxStore`] for yours.
//!
//! A function that stores and then emits can be killed in between: the state has changed, but the event is lost. And
//! because events are delivered at least once, a function can be called again with an event that it has handled. An
//! outbox solves both by storing three things in **one** transaction: the state, a marker that the event was handled,
//! and the events to emit, with fixed ids. Then it emits the events and removes them from the outbox. Events that a
//! crash leaves there are emitted later with the same ids, so receivers can detect duplicates.
//!
//! | step | a crash before it means |
//! |---|---|
//! | `decide` reads the state and says what changes | the event comes again, nothing has happened |
//! | [`OutboxStore::commit`] | the same |
//! | the events are emitted | the event comes again, is known, and its events are emitted |
//! | [`OutboxStore::sent`] | the same; they are emitted twice with the same ids |
//!
//! If no event comes again, because the work started with an HTTP request or the delivery was given up,
//! [`Outbox::send_unsent`] emits what is left. Call it on a schedule.
//!
//! An outbox remembers handled events for at least [`MEMORY`], or the time set with [`Outbox::with_memory`]. Choose a
//! time longer than an event can take to come again: as long as the gateway retries, or as long as it keeps the
//! history from which someone may replay it. A replayed event is the same cause: the state changes once, and the outbox
//! answers [`Handled::Before`].
//!
//! # Example
//! This example uses a store in memory as its database; `commit` is one transaction.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::convert::Infallible;
//! use std::sync::Mutex;
//! use std::time::Duration;
//!
//! use eg_sdk::outbox::{Batch, Decision, Found, Handled, Outbox, OutboxError, OutboxStore};
//! use eg_sdk::{CloudEvent, Event, EventGateway};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, Event)]
//! #[event("order.created")]
//! struct OrderCreated { item: String }
//!
//! #[derive(Serialize, Deserialize, Event)]
//! #[event("item.reserved")]
//! struct ItemReserved { item: String }
//!
//! #[derive(Default)]
//! struct Stock(Mutex<Tables>);
//!
//! #[derive(Default)]
//! struct Tables { reserved: u32, handled: BTreeMap<String, Option<Batch>> }
//!
//! impl OutboxStore for Stock {
//!     /// The number of newly reserved pieces.
//!     type Change = u32;
//!     type Error = Infallible;
//!
//!     async fn find(&self, cause: &str) -> Result<Found, Infallible> {
//!         Ok(match self.0.lock().unwrap().handled.get(cause) {
//!             None => Found::New,
//!             Some(None) => Found::Done,
//!             Some(Some(batch)) => Found::Unsent(batch.clone()),
//!         })
//!     }
//!
//!     // This one never forgets.
//!     async fn commit(&self, more: u32, batch: &Batch, _memory: Duration) -> Result<bool, Infallible> {
//!         let mut tables = self.0.lock().unwrap();
//!         if tables.handled.contains_key(batch.cause()) {
//!             return Ok(false);
//!         }
//!         tables.reserved += more;
//!         tables.handled.insert(batch.cause().to_owned(), Some(batch.clone()));
//!         Ok(true)
//!     }
//!
//!     async fn sent(&self, cause: &str) -> Result<(), Infallible> {
//!         self.0.lock().unwrap().handled.insert(cause.to_owned(), None);
//!         Ok(())
//!     }
//!
//!     async fn unsent(&self, limit: usize) -> Result<Vec<Batch>, Infallible> {
//!         Ok(self.0.lock().unwrap().handled.values().flatten().take(limit).cloned().collect())
//!     }
//! }
//!
//! /// Reserves the item, once per order, and emits an event.
//! async fn reserve(
//!     outbox: &Outbox<Stock>,
//!     gateway: &EventGateway,
//!     event: &CloudEvent<OrderCreated>,
//! ) -> Result<Handled, OutboxError<Infallible>> {
//!     outbox
//!         .handle(gateway, event, || async {
//!             let reserved = ItemReserved { item: event.data.item.clone() };
//!             Ok(Decision::new(1).emit(gateway.stage(reserved).map_err(OutboxError::Event)?))
//!         })
//!         .await
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (gateway, recorder) = EventGateway::recording();
//! let outbox = Outbox::new(Stock::default());
//! let event = CloudEvent::new("/orders", OrderCreated { item: "item-1".into() });
//!
//! // The gateway is unavailable when the event is emitted: the caller retries later.
//! recorder.refuse_next(503, "away");
//! assert!(matches!(reserve(&outbox, &gateway, &event).await, Err(OutboxError::Unsent(_))));
//! assert_eq!(reserve(&outbox, &gateway, &event).await?, Handled::Before);
//!
//! // Reserved once, emitted once.
//! assert_eq!(outbox.store().0.lock().unwrap().reserved, 1);
//! assert_eq!(recorder.events_of::<ItemReserved>()?.len(), 1);
//! # Ok(())
//! # }
//! ```

mod outgoing;
mod store;

use std::future::Future;
use std::time::Duration;

pub use self::outgoing::{Batch, Cause, Decision, Outgoing};
pub use self::store::{Found, OutboxStore};
use crate::{Error, EventGateway};

/// How often a decision is repeated because the state changed in the meantime, before the caller must retry.
const ATTEMPTS: u32 = 32;

/// The longest pause between two of these repetitions.
const LONGEST_PAUSE: u64 = 64;

/// How many unsent batches are loaded at a time.
const PAGE: usize = 100;

/// How long an [`Outbox`] remembers handled causes by default: 30 days. By default, the gateway retries for one day
/// and keeps its history for seven.
pub const MEMORY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Handles each cause once, and emits the resulting events at least once. See the [module](self).
#[derive(Debug, Clone)]
pub struct Outbox<S> {
    store: S,
    memory: Duration,
}

/// Whether this call handled the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// This call handled it: state and events are stored.
    Now,
    /// An earlier call handled it. Events that were not known to be emitted are now emitted.
    Before,
}

/// Why an event was not handled, or not completely.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError<E: std::error::Error + 'static> {
    /// The store failed. It may or may not have stored the change; handling the same event again is safe.
    #[error(transparent)]
    Store(E),
    /// An event to emit is invalid. Nothing was stored.
    #[error(transparent)]
    Event(Error),
    /// State and events are stored, but the gateway has not accepted the events yet. They are emitted when the same
    /// event comes again, or by [`Outbox::send_unsent`].
    #[error("the resulting events are stored but not emitted yet")]
    Unsent(#[source] Error),
    /// Other writers kept changing the same state. Nothing was stored.
    #[error("other writers keep changing the state that {0} affects; try again")]
    Contended(Cause),
}

/// Emits staged events: implemented by [`EventGateway`], and by `Emit` of `eg-runtime`.
pub trait Emitter: Sync {
    /// Emits the event unchanged. Returns once it has been accepted.
    fn emit_outgoing(&self, event: &Outgoing) -> impl Future<Output = Result<(), Error>> + Send;
}

impl Emitter for EventGateway {
    async fn emit_outgoing(&self, event: &Outgoing) -> Result<(), Error> {
        self.emit(event.event().clone()).await.map(drop)
    }
}

impl<S: OutboxStore> Outbox<S> {
    /// Creates an outbox in `store`.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self { store, memory: MEMORY }
    }

    /// Sets how long the outbox remembers handled causes, at least.
    #[must_use]
    pub fn with_memory(self, memory: Duration) -> Self {
        Self { memory, ..self }
    }

    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Handles `cause`, an event or a named request, once.
    ///
    /// `decide` reads the state and returns the change and the events to emit. It is called again if the state
    /// changed before its decision was stored, so it must have no other effects. It is not called if `cause` was
    /// handled before; in that case, unsent events are emitted.
    ///
    /// # Errors
    /// Errors of `decide`, and any [`OutboxError`]. After each of them, handle the same cause again.
    pub async fn handle<D, F, E>(
        &self,
        emitter: &impl Emitter,
        cause: impl Into<Cause>,
        decide: D,
    ) -> Result<Handled, E>
    where
        D: FnMut() -> F,
        F: Future<Output = Result<Decision<S::Change>, E>>,
        E: From<OutboxError<S::Error>>,
    {
        let (handled, unsent) = self.store_once(cause.into(), decide).await?;
        if let Some(batch) = unsent {
            self.send(emitter, &batch).await?;
        }
        Ok(handled)
    }

    /// Handles `cause` once like [`handle`](Self::handle), without events: `decide` returns only the change.
    ///
    /// # Errors
    /// As [`handle`](Self::handle).
    pub async fn record<D, F, E>(&self, cause: impl Into<Cause>, mut decide: D) -> Result<Handled, E>
    where
        D: FnMut() -> F,
        F: Future<Output = Result<S::Change, E>>,
        E: From<OutboxError<S::Error>>,
    {
        let decide = || {
            let change = decide();
            async move { change.await.map(Decision::new) }
        };
        self.store_once(cause.into(), decide).await.map(|(handled, _)| handled)
    }

    /// Stores the handling of `cause`. Returns the events to emit.
    async fn store_once<D, F, E>(&self, cause: Cause, mut decide: D) -> Result<(Handled, Option<Batch>), E>
    where
        D: FnMut() -> F,
        F: Future<Output = Result<Decision<S::Change>, E>>,
        E: From<OutboxError<S::Error>>,
    {
        for attempt in 0..ATTEMPTS {
            match self.store.find(cause.as_str()).await.map_err(OutboxError::Store)? {
                Found::New => {}
                Found::Done => return Ok((Handled::Before, None)),
                Found::Unsent(batch) => return Ok((Handled::Before, Some(batch))),
            }
            let Decision { change, events } = decide().await?;
            let batch = Batch { cause: cause.as_str().to_owned(), events };
            if self.store.commit(change, &batch, self.memory).await.map_err(OutboxError::Store)? {
                return Ok((Handled::Now, Some(batch)));
            }
            tokio::time::sleep(pause(attempt)).await;
        }
        Err(OutboxError::Contended(cause).into())
    }

    /// Emits all stored events that are not known to be emitted, and returns their number. Events that a function is
    /// about to emit are emitted twice.
    ///
    /// An event that the gateway refuses does not hold up the others.
    ///
    /// # Errors
    /// The first error, after all events were tried.
    pub async fn send_unsent(&self, emitter: &impl Emitter) -> Result<usize, OutboxError<S::Error>> {
        let mut sent = 0;
        let mut failed = None;
        loop {
            let batches = self.store.unsent(PAGE).await.map_err(OutboxError::Store)?;
            let last = batches.len() < PAGE;
            for batch in batches {
                match self.send(emitter, &batch).await {
                    Ok(()) => sent += batch.events.len(),
                    Err(e) => failed = failed.or(Some(e)),
                }
            }
            match failed {
                Some(e) => return Err(e),
                None if last => return Ok(sent),
                None => {}
            }
        }
    }

    async fn send(&self, emitter: &impl Emitter, batch: &Batch) -> Result<(), OutboxError<S::Error>> {
        // One after the other, so that a subscriber of all of them gets them in order.
        for event in &batch.events {
            emitter.emit_outgoing(event).await.map_err(OutboxError::Unsent)?;
        }
        if batch.events.is_empty() {
            return Ok(());
        }
        self.store.sent(&batch.cause).await.map_err(OutboxError::Store)
    }
}

/// The pause grows with each repetition and is random, so that two writers do not collide again.
fn pause(attempt: u32) -> Duration {
    let longest = (2_u64 << attempt.min(10)).min(LONGEST_PAUSE);
    Duration::from_millis(fastrand::u64(0..=longest))
}
