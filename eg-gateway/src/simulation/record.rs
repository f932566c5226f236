//! Describes a recorded delivery and its permitted changes. `oracle` compares records with it.

use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::clock::Millis;

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Pending,
    InFlight,
    Delivered,
    Dead,
    Expired,
    Filtered,
}

/// An attempt that has begun.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) number: u32,
    pub(super) failed: bool,
    /// Whether the attempt has no outcome yet.
    open: bool,
}

/// A delivery as it was last recorded.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) seq: i64,
    /// The place of its event in the order of acceptance.
    pub(super) place: usize,
    pub(super) event: i64,
    pub(super) subscription: String,
    pub(super) state: State,
    pub(super) since: Millis,
    reason: Option<String>,
    discarded: bool,
    accepted_at: Millis,
    /// The offer that the event is or reports on.
    pub(super) offer: Option<usize>,
    /// The subscription that the event reports on.
    pub(super) about: Option<String>,
    pub(super) attempts: Vec<Attempt>,
}

impl State {
    fn of(text: &str) -> Self {
        match text {
            "pending" => Self::Pending,
            "in_flight" => Self::InFlight,
            "delivered" => Self::Delivered,
            "dead" => Self::Dead,
            "expired" => Self::Expired,
            "filtered" => Self::Filtered,
            other => panic!("deliveries have no state {other}"),
        }
    }

    /// Returns whether the delivery has ended in this state.
    pub(super) fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::InFlight)
    }
}

impl Delivery {
    /// Reads the delivery with this number.
    pub(super) fn read(look: &Connection, seq: i64) -> Option<Self> {
        let query = "
            SELECT d.event, d.subscription_id, d.state, d.since, d.reason, d.discarded_at IS NOT NULL, e.accepted_at,
                   coalesce(json_extract(CAST(e.event AS TEXT), '$.offer'),
                            json_extract(CAST(e.event AS TEXT), '$.data.event.offer')),
                   json_extract(CAST(e.event AS TEXT), '$.data.subscriptionId')
            FROM deliveries d JOIN events e ON e.seq = d.event WHERE d.seq = ?1";
        let delivery = |row: &Row<'_>| {
            Ok(Self {
                seq,
                place: 0,
                event: row.get(0)?,
                subscription: row.get(1)?,
                state: State::of(&row.get::<_, String>(2)?),
                since: row.get(3)?,
                reason: row.get(4)?,
                discarded: row.get(5)?,
                accepted_at: row.get(6)?,
                offer: row.get::<_, Option<i64>>(7)?.map(|offer| usize::try_from(offer).unwrap()),
                about: row.get(8)?,
                attempts: Vec::new(),
            })
        };
        let mut delivery =
            look.prepare_cached(query).unwrap().query_row([seq], delivery).optional().unwrap()?;
        let query = "SELECT number, outcome IS 'failed', outcome IS NULL FROM attempts
            WHERE delivery = ?1 ORDER BY number";
        let attempt =
            |row: &Row<'_>| Ok(Attempt { number: row.get(0)?, failed: row.get(1)?, open: row.get(2)? });
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
        self.state == State::Dead && !self.discarded
    }

    /// Checks that an ended delivery stays unchanged, and that every finished attempt has an outcome.
    pub(super) fn may_become(&self, now: &Self) -> Result<(), String> {
        if self.state.is_final() && now.state != self.state {
            return Err(format!("delivery {} was {:?}, and is {:?}", self.seq, self.state, now.state));
        }
        let open = now.attempts.iter().filter(|attempt| attempt.open).count();
        match (now.state == State::InFlight, open) {
            (true, 1) | (false, 0) => Ok(()),
            (true, 0) => Err(format!("a delivery in flight has no attempt on record: {now:?}")),
            _ => Err(format!("an attempt that is over has no outcome on record: {now:?}")),
        }
    }

    /// Checks that retention may delete it: the event was accepted before `limit`, and the delivery is no longer
    /// needed.
    pub(super) fn may_be_forgotten(&self, limit: Millis) -> Result<(), String> {
        if !self.state.is_final() || self.is_dead_letter() || self.accepted_at >= limit {
            return Err(format!("a delivery was forgotten too early: {self:?}"));
        }
        Ok(())
    }
}
