//! The operations of deliveries that were given up: they are listed, redriven and discarded; and of those that wait, which are
//! hastened. `jobs` does so with many at once.

use eg_sdk::history::{DeadLetter, DeadLetterPage, Loss};

use super::{Store, StoreError};
use crate::decide::lanes::Lane;
use crate::timestamp::Timestamp;

/// Selects the dead letters of one space to read: those that were given up last come first.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetterQuery {
    pub(crate) space: String,
    /// Only deliveries that were given up in this way.
    pub(crate) loss: Loss,
    /// Only deliveries that were given up before this one.
    pub(crate) before: Option<i64>,
    pub(crate) limit: u32,
}

/// The result of redriving one delivery.
#[derive(Debug)]
pub(crate) enum Redrive {
    /// It is due again in this lane.
    Due(Lane),
    /// It stays as it is, because its subscription is deleted or disabled.
    Inactive,
    /// It stays as it is, because a job still gives up the deliveries that waited when its subscription was deleted or
    /// disabled, and would give it up again.
    GivingUp(i64),
    /// No delivery with this number is given up and not discarded.
    Missing,
}

impl Store {
    /// Reads dead letters: at most the limit of the query, and fewer if their events are long.
    pub(crate) async fn dead_letters(&self, query: DeadLetterQuery) -> Result<DeadLetterPage, StoreError> {
        backend!(self.dead_letters(query).await)
    }

    /// Reads one delivery that was given up and has not been discarded.
    pub(crate) async fn dead_letter(
        &self,
        space: String,
        delivery: i64,
    ) -> Result<Option<DeadLetter>, StoreError> {
        backend!(self.dead_letter(space, delivery).await)
    }

    /// Makes a delivery due again, with all its attempts still available. `payload`, if there is one, replaces the event.
    pub(crate) async fn redrive(
        &self,
        space: String,
        delivery: i64,
        payload: Option<Vec<u8>>,
        now: Timestamp,
    ) -> Result<Redrive, StoreError> {
        backend!(self.redrive(space, delivery, payload, now).await)
    }

    /// Makes a delivery due that waits for its next attempt, with all its attempts still available. Returns its lane; `None` if
    /// no delivery with this number waits for a time.
    pub(crate) async fn hasten(
        &self,
        space: String,
        delivery: i64,
        now: Timestamp,
    ) -> Result<Option<Lane>, StoreError> {
        backend!(self.hasten(space, delivery, now).await)
    }

    /// Discards a delivery: removes it from the list of dead letters but keeps its history. Returns whether it was given
    /// up and not discarded yet.
    pub(crate) async fn discard(
        &self,
        space: String,
        delivery: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        backend!(self.discard(space, delivery, now).await)
    }
}
