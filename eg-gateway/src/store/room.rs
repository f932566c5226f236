//! Knows how much room a store has, and decides who may use it. The backends measure their stores and make room.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::StoreError;

/// What an event takes besides its JSON, and what a delivery takes: their rows and their entries in indexes.
pub(in crate::store) const ROW: u64 = 400;

/// Returns the bytes that this many rows take, with this much JSON in them.
pub(in crate::store) fn bytes(rows: usize, json: usize) -> u64 {
    let [rows, json] = [rows, json].map(|number| u64::try_from(number).unwrap_or(u64::MAX));
    json.saturating_add(rows.saturating_mul(ROW))
}

/// Returns how many bytes there are for each space.
pub(in crate::store) fn by_space<'s>(sizes: impl Iterator<Item = (&'s str, u64)>) -> Vec<(&'s str, u64)> {
    let mut shares: Vec<(&str, u64)> = Vec::new();
    for (space, bytes) in sizes {
        match shares.iter_mut().find(|(known, _)| *known == space) {
            Some((_, share)) => *share += bytes,
            None => shares.push((space, bytes)),
        }
    }
    shares
}

/// The number of events whose sizes are read to estimate how much each space holds.
const SAMPLES: i64 = 1_000;

/// The room of a store.
#[derive(Debug)]
pub(crate) struct Room {
    /// Maximum size of the store in bytes.
    limit: AtomicU64,
    /// Bytes in use when the store was measured last.
    used: AtomicU64,
    /// Bytes of events that are being stored.
    reserved: AtomicU64,
    /// Bytes that were ever reserved, and how many of them when the store was measured.
    admitted: AtomicU64,
    measured_at: AtomicU64,
    spaces: Mutex<HashMap<String, u64>>,
    /// Whether dead letters were discarded, so that their events may be deleted.
    discarded: AtomicBool,
    /// Notified when retention should make room, or find out how much each space holds.
    pub(in crate::store) pressure: Notify,
}

/// Room that is reserved until this is dropped.
#[derive(Debug)]
pub(in crate::store) struct Reserved {
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
            admitted: AtomicU64::new(0),
            measured_at: AtomicU64::new(0),
            spaces: Mutex::default(),
            discarded: AtomicBool::new(false),
            pressure: Notify::new(),
        }
    }
}

impl Room {
    /// Sets the maximum size of the store in bytes.
    pub(in crate::store) fn set_limit(&self, bytes: u64) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    /// Returns whether the store has reached its limit.
    pub(in crate::store) fn is_full(&self) -> bool {
        self.used.load(Ordering::Relaxed) >= self.limit.load(Ordering::Relaxed)
    }

    /// Returns the size from which retention makes room.
    pub(in crate::store) fn tight(&self) -> u64 {
        tight(self.limit.load(Ordering::Relaxed))
    }

    /// Returns whether the store should be measured after the next transaction: it is half full, or may be.
    pub(in crate::store) fn is_due(&self) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        let measured_at = self.measured_at.load(Ordering::Relaxed);
        let since = self.admitted.load(Ordering::Relaxed).wrapping_sub(measured_at);
        self.used() > limit / 2 || since > limit / 16
    }

    /// Records the size of the store after a transaction.
    pub(in crate::store) fn measured(&self, used: u64) {
        self.measured_at.store(self.admitted.load(Ordering::Relaxed), Ordering::Relaxed);
        let before = self.used.swap(used, Ordering::Relaxed);
        let limit = self.limit.load(Ordering::Relaxed);
        let crosses_half = before <= limit / 2 && used > limit / 2;
        if crosses_half || (used > before && used > tight(limit)) {
            self.pressure.notify_one();
        }
    }

    /// Returns the bytes in use when the store was measured last.
    pub(in crate::store) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Reserves room for events that take this many bytes. `shares` returns how many of them are for each space.
    ///
    /// # Errors
    /// [`StoreError::Full`] if they do not fit, and [`StoreError::ShareUsed`] if the store is nearly full and one of the
    /// spaces holds its share.
    pub(in crate::store) fn reserve<'s>(
        self: &Arc<Self>,
        bytes: u64,
        shares: impl FnOnce() -> Vec<(&'s str, u64)>,
    ) -> Result<Reserved, StoreError> {
        let limit = self.limit.load(Ordering::Relaxed);
        self.admitted.fetch_add(bytes, Ordering::Relaxed);
        let reserved = self.reserved.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let reservation = Reserved { room: Arc::clone(self), bytes };
        let after = self.used().saturating_add(reserved);
        if after > limit {
            self.pressure.notify_one();
            return Err(StoreError::Full);
        }
        if after > limit / 2 {
            let shares = shares();
            let mut spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
            let new = shares.iter().filter(|(space, _)| !spaces.contains_key(*space)).count();
            let all = spaces.len() + new;
            let share = limit / u64::try_from(all.max(1)).unwrap_or(u64::MAX);
            let held = |space: &str| spaces.get(space).copied().unwrap_or_default();
            let uses_up = |(space, more): &&(&str, u64)| held(space).saturating_add(*more) > share;
            // Alone, a space may use everything, whatever the estimate is.
            if all > 1
                && after > tight(limit)
                && let Some((space, _)) = shares.iter().find(uses_up)
            {
                return Err(StoreError::ShareUsed((*space).to_owned()));
            }
            for (space, more) in shares {
                match spaces.get_mut(space) {
                    Some(held) => *held = held.saturating_add(more),
                    None => drop(spaces.insert(space.to_owned(), more)),
                }
            }
        }
        Ok(reservation)
    }

    /// Replaces the estimate of how much each space holds. `shares` has the bytes of each space in a sample.
    pub(in crate::store) fn set_spaces(&self, shares: HashMap<String, u64>) {
        let all = u128::from(shares.values().sum::<u64>().max(1));
        let used = u128::from(self.used());
        let held = |bytes: u64| u64::try_from(u128::from(bytes) * used / all).unwrap_or(u64::MAX);
        let held = shares.into_iter().map(|(space, bytes)| (space, held(bytes))).collect();
        *self.spaces.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }

    /// Records that dead letters were discarded.
    pub(in crate::store) fn discarded(&self) {
        self.discarded.store(true, Ordering::Relaxed);
        self.pressure.notify_one();
    }

    /// Returns whether dead letters were discarded since the last call.
    pub(in crate::store) fn take_discarded(&self) -> bool {
        self.discarded.swap(false, Ordering::Relaxed)
    }

    /// Returns whether it matters how much each space holds.
    pub(in crate::store) fn needs_shares(&self) -> bool {
        self.used() > self.limit.load(Ordering::Relaxed) / 2
    }
}

