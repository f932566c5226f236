//! A transactional outbox: what a service stores and what it emits because of it happen both, once, or not at all.
//! Knows no database; yours comes in as an [`OutboxStore`].
//!
//! A function that stores and then emits can be killed in between: the state has changed, and nobody hears of it. And
//! because events are delivered at least once, it can be called again with an event that it has handled. Both are solved
//! by storing three things in **one** transaction: the state, that the event was handled, and the events to emit because
//! of it, with ids that are fixed now. Then they are emitted and taken out of the outbox. Whatever a crash leaves there
//! is emitted later, with the same ids, so whoever gets one of them twice can tell.
//!
//! | step | a crash before it means |
//! |---|---|
//! | `decide` reads the state and says what changes | the event comes again, nothing has happened |
//! | [`OutboxStore::commit`] | the same |
//! | the events are emitted | the event comes again, is known, and its events are emitted |
//! | [`OutboxStore::sent`] | the same; they are emitted twice with the same ids |
//!
//! What no event brings back, because it began with an HTTP request, or because the event was given up meanwhile,
//! [`Outbox::send_unsent`] emits: call it by a schedule.
//!
//! That an event was handled is remembered for [`MEMORY`], or as long as [`Outbox::with_memory`] says, and forgotten
//! some time after that. Let it be longer than an event can take to come again: as long as the gateway tries, or as it
//! keeps its history, where somebody may replay it.
//!
//! # Example
//! A store in memory stands for the database here; `commit` is one transaction of it.
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
//!     /// How many pieces more are reserved.
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
//! /// Reserves the item, once per order, and says so.
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
//! // The gateway is away when the event is to be emitted: the caller tries again, later.
//! recorder.refuse_next(503, "away");
//! assert!(matches!(reserve(&outbox, &gateway, &event).await, Err(OutboxError::Unsent(_))));
//! assert_eq!(reserve(&outbox, &gateway, &event).await?, Handled::Before);
//!
//! // Reserved once, told once.
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

/// How often a decision is made anew because the state had changed meanwhile, before the caller has to try again.
const ATTEMPTS: u32 = 32;

/// The longest pause between two of them.
const LONGEST_PAUSE: u64 = 64;

/// How many batches are loaded at a time when all that is unsent is emitted.
const PAGE: usize = 100;

/// How long an [`Outbox`] remembers what it has handled, unless it is told otherwise: 30 days. The gateway tries for one
/// day and keeps its history for seven, unless it is told otherwise.
pub const MEMORY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Handles events once, and emits what follows from them at least once. See the [module](self).
#[derive(Debug, Clone)]
pub struct Outbox<S> {
    store: S,
    memory: Duration,
}

/// Whether an event was handled by this call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// Yes: state and events are stored.
    Now,
    /// No: it had been handled before; if its events were not known to be emitted, they are now.
    Before,
}

/// Why an event was not handled, or not to the end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError<E: std::error::Error + 'static> {
    /// The store failed. It may or may not have stored what it was given; the same event again finds out.
    #[error(transparent)]
    Store(E),
    /// An event that should follow is invalid; nothing was stored.
    #[error(transparent)]
    Event(Error),
    /// Everything is stored, but the gateway has not taken the events yet. They are emitted when the same event comes
    /// again, or by [`Outbox::send_unsent`].
    #[error("what follows is stored, but not emitted yet")]
    Unsent(#[source] Error),
    /// Others kept changing the same state; nothing was stored.
    #[error("too many others change what {0} is about; try again")]
    Contended(Cause),
}

/// What can emit an event that was staged: an [`EventGateway`], and `Emit` of `eg-runtime`.
pub trait Emitter: Sync {
    /// Emits it as it is, and returns when it has been accepted.
    fn emit_outgoing(&self, event: &Outgoing) -> impl Future<Output = Result<(), Error>> + Send;
}

impl Emitter for EventGateway {
    async fn emit_outgoing(&self, event: &Outgoing) -> Result<(), Error> {
        self.emit(event.event().clone()).await.map(drop)
    }
}

impl<S: OutboxStore> Outbox<S> {
    /// An outbox in `store`.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self { store, memory: MEMORY }
    }

    /// The same, which remembers `memory` long at least what it has handled.
    #[must_use]
    pub fn with_memory(self, memory: Duration) -> Self {
        Self { memory, ..self }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Handles `cause`, an event or the name of a request, once.
    ///
    /// `decide` reads the state and says what changes and which events follow. It is called again when the state had
    /// changed before its decision was stored, so it must do nothing else. It is not called when `cause` was handled
    /// before; then what is still unsent is emitted.
    ///
    /// # Errors
    /// Those of `decide`, and any [`OutboxError`]; handling the same cause again is right after each of them.
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

    /// Handles `cause` once, as [`handle`](Self::handle), where no event follows: `decide` says what changes.
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

    /// Has `cause` handled in the store, and returns what is to be emitted.
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

    /// Emits everything that is stored and not known to be emitted, and says how many events that were. Those of
    /// functions that are just about to emit them are emitted twice.
    ///
    /// One that the gateway refuses does not keep back the others.
    ///
    /// # Errors
    /// The first error, when all has been tried.
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
        // One after the other: who gets them all gets them in the order in which they were decided.
        for event in &batch.events {
            emitter.emit_outgoing(event).await.map_err(OutboxError::Unsent)?;
        }
        if batch.events.is_empty() {
            return Ok(());
        }
        self.store.sent(&batch.cause).await.map_err(OutboxError::Store)
    }
}

/// Longer each time, and never the same for two who have just met.
fn pause(attempt: u32) -> Duration {
    let longest = (2_u64 << attempt.min(10)).min(LONGEST_PAUSE);
    Duration::from_millis(fastrand::u64(0..=longest))
}
