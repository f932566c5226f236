//! The table of open connections of one API: how many there are, whose they are, and which of them wait for a request.
//! When there is no room, the connections that have waited longest are closed for a new one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::budget::{Holder, Reservation};

/// A client may open another connection only while it has fewer than this many times those that are left. So a single
/// client gets eight ninths of the table, and something is left for the next one.
const SHARE: usize = 8;

/// The part of the table that is searched for at once and closed: finding the longest waiting connection costs a look at
/// every one.
const AT_ONCE: usize = 64;

/// The state of a connection that serves a request; other values are the time since when it waits for one.
const BUSY: u64 = u64::MAX;

/// The state of a connection that must close.
const CLOSED: u64 = u64::MAX - 1;

/// The open connections of one API.
#[derive(Debug)]
pub(crate) struct Connections {
    limit: usize,
    table: Mutex<Table>,
    /// Times are counted from here.
    epoch: Instant,
}

#[derive(Debug, Default)]
struct Table {
    open: HashMap<u64, Arc<Slot>>,
    next: u64,
    by_client: HashMap<Holder, usize>,
}

/// An open connection. Dropping it removes it from the table.
#[derive(Debug)]
pub(super) struct Open {
    connections: Arc<Connections>,
    number: u64,
    slot: Arc<Slot>,
}

/// What the parts of a connection share.
#[derive(Debug)]
pub(super) struct Slot {
    client: Holder,
    /// Microseconds from the epoch since when it waits for a request, or [`BUSY`], or [`CLOSED`].
    state: AtomicU64,
    close: Notify,
    epoch: Instant,
    /// Whether the whole answer is with the HTTP library, which may still have to send it.
    answered: AtomicBool,
    /// The memory of the answer, until it is sent.
    answer: Mutex<Option<Arc<Reservation>>>,
}

impl Connections {
    /// Creates a table for `limit` connections; 0 counts as 1.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit: limit.max(1), table: Mutex::default(), epoch: Instant::now() })
    }

    /// Adds a connection of a client. If there is no room, it closes some that wait for a request: of this client, if it
    /// has its share, else of any. The share counts the places that closing others would make, so that a client does not
    /// close others for a place that is not its own. Returns `None` if none waits.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Open> {
        let client = Holder::client(address);
        let mut table = self.table();
        let has = table.by_client.get(&client).copied().unwrap_or_default();
        let left = self.limit - table.open.len();
        let at_once = self.limit.div_ceil(AT_ONCE);
        // A table with few places has none to spare.
        let has_share = |left| self.limit > SHARE && has >= SHARE * left;
        if left == 0 || has_share(left) {
            let whose = has_share(left.max(at_once)).then_some(client);
            let closed = table.close(whose, at_once);
            if closed == 0 {
                return None;
            }
        }
        let slot = Arc::new(Slot {
            client,
            state: AtomicU64::new(since(self.epoch)),
            close: Notify::new(),
            epoch: self.epoch,
            answered: AtomicBool::new(false),
            answer: Mutex::default(),
        });
        let number = table.next;
        table.next += 1;
        table.open.insert(number, Arc::clone(&slot));
        *table.by_client.entry(client).or_default() += 1;
        Some(Open { connections: Arc::clone(self), number, slot })
    }

    /// Closes connections that wait for a request, because the process needs their file descriptors. Returns whether any
    /// did.
    pub(super) fn make_room(&self) -> bool {
        self.table().close(None, self.limit.div_ceil(AT_ONCE)) > 0
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Closes up to `count` connections of a client, or of any, that have waited longest for a request. Returns how many.
    fn close(&mut self, client: Option<Holder>, count: usize) -> usize {
        let of_client = |slot: &Slot| client.is_none_or(|client| client == slot.client);
        let waiting = self.open.iter().filter(|(_, slot)| of_client(slot)).filter_map(|(number, slot)| {
            let state = slot.state.load(Ordering::Relaxed);
            (state < CLOSED).then_some((state, *number))
        });
        let mut waiting: Vec<(u64, u64)> = waiting.collect();
        waiting.sort_unstable();
        let mut closed = 0;
        for (state, number) in waiting.into_iter().take(count) {
            let Some(slot) = self.open.get(&number) else { continue };
            // A request may have arrived in the meantime.
            if slot.state.compare_exchange(state, CLOSED, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                slot.close.notify_one();
                self.remove(number);
                closed += 1;
            }
        }
        closed
    }

    fn remove(&mut self, number: u64) {
        let Some(slot) = self.open.remove(&number) else { return };
        if let Some(has) = self.by_client.get_mut(&slot.client) {
            *has -= 1;
            if *has == 0 {
                self.by_client.remove(&slot.client);
            }
        }
    }
}