/// Returns nine tenths of `limit`.
fn tight(limit: u64) -> u64 {
    limit - limit / 10
}

/// Returns the numbers from which on the sampled events are the next ones, out of those from `first` to `last`.
pub(in crate::store) fn samples(first: i64, last: i64) -> impl Iterator<Item = i64> {
    (0..SAMPLES.min(last - first + 1)).map(move |sample| {
        // Multiples of the golden ratio are spread evenly and follow no pattern of the events.
        let part = i128::from(sample) * 618_034 % 1_000_000;
        first + i64::try_from(i128::from(last - first + 1) * part / 1_000_000).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(limit: u64, used: u64) -> Arc<Room> {
        let room = Arc::new(Room::default());
        room.set_limit(limit);
        room.measured(used);
        room
    }

    fn reserve(room: &Arc<Room>, space: &str, bytes: u64) -> Result<Reserved, StoreError> {
        room.reserve(bytes, || vec![(space, bytes)])
    }

    #[test]
    fn events_that_do_not_fit_are_refused_before_they_are_stored() {
        let room = room(10_000, 8_000);
        let first = reserve(&room, "a", bytes(0, 1_500)).unwrap();
        assert!(matches!(reserve(&room, "a", bytes(0, 1_500)), Err(StoreError::Full)));
        drop(first);
        let first = reserve(&room, "a", bytes(2, 1_000)).unwrap();
        assert!(matches!(reserve(&room, "a", bytes(1, 0)), Err(StoreError::Full)), "rows count, too");
        drop(first);
        room.measured(10_000);
        assert!(room.is_full());
        assert!(matches!(reserve(&room, "a", 1), Err(StoreError::Full)));
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
            match reserve(&room, "noisy", 1_000) {
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
        drop(reserve(&room, "quiet", 5_000).unwrap());
        drop(reserve(&room, "new", 5_000).unwrap());
        // Alone, a space may use everything, even if the estimate is too high.
        let room = self::room(100_000, 95_000);
        room.set_spaces(HashMap::from([("only".to_owned(), 1)]));
        for _ in 0..3 {
            drop(reserve(&room, "only", 4_000).unwrap());
        }
    }

    #[test]
    fn a_store_with_much_room_is_measured_rarely() {
        let room = room(160_000, 40_000);
        assert!(!room.is_due());
        for _ in 0..2 {
            drop(reserve(&room, "a", 10_000).unwrap());
            assert!(!room.is_due());
            drop(reserve(&room, "a", 1).unwrap());
            assert!(room.is_due(), "it may be half full");
            room.measured(50_000);
            assert!(!room.is_due());
        }
        room.measured(80_001);
        assert!(room.is_due());
    }

    /// All copies of an event counted towards the space of the first one.
    #[test]
    fn copies_count_towards_their_own_spaces() {
        let room = room(100_000, 89_000);
        room.set_spaces(HashMap::from([("one".to_owned(), 4), ("other".to_owned(), 5)]));
        let copies = || vec![("one", 1_500), ("other", 1_500)];
        let refused = room.reserve(3_000, copies).unwrap_err();
        assert!(matches!(refused, StoreError::ShareUsed(space) if space == "other"));
        room.measured(60_000);
        room.set_spaces(HashMap::from([("one".to_owned(), 1), ("other".to_owned(), 1)]));
        drop(room.reserve(3_000, copies).unwrap());
        assert_eq!(
            *room.spaces.lock().unwrap(),
            HashMap::from([("one", 31_500), ("other", 31_500)].map(|(space, held)| (space.to_owned(), held)))
        );
    }
}
