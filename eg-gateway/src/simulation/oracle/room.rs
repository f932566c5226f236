//! Checks the size limit of the store: a store that is above it accepts nothing, and one that has room refuses nothing
//! and deletes nothing before its time.

use rusqlite::Connection;

use super::Finding;

/// What events and attempts that are being written may add to a store, besides what is reserved for them.
const UNDER_WAY: u64 = 40_000;

/// What the store may have reserved for events that are being written.
const RESERVED: u64 = 80_000;

/// More than a small event takes.
const ONE_EVENT: u64 = 6_000;

const SIZE: &str = "SELECT (p.page_count - f.freelist_count) * s.page_size
    FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size s";

#[derive(Debug)]
pub(super) struct Room {
    /// The maximum size of the store in bytes.
    limit: u64,
    /// The size after the last transaction.
    size: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self { limit: u64::MAX, size: 0 }
    }
}

impl Room {
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self { limit: limit.unwrap_or(u64::MAX), size: 0 }
    }

    /// Reads the size of the store.
    pub(super) fn measure(&mut self, look: &Connection) {
        self.size = size(look);
    }

    /// Returns whether the store has a limit.
    pub(super) fn is_limited(&self) -> bool {
        self.limit < u64::MAX
    }

    /// Returns whether the store may lack the room for a small event.
    pub(super) fn is_short(&self) -> bool {
        self.size.saturating_add(ONE_EVENT) > self.limit
    }

    /// Returns whether the store may delete events before their time, because less than a tenth of it is free.
    pub(super) fn is_tight(&self) -> bool {
        self.size > self.limit - self.limit / 10
    }

    /// Checks that the store may have accepted an event.
    pub(super) fn permit_event(&self) -> Finding {
        if self.size > self.limit.saturating_add(UNDER_WAY) {
            return Err(format!("a store of {} bytes accepted an event, above its limit", self.size));
        }
        Ok(())
    }

    /// Checks that the store may have refused an event because it is full.
    pub(super) fn permit_refusal(&self, event: &str) -> Finding {
        if self.size.saturating_add(RESERVED) <= self.limit {
            return Err(format!("event {event} was refused, although the store has room"));
        }
        Ok(())
    }
}

/// Returns the bytes in use.
pub(in crate::simulation) fn size(look: &Connection) -> u64 {
    let size = look.prepare_cached(SIZE).unwrap().query_row([], |row| row.get::<_, i64>(0));
    u64::try_from(size.unwrap()).unwrap()
}
