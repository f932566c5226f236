//! Knows how much room the store has, and decides who may use it. `writer` measures the store after each transaction,
//! and `retention` makes room.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Notify;

use super::StoreError;

/// What an event takes besides its JSON, and what a delivery takes: their rows and their entries in indexes.
const ROW: u64 = 400;

/// The number of events whose sizes are read to estimate how much each space holds.
const SAMPLES: i64 = 1_000;

/// The room of a store.
#[derive(Debug)]
pub(crate) struct Room {
    /// Maximum size of the store in bytes.
    limit: AtomicU64,
    /// Bytes in use after the last transaction.
    used: AtomicU64,
    /// Bytes of events that are being stored.
    reserved: AtomicU64,
    spaces: Mutex<HashMap<String, u64>>,
    /// Whether dead letters were discarded, so that their events may be deleted.
    discarded: AtomicBool,
    /// Notified when retention should make room, or find out how much each space holds.
    pub(super) pressure: Notify,
}

/// Room that is reserved until this is dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    room: Arc<Room>,
    bytes: u64,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.room.reserved.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Default for Room {
    fn default() -> Self {
        Self {
            limit: AtomicU64::new(u64::MAX),
            used: AtomicU64::new(0),
            reserved: AtomicU64::new(0),
            spaces: Mutex::default(),
            discarded: AtomicBool::new(false),
            pressure: Notify::new(),
        }
    }
}

impl Room {
    /// Sets the maximum size of the store in bytes.
    pub(super) fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    /// Returns whether the store has reached its limit.
    pub(super) fn is_full(&self) -> bool {
        self.used.load(Ordering::Relaxed) >= self.limit.load(Ordering::Relaxed)
    }

    /// Returns the size from which retention makes room.
    pub(super) fn tight(&self) -> u64 {
        tight(self.limit.load(Ordering::Relaxed))
    }

    /// Records the size of the store after a transaction.
    pub(super) fn measured(&self, used: u64) {
        let before = self.used.swap(used, Ordering::Relaxed);
        let limit = self.limit.load(Ordering::Relaxed);
        let crosses_half = before <= limit / 2 && used > limit / 2;
        if crosses_half || (used > before && used > tight(limit)) {
            self.pressure.notify_one();
        }
    }

    /// Returns the bytes in use after the last transaction.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Reserves room for events of `space` with `json` bytes and `rows` rows.
    ///
    /// # Errors
    /// [`StoreError::Full`] if they do not fit, and [`StoreError::ShareUsed`] if the store is nearly full and the space
    /// holds its share.
    pub(super) fn reserve(
        self: &Arc<Self>,
        space: &str,
        json: u64,
        rows: u64,
    ) -> Result<Reserved, StoreError> {
        let bytes = json.saturating_add(rows.saturating_mul(ROW));
        let limit = self.limit.load(Ordering::Relaxed);
        let reserved = self.reserved.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let reservation = Reserved { room: Arc::clone(self), bytes };
        let after = self.used().saturating_add(reserved);
        if after > limit {
            self.pressure.notify_one();
            return Err(StoreError::Full);
        }
        if after > limit / 2 {
            let mut spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
            let held = spaces.get(space).copied().unwrap_or_default().saturating_add(bytes);
            let all = spaces.len() + usize::from(!spaces.contains_key(space));
            if after > tight(limit) && held > limit / u64::try_from(all).unwrap_or(u64::MAX) {
                return Err(StoreError::ShareUsed(space.to_owned()));
            }
            match spaces.get_mut(space) {
                Some(known) => *known = held,
                None => drop(spaces.insert(space.to_owned(), held)),
            }
        }
        Ok(reservation)
    }

    /// Replaces the estimate of how much each space holds. `shares` has the bytes of each space in a sample.
    pub(super) fn set_spaces(&self, shares: HashMap<String, u64>) {
        let all = u128::from(shares.values().sum::<u64>().max(1));
        let used = u128::from(self.used());
        let held = |bytes: u64| u64::try_from(u128::from(bytes) * used / all).unwrap_or(u64::MAX);
        let held = shares.into_iter().map(|(space, bytes)| (space, held(bytes))).collect();
        *self.spaces.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }

    /// Records that dead letters were discarded.
    pub(super) fn discarded(&self) {
        self.discarded.store(true, Ordering::Relaxed);
        self.pressure.notify_one();
    }

    /// Returns whether dead letters were discarded since the last call.
    pub(super) fn take_discarded(&self) -> bool {
        self.discarded.swap(false, Ordering::Relaxed)
    }

