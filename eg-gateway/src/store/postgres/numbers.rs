//! Keeps the numbers of a store: the last ones that events and deliveries have, the version of the configuration, and the size
//! of the store. They are in one row, which each writing transaction changes; so they show which was the last one, and nobody
//! writes who may not.

use tokio_postgres::Row;

use super::faults::Failure;
use super::session::Session;
use super::values::{get, time, values};
use crate::decide::catalog::Version;
use crate::timestamp::Timestamp;

/// The last statement of a transaction that writes. It fails if another gateway, or another connection, writes now; the
/// division turns that into an error, so that the commit after it can be sent without waiting.
const FENCE: &str = "
    WITH own AS (
        UPDATE writer SET tick = $3, event = $4, delivery = $5, newest_at = $6, bytes = $7, version = $8
        WHERE id = 1 AND epoch = $1 AND session = $2 RETURNING id)
    SELECT 1 / count(*) FROM own";

/// The columns that [`Numbers`] reads.
pub(super) const COLUMNS: &str =
    "writer.session, writer.tick, writer.event, writer.delivery, writer.newest_at,
    writer.bytes, writer.version";

/// Which transactions may write: those of this connection of this gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fence {
    pub(super) epoch: i64,
    pub(super) session: i64,
}

/// The numbers of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    /// The last transaction.
    pub(super) tick: i64,
    /// The last event.
    pub(super) event: i64,
    /// The last delivery.
    pub(super) delivery: i64,
    /// When the newest event was accepted.
    pub(super) newest_at: Timestamp,
    /// The version of the configuration.
    pub(super) version: Version,
    /// An estimate of the bytes of the store.
    bytes: i64,
}

impl Numbers {
    /// The numbers of a transaction that only reads.
    pub(super) const NONE: Self = Self {
        tick: 0,
        event: 0,
        delivery: 0,
        newest_at: Timestamp::from_millis(0),
        version: Version::of_number(0),
        bytes: 0,
    };

    pub(super) fn read(row: &Row) -> Result<Self, Failure> {
        Ok(Self {
            tick: get(row, "tick")?,
            event: get(row, "event")?,
            delivery: get(row, "delivery")?,
            newest_at: time(row, "newest_at")?,
            version: Version::of_number(get(row, "version")?),
            bytes: get(row, "bytes")?,
        })
    }

    pub(super) fn grow(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add_unsigned(bytes);
    }

    pub(super) fn shrink(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub_unsigned(bytes).max(0);
    }

    /// Returns the estimate of the bytes of the store.
    pub(super) fn bytes(&self) -> u64 {
        u64::try_from(self.bytes).unwrap_or_default()
    }
}

/// Makes the transaction the next one of `fence`, so that its commit fails if somebody else may write.
pub(super) fn advance(session: &mut Session, fence: Fence) {
    session.numbers.tick += 1;
    let Numbers { tick, event, delivery, newest_at, version, bytes } = session.numbers;
    let numbers =
        values![fence.epoch, fence.session, tick, event, delivery, newest_at, bytes, version.number()];
    session.later(FENCE, numbers);
}
