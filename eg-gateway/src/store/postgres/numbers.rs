//! Keeps the numbers of a store: the last ones that events and deliveries have, the version of the configuration, and the size
//! of the store. They are in one row, which each writing transaction locks when it begins. So the transactions of all gateways
//! follow one another, and what is accepted later has larger numbers.

use tokio_postgres::Row;

use super::faults::Failure;
use super::session::Session;
use super::values::{get, time, values};
use crate::decide::catalog::Version;
use crate::timestamp::Timestamp;

/// The first statement of a transaction that writes. It waits for the transaction of another gateway.
pub(super) const LOCK: &str =
    "SELECT event, delivery, newest_at, bytes, version FROM writer WHERE id = 1 FOR UPDATE";

/// The last statement of a transaction that writes. It fails if this gateway was removed, or another connection of it writes now;
/// the division turns that into an error, so that the commit after it can be sent without waiting.
const FENCE: &str = "
    WITH own AS (
        UPDATE gateways SET tick = $3 WHERE epoch = $1 AND session = $2 RETURNING epoch),
    written AS (
        UPDATE writer SET tick = writer.tick + 1, event = $4, delivery = $5, newest_at = $6, bytes = $7, version = $8
        FROM own WHERE writer.id = 1 RETURNING writer.id)
    SELECT 1 / count(*) FROM written";

/// Which transactions may write: those of this connection of this gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fence {
    pub(super) epoch: i64,
    pub(super) session: i64,
    /// The number of the last transaction of this gateway.
    pub(super) tick: i64,
}

/// The numbers of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
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
    /// The numbers of a transaction that only reads, or has not begun.
    pub(super) const NONE: Self = Self {
        event: 0,
        delivery: 0,
        newest_at: Timestamp::from_millis(0),
        version: Version::of_number(0),
        bytes: 0,
    };

    pub(super) fn read(row: &Row) -> Result<Self, Failure> {
        Ok(Self {
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

/// Makes the transaction the next one of its gateway, so that its commit fails if the gateway may not write.
pub(super) fn advance(session: &mut Session, fence: Fence) {
    let Numbers { event, delivery, newest_at, version, bytes } = session.numbers;
    let numbers = values![
        fence.epoch,
        fence.session,
        fence.tick + 1,
        event,
        delivery,
        newest_at,
        bytes,
        version.number()
    ];
    session.later(FENCE, numbers);
}
