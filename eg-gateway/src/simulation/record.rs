//! A delivery as it is on record, and what it may become.

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
    /// It has no outcome yet.
    open: bool,
}

/// A delivery as it was last on record.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) seq: i64,
    /// Its place in the order of acceptance.
    pub(super) place: usize,
    pub(super) event: i64,
    pub(super) subscription: String,
    pub(super) state: State,
    pub(super) since: Millis,
    reason: Option<String>,
    discarded: bool,
    accepted_at: Millis,
    /// The offer that the event is, or that it reports on.
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

    /// Whether it is the end of the delivery.
    pub(super) fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::InFlight)
    }
}

impl Delivery {
    /// What is on record under this number.
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

    /// The same, at this place in the order of acceptance.
    pub(super) fn at(self, place: usize) -> Self {
        Self { place, ..self }
    }

    /// Whether `other` is the same delivery, and not one that got the number of a forgotten one.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let key = |one: &Self| (one.subscription.clone(), one.offer, one.about.clone(), one.accepted_at);
        key(self) == key(other)
    }

    pub(super) fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }

    /// Whether it waits for somebody to look at it.
    pub(super) fn is_dead_letter(&self) -> bool {
        self.state == State::Dead && !self.discarded
    }

    /// A delivery that has ended stays as it is, and every attempt that is over has its outcome.
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

    /// Retention may delete it when the event was accepted before `limit` and nobody needs the delivery.
    pub(super) fn may_be_forgotten(&self, limit: Millis) -> Result<(), String> {
        if !self.state.is_final() || self.is_dead_letter() || self.accepted_at >= limit {
            return Err(format!("a delivery was forgotten too early: {self:?}"));
        }
        Ok(())
    }
}
