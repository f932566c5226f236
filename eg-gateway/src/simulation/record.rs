//! Describes a recorded delivery and its permitted changes. `oracle` compares records with it.

use eg_sdk::history::{AttemptOutcome, DeliveryState};
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::timestamp::Timestamp;

/// An attempt that has begun.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) number: u32,
    /// `None` while the attempt is in progress.
    outcome: Option<AttemptOutcome>,
}

/// A delivery as it was last recorded.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) seq: i64,
    /// The place of its event in the order of acceptance.
    pub(super) place: usize,
    pub(super) event: i64,
    pub(super) subscription: String,
    pub(super) state: DeliveryState,
    pub(super) since: Timestamp,
    reason: Option<String>,
    discarded: bool,
    accepted_at: Timestamp,
    /// The offer that the event is or reports on.
    pub(super) offer: Option<usize>,
    /// The subscription that the event reports on.
    pub(super) about: Option<String>,
    pub(super) attempts: Vec<Attempt>,
}

impl Attempt {
    pub(super) fn failed(&self) -> bool {
        self.outcome == Some(AttemptOutcome::Failed)
    }
}

impl Delivery {
    /// Reads the delivery with this number.
    pub(super) fn read(look: &Connection, seq: i64) -> Option<Self> {
        let query = "
            SELECT d.event, d.subscription_id, d.state, d.since, d.reason, d.discarded_at IS NOT NULL AS discarded,
                   e.accepted_at,
                   coalesce(json_extract(CAST(e.event AS TEXT), '$.offer'),
                            json_extract(CAST(e.event AS TEXT), '$.data.event.offer')) AS offer,
                   json_extract(CAST(e.event AS TEXT), '$.data.subscriptionId') AS about
            FROM deliveries d JOIN events e ON e.seq = d.event WHERE d.seq = ?1";
        let delivery = |row: &Row<'_>| {
            Ok(Self {
                seq,
                place: 0,
                event: row.get("event")?,
                subscription: row.get("subscription_id")?,
                state: row.get::<_, String>("state")?.parse().unwrap(),
                since: row.get("since")?,
                reason: row.get("reason")?,
                discarded: row.get("discarded")?,
                accepted_at: row.get("accepted_at")?,
                offer: row.get::<_, Option<i64>>("offer")?.map(|offer| usize::try_from(offer).unwrap()),
                about: row.get("about")?,
                attempts: Vec::new(),
            })
        };
        let mut delivery =
            look.prepare_cached(query).unwrap().query_row([seq], delivery).optional().unwrap()?;
        let query = "SELECT number, outcome FROM attempts WHERE delivery = ?1 ORDER BY number";
        let attempt = |row: &Row<'_>| {
            let outcome = row.get::<_, Option<String>>("outcome")?;
            Ok(Attempt { number: row.get("number")?, outcome: outcome.map(|name| name.parse().unwrap()) })
        };
        let mut attempts = look.prepare_cached(query).unwrap();
        delivery.attempts = attempts.query_map([seq], attempt).unwrap().collect::<Result<_, _>>().unwrap();
        Some(delivery)
    }

    /// Returns the same delivery, at this place in the order of acceptance.
    pub(super) fn at(self, place: usize) -> Self {
        Self { place, ..self }
    }

    /// Returns whether `other` is the same delivery, not a later one that reuses the number of a deleted one.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let key = |one: &Self| (one.subscription.clone(), one.offer, one.about.clone(), one.accepted_at);
        key(self) == key(other)
    }

    pub(super) fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }

    /// Returns whether it is a dead letter that has not been discarded.
    pub(super) fn is_dead_letter(&self) -> bool {
        self.state == DeliveryState::Dead && !self.discarded
    }

    /// Returns whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        !matches!(self.state, DeliveryState::Pending | DeliveryState::InFlight)
    }

    /// Checks that an ended delivery stays unchanged, and that every finished attempt has an outcome.
    pub(super) fn may_become(&self, now: &Self) -> Result<(), String> {
        if self.is_over() && now.state != self.state {
            return Err(format!("delivery {} was {:?}, and is {:?}", self.seq, self.state, now.state));
        }
        let open = now.attempts.iter().filter(|attempt| attempt.outcome.is_none()).count();
        match (now.state == DeliveryState::InFlight, open) {
            (true, 1) | (false, 0) => Ok(()),
            (true, 0) => Err(format!("a delivery in flight has no attempt on record: {now:?}")),
            _ => Err(format!("an attempt that is over has no outcome on record: {now:?}")),
        }
    }

    /// Checks that retention may delete it: the event was accepted before `limit`, and the delivery is no longer
    /// needed.
    pub(super) fn may_be_forgotten(&self, limit: Timestamp) -> Result<(), String> {
        if !self.is_over() || self.is_dead_letter() || self.accepted_at >= limit {
            return Err(format!("a delivery was forgotten too early: {self:?}"));
        }
        Ok(())
    }
}
