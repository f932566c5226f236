//! The outbox of a service, in its own store: a marker for each cause that was handled, which expires, and the events that
//! are unsent, which do not.

use std::time::{Duration, SystemTime};

use eg_sdk::outbox::{Batch, Found, OutboxStore};

use crate::sqlite::Safe;
use crate::{Error, Key, Store, Write};

/// The partition of what is unsent; small, so that it can be listed.
const UNSENT: &str = "outbox";

impl OutboxStore for Store {
    type Change = Vec<Write>;
    type Error = Error;

    async fn find(&self, cause: &str) -> Result<Found, Error> {
        // In this order: the marker is written with the events and stays, the events go.
        if self.get(&handled(cause)).await?.is_none() {
            return Ok(Found::New);
        }
        match self.get(&unsent(cause)).await? {
            Some(item) => Ok(Found::Unsent(item.read()?)),
            None => Ok(Found::Done),
        }
    }

    async fn commit(&self, mut writes: Vec<Write>, batch: &Batch, memory: Duration) -> Result<bool, Error> {
        let marker = Write::put(handled(batch.cause()), &())?.if_absent();
        // Where time ends before, it is remembered for ever.
        writes.push(match SystemTime::now().checked_add(memory) {
            Some(end) => marker.until(end),
            None => marker,
        });
        if !batch.events().is_empty() {
            writes.push(Write::put(unsent(batch.cause()), batch)?.if_absent());
        }
        match self.transact(writes).await {
            Ok(()) => Ok(true),
            Err(e) if e.is_conflict() => Ok(false),
            Err(e) => Err(e),
        }
    }

    async fn sent(&self, cause: &str) -> Result<(), Error> {
        // Undone by a power cut, it is emitted once more; so nothing waits for the disk.
        self.write(vec![Write::delete(unsent(cause))], Safe::Soon).await
    }

    async fn unsent(&self, limit: usize) -> Result<Vec<Batch>, Error> {
        self.page(UNSENT, None, limit).await?.iter().map(crate::Item::read).collect()
    }
}

/// Each marker is a partition of its own: DynamoDB slows down a partition that everything is written to.
fn handled(cause: &str) -> Key {
    Key::new(format!("handled#{cause}"), "handled")
}

fn unsent(cause: &str) -> Key {
    Key::new(UNSENT, cause)
}