impl Open {
    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.connections.table().remove(self.number);
    }
}

impl Slot {
    /// Waits until the connection must close to make room.
    pub(super) async fn closed(&self) {
        self.close.notified().await;
    }

    /// Records that a request has arrived. Returns `false` if the connection is being closed.
    pub(super) fn requested(&self) -> bool {
        // The answer before it may still have to be sent; the connection is busy until this one is, too.
        self.answered.store(false, Ordering::Relaxed);
        let state = self.state.load(Ordering::Relaxed);
        state != CLOSED
            && self.state.compare_exchange(state, BUSY, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Records that the HTTP library has the whole answer.
    pub(super) fn answered(&self, room: Option<Arc<Reservation>>) {
        if room.is_some() {
            *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = room;
        }
        self.answered.store(true, Ordering::Release);
    }

    /// Records that nothing is left to send. If that includes a whole answer, the connection waits for a request again.
    pub(super) fn flushed(&self) {
        if self.answered.load(Ordering::Acquire) {
            self.answered.store(false, Ordering::Relaxed);
            drop(self.answer.lock().unwrap_or_else(PoisonError::into_inner).take());
            let now = since(self.epoch);
            let _ = self.state.compare_exchange(BUSY, now, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// Returns whether the connection waits for a request.
    pub(super) fn waits(&self) -> bool {
        self.state.load(Ordering::Relaxed) != BUSY
    }
}

/// Returns the microseconds since `epoch`.
fn since(epoch: Instant) -> u64 {
    u64::try_from(epoch.elapsed().as_micros()).unwrap_or(CLOSED).min(CLOSED - 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;

    fn address(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    fn is_closed(open: &Open) -> bool {
        open.slot().closed().now_or_never().is_some()
    }

    async fn admitted(connections: &Arc<Connections>, client: u8, count: usize) -> Vec<Open> {
        let mut open = Vec::new();
        for _ in 0..count {
            tokio::time::advance(Duration::from_millis(1)).await;
            open.push(connections.admit(address(client)).unwrap());
        }
        open
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_has_waited_longest_makes_room() {
        let connections = Connections::new(3);
        let open = admitted(&connections, 1, 3).await;
        assert!(open[0].slot().requested());
        let new = connections.admit(address(2)).unwrap();
        assert_eq!([0, 1, 2].map(|number| is_closed(&open[number])), [false, true, false]);
        assert!(!open[1].slot().requested(), "it is being closed");

        assert!(open[2].slot().requested() && new.slot().requested());
        assert!(connections.admit(address(2)).is_none(), "all are busy");
        open[0].slot().answered(None);
        assert!(connections.admit(address(2)).is_none(), "the answer is not sent yet");
        open[0].slot().flushed();
        let newest = connections.admit(address(2)).unwrap();
        assert!(is_closed(&open[0]));
        drop((open, new, newest));
        assert!(connections.table().open.is_empty() && connections.table().by_client.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_cannot_take_all() {
        let connections = Connections::new(90);
        let busy = admitted(&connections, 1, 80).await;
        assert!(busy.iter().all(|open| open.slot().requested()));
        assert!(connections.admit(address(1)).is_none());
        let other = admitted(&connections, 2, 9).await;
        let another = connections.admit(address(2)).unwrap();
        assert!(is_closed(&other[0]), "a client with its share makes room itself");
        assert!(another.slot().waits());
        assert!(connections.admit(address(3)).is_some());
    }

    /// A client with its share closed those of others when the table was full.
    #[tokio::test(start_paused = true)]
    async fn a_client_with_its_share_closes_no_others() {
        let connections = Connections::new(64);
        let mut others = admitted(&connections, 1, 31).await;
        let many = admitted(&connections, 2, 24).await;
        // Others take the last places.
        for client in 3..12 {
            others.extend(admitted(&connections, client, 1).await);
        }
        assert_eq!(connections.table().open.len(), 64);
        let new = connections.admit(address(2)).unwrap();
        assert!(is_closed(&many[0]) && others.iter().all(|open| !is_closed(open)));
        let newcomer = connections.admit(address(12)).unwrap();
        assert!(is_closed(&others[0]), "it has waited longest");
        drop((new, newcomer));
    }

    #[tokio::test(start_paused = true)]
    async fn descriptors_are_given_back() {
        let connections = Connections::new(64);
        let open = admitted(&connections, 1, 2).await;
        assert!(open[1].slot().requested());
        assert!(connections.make_room());
        assert_eq!([0, 1].map(|number| is_closed(&open[number])), [true, false]);
        assert!(!connections.make_room());
    }
}
