//! The outbox in a service's own store: one marker per handled cause, which expires, and the unsent events, which do
//! not.

use std::time::{Duration, SystemTime};

use eg_sdk::outbox::{Batch, Found, OutboxStore};

use crate::sqlite::Safe;
use crate::{Error, Key, Store, Write};

/// The partition of unsent events. It stays small, so it can be listed.
const UNSENT: &str = "outbox";

impl OutboxStore for Store {
    type Change = Vec<Write>;
    type Error = Error;

    async fn find(&self, cause: &str) -> Result<Found, Error> {
        // The order matters: the marker is written with the events and stays; the events are deleted once sent.
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
        // If the expiry overflows, the marker never expires.
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
        // Does not wait for the disk: if a power cut undoes the deletion, the event is emitted once more.
        self.write(vec![Write::delete(unsent(cause))], Safe::Soon).await
    }

    async fn unsent(&self, limit: usize) -> Result<Vec<Batch>, Error> {
        self.page(UNSENT, None, limit).await?.iter().map(crate::Item::read).collect()
    }
}

/// Each marker has its own partition, because DynamoDB throttles a partition that receives every write.
fn handled(cause: &str) -> Key {
    Key::new(format!("handled#{cause}"), "handled")
}

fn unsent(cause: &str) -> Key {
    Key::new(UNSENT, cause)
}
