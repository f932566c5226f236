//! Describes a recorded delivery, what happened to it before, and its permitted changes. `oracle` compares records with
//! it.

use std::time::Duration;

use eg_sdk::history::{AttemptOutcome, DeliveryState};
use rusqlite::{Connection, OptionalExtension as _, Row};
use serde_json::Value;

use super::oracle::Finding;
use super::oracle::requests::Requests;
use crate::timestamp::Timestamp;

/// An attempt that has begun.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) number: u32,
    pub(super) started: Timestamp,
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
    pub(super) event_id: String,
    pub(super) subscription: String,
    pub(super) state: DeliveryState,
    pub(super) since: Timestamp,
    reason: Option<String>,
    pub(super) discarded: bool,
    pub(super) accepted_at: Timestamp,
    /// How long gateways had run when its event was first recorded.
    pub(super) recorded: Duration,
    /// How long they had run when its age began to count, if that was in the running process.
    pub(super) young: Option<Duration>,
    /// The replay that created it.
    pub(super) replay: Option<String>,
    /// The JSON that its function receives, without the name of the replay.
    pub(super) json: String,
    /// The offer that the event is or reports on.
    pub(super) offer: Option<usize>,
    /// The subscription that the event reports on.
    pub(super) about: Option<String>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) past: Past,
}

/// What happened to a delivery that its record does not show.
#[derive(Debug, Clone, Default)]
pub(super) struct Past {
    /// The number of attempts before each time that it was redriven.
    pub(super) redrives: Vec<u32>,
    /// How often it was given up.
    pub(super) given_up: usize,
    /// Whether retention deleted it.
    pub(super) forgotten: bool,
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
            SELECT d.event, e.id, d.subscription_id, d.state, d.since, d.reason,
                   d.discarded_at IS NOT NULL AS discarded, e.accepted_at, d.replay,
                   CAST(coalesce(d.payload, e.event) AS TEXT) AS json,
                   coalesce(json_extract(CAST(e.event AS TEXT), '$.offer'),
                            json_extract(CAST(e.event AS TEXT), '$.data.event.offer')) AS offer,
                   json_extract(CAST(e.event AS TEXT), '$.data.subscriptionId') AS about
            FROM deliveries d JOIN events e ON e.seq = d.event WHERE d.seq = ?1";
        let delivery = |row: &Row<'_>| {
            Ok(Self {
                seq,
                place: 0,
                event: row.get("event")?,
                event_id: row.get("id")?,
                subscription: row.get("subscription_id")?,
                state: row.get::<_, String>("state")?.parse().unwrap(),
                since: row.get("since")?,
                reason: row.get("reason")?,
                discarded: row.get("discarded")?,
                accepted_at: row.get("accepted_at")?,
                recorded: Duration::ZERO,
                young: None,
                replay: row.get("replay")?,
                json: row.get("json")?,
                offer: row.get::<_, Option<i64>>("offer")?.map(|offer| usize::try_from(offer).unwrap()),
                about: row.get("about")?,
                attempts: Vec::new(),
                past: Past::default(),
            })
        };
        let mut delivery =
            look.prepare_cached(query).unwrap().query_row([seq], delivery).optional().unwrap()?;
        let query = "SELECT number, started_at, outcome FROM attempts WHERE delivery = ?1 ORDER BY number";
        let attempt = |row: &Row<'_>| {
            let outcome = row.get::<_, Option<String>>("outcome")?;
            Ok(Attempt {
                number: row.get("number")?,
                started: row.get("started_at")?,
                outcome: outcome.map(|name| name.parse().unwrap()),
            })
        };
        let mut attempts = look.prepare_cached(query).unwrap();
        delivery.attempts = attempts.query_map([seq], attempt).unwrap().collect::<Result<_, _>>().unwrap();
        Some(delivery)
    }

    /// Returns a delivery that is recorded for the first time, at this place in the order of acceptance.
    pub(super) fn at(mut self, place: usize, recorded: Duration, lived: Duration) -> Self {
        (self.place, self.recorded, self.young) = (place, recorded, Some(lived));
        self.past.given_up += usize::from(self.state.loss().is_some());
        self
    }

    pub(super) fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }

    /// Returns whether it was given up and has not been discarded.
    pub(super) fn is_listed(&self) -> bool {
        self.state.loss().is_some() && !self.discarded && !self.past.forgotten
    }

    /// Returns whether it is a dead letter that has not been discarded.
    pub(super) fn is_dead_letter(&self) -> bool {
        self.state == DeliveryState::Dead && self.is_listed()
    }

    /// Returns whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        !matches!(self.state, DeliveryState::Pending | DeliveryState::InFlight)
    }

    /// Returns whether `event` is what its function has to receive. A replayed event names its replay.
    pub(super) fn is_given(&self, event: &[u8]) -> bool {
        let Some(replay) = &self.replay else { return self.json.as_bytes() == event };
        let mut expected: Value = serde_json::from_str(&self.json).unwrap();
        // System events have the format of CloudEvents 0.1, with extensions in a member of their own.
        let extensions = if self.about.is_some() { &mut expected["extensions"] } else { &mut expected };
        extensions["replay"] = Value::from(replay.as_str());
        serde_json::from_slice::<Value>(event).unwrap() == expected
    }

    /// Returns the attempt that is in progress.
    pub(super) fn under_way(&self) -> Option<&Attempt> {
        self.attempts.last().filter(|attempt| attempt.outcome.is_none())
    }

    /// Records the next state of the delivery, and checks that it may become that.
    pub(super) fn becomes(&mut self, mut now: Self, requests: &mut Requests, lived: Duration) -> Finding {
        let redriven = now.since != self.since || (self.is_over() && !now.is_over());
        if redriven {
            requests.permit_redrive(self, &now)?;
        } else if self.is_over() && now.state != self.state {
            return Err(format!("delivery {} was {:?}, and is {:?}", self.seq, self.state, now.state));
        } else if now.json != self.json {
            return Err(format!("the event of delivery {} has changed", self.seq));
        }
        if now.discarded != self.discarded {
            requests.permit_discard(self)?;
        }
        let open = now.attempts.iter().filter(|attempt| attempt.outcome.is_none()).count();
        match (now.state == DeliveryState::InFlight, open) {
            (true, 1) | (false, 0) => {}
            (true, 0) => return Err(format!("a delivery in flight has no attempt on record: {now:?}")),
            _ => return Err(format!("an attempt that is over has no outcome on record: {now:?}")),
        }
        (now.place, now.recorded, now.young) = (self.place, self.recorded, self.young);
        now.past = self.past.clone();
        if redriven {
            now.young = Some(lived);
            // A request for all dead letters may redrive one in the transaction that gave it up.
            now.past.given_up += usize::from(!self.is_over());
            let attempts = now.attempts.len() - usize::from(now.state == DeliveryState::InFlight);
            now.past.redrives.push(u32::try_from(attempts).unwrap());
        }
        if redriven || !self.is_over() {
            now.past.given_up += usize::from(now.state.loss().is_some());
        }
        *self = now;
        Ok(())
    }

    /// Records that retention deleted it, and checks that this was permitted: the delivery is no longer needed, and
    /// `is_old` returns whether it is old enough.
    pub(super) fn is_forgotten(&mut self, is_old: impl Fn(&Self) -> bool) -> Finding {
        if !self.is_over() || self.is_dead_letter() || !is_old(self) {
            return Err(format!("a delivery was forgotten too early: {self:?}"));
        }
        self.past.forgotten = true;
        Ok(())
    }
}