    /// Returns whether it matters how much each space holds.
    pub(super) fn needs_shares(&self) -> bool {
        self.used() > self.limit.load(Ordering::Relaxed) / 2
    }
}

/// Returns nine tenths of `limit`.
fn tight(limit: u64) -> u64 {
    limit - limit / 10
}

/// Returns the bytes in use, without freed pages.
pub(super) fn size(connection: &Connection) -> rusqlite::Result<u64> {
    let ask = |pragma| connection.prepare_cached(pragma)?.query_row([], |row| row.get::<_, i64>(0));
    let pages = ask("PRAGMA page_count")?.saturating_sub(ask("PRAGMA freelist_count")?);
    Ok(u64::try_from(pages.saturating_mul(ask("PRAGMA page_size")?)).unwrap_or_default())
}

/// Returns how many bytes each space holds in a sample of the events.
pub(super) fn shares(connection: &Connection) -> rusqlite::Result<HashMap<String, u64>> {
    let range = "SELECT coalesce(min(seq), 0), coalesce(max(seq), -1) FROM events";
    let (first, last): (i64, i64) = connection.query_row(range, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut next = connection
        .prepare_cached("SELECT space, length(event) FROM events WHERE seq >= ?1 ORDER BY seq LIMIT 1")?;
    let mut spaces = HashMap::<String, u64>::new();
    for sample in 0..SAMPLES.min(last - first + 1) {
        // Multiples of the golden ratio are spread evenly and follow no pattern of the events.
        let part = i128::from(sample) * 618_034 % 1_000_000;
        let at = first + i64::try_from(i128::from(last - first + 1) * part / 1_000_000).unwrap_or_default();
        let (space, bytes): (String, i64) = next.query_row([at], |row| Ok((row.get(0)?, row.get(1)?)))?;
        *spaces.entry(space).or_default() += u64::try_from(bytes).unwrap_or_default() + 2 * ROW;
    }
    Ok(spaces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema;

    fn room(limit: u64, used: u64) -> Arc<Room> {
        let room = Arc::new(Room::default());
        room.set_limit(limit);
        room.measured(used);
        room
    }

    #[test]
    fn events_that_do_not_fit_are_refused_before_they_are_stored() {
        let room = room(10_000, 8_000);
        let first = room.reserve("a", 1_500, 0).unwrap();
        assert!(matches!(room.reserve("a", 1_500, 0), Err(StoreError::Full)));
        drop(first);
        let first = room.reserve("a", 1_000, 2).unwrap();
        assert!(matches!(room.reserve("a", 0, 1), Err(StoreError::Full)), "rows count, too");
        drop(first);
        room.measured(10_000);
        assert!(room.is_full());
        assert!(matches!(room.reserve("a", 1, 0), Err(StoreError::Full)));
        room.measured(9_000);
        assert!(!room.is_full());
    }

    /// One space filled the store, and all others were refused.
    #[test]
    fn a_noisy_space_leaves_room_for_the_others() {
        let room = room(100_000, 60_000);
        room.set_spaces(HashMap::from([("noisy".to_owned(), 9), ("quiet".to_owned(), 1)]));
        let mut stored = 60_000;
        let refused = loop {
            match room.reserve("noisy", 1_000, 0) {
                Ok(reserved) => {
                    stored += 1_000;
                    room.measured(stored);
                    drop(reserved);
                }
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, StoreError::ShareUsed(space) if space == "noisy"));
        assert_eq!(stored, 90_000);
        drop(room.reserve("quiet", 5_000, 0).unwrap());
        drop(room.reserve("new", 5_000, 0).unwrap());
        // Alone, a space may use everything.
        let room = self::room(100_000, 95_000);
        room.set_spaces(HashMap::from([("only".to_owned(), 1)]));
        drop(room.reserve("only", 4_000, 0).unwrap());
    }

    #[test]
    fn the_share_of_a_space_is_estimated() {
        let dir = tempfile::tempdir().unwrap();
        let connection = schema::open(&dir.path().join("db")).unwrap();
        assert!(shares(&connection).unwrap().is_empty());
        let insert = "INSERT INTO events (space, id, type, source, method, path, accepted_at, event)
            VALUES (?1, 'a', 'e', '/s', 'POST', '/', 1000, zeroblob(?2))";
        for n in 0..5_000 {
            let space = if n % 4 == 0 { "quiet" } else { "noisy" };
            connection.execute(insert, rusqlite::params![space, 200]).unwrap();
        }
        let shares = shares(&connection).unwrap();
        let percent = 100 * shares["noisy"] / (shares["noisy"] + shares["quiet"]);
        assert!((70..=80).contains(&percent), "{shares:?}");
    }
}
