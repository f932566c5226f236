//! Counts the hops of events that name their cause and do not count them themselves, so that loops end. The store knows how
//! many events led to the cause.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::decide::classify::BadEvent;
use crate::decide::event::Event;
use crate::store::Store;

/// The causes that the events of one request name: the hops of each, by space and id, or `None` if it is not known. Each is
/// looked up once, however many events name it.
#[derive(Debug, Default)]
pub(super) struct Causes(Mutex<BTreeMap<(String, String), Option<u32>>>);

impl Causes {
    /// Counts the hops of an event that names its cause and has none itself. An event whose cause is not stored stays as it
    /// is, and so does one whose cause cannot be looked up: that must not keep the event out.
    pub(super) async fn counted(&self, store: &Store, space: &str, event: Event) -> Result<Event, BadEvent> {
        match event.cause().filter(|_| event.hops() == 0).map(str::to_owned) {
            // On the heap, the future costs memory only for such events.
            Some(cause) => Box::pin(self.count(store, space, cause, event)).await,
            None => Ok(event),
        }
    }

    async fn count(
        &self,
        store: &Store,
        space: &str,
        cause: String,
        event: Event,
    ) -> Result<Event, BadEvent> {
        let key = (space.to_owned(), cause);
        let known = self.known().get(&key).copied();
        let hops = match known {
            Some(hops) => hops,
            None => {
                let found = store.hops_of(key.0.clone(), key.1.clone()).await;
                *self.known().entry(key).or_insert(found.unwrap_or_default())
            }
        };
        match hops {
            Some(hops) => Ok(event.with_hops(hops.saturating_add(1))?),
            None => Ok(event),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, String), Option<u32>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
