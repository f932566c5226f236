//! Recovers the deliveries that were in flight when their gateway ended, and claims those whose attempt an unexpected end has
//! interrupted. `decide::suspects` decides when each of them is attempted.

use tokio_postgres::Row;

use super::claims::{begin, loaded, select};
use super::faults::Failure;
use super::queue::Work;
use super::session::Session;
use super::values::{count, get, values};
use super::writer::Writer;
use super::{PostgresStore, StoreError};
use crate::decide::gate::Gatekeeper;
use crate::decide::lanes::{Due, Lane};
use crate::decide::suspects::Suspect;
use crate::store::claims::Claim;
use crate::store::notices::{Losses, Notices};
use crate::timestamp::Timestamp;

const SUSPECTS: &str =
    "SELECT seq, space, function_id, crashes FROM deliveries WHERE state = 'pending' AND crashes > 0";

const SUSPECT: &str = select!("d.state = 'pending' AND d.crashes > 0 AND d.seq = $1");

/// Ends the attempts under way that meet a condition.
macro_rules! interrupt {
    ($whose:literal) => {
        concat!(
            "UPDATE attempts SET outcome = 'interrupted', error = $2
             WHERE outcome IS NULL AND delivery IN (SELECT seq FROM deliveries WHERE state = 'in_flight' AND ",
            $whose,
            ")"
        )
    };
}

/// Makes the deliveries in flight that meet a condition due again.
macro_rules! again {
    ($whose:literal) => {
        concat!(
            "UPDATE deliveries SET state = 'pending', due_at = $2, crashes = crashes + $3 WHERE state = 'in_flight' AND ",
            $whose
        )
    };
}

const OWN: [&str; 2] = [interrupt!("owner = $1"), again!("owner = $1")];

/// Those of gateways that do not exist any more.
const ABANDONED: [&str; 2] = [
    interrupt!("(owner IS NULL OR owner NOT IN (SELECT epoch FROM gateways WHERE epoch <> $1))"),
    again!("(owner IS NULL OR owner NOT IN (SELECT epoch FROM gateways WHERE epoch <> $1))"),
];

// Nobody removes the row in which it looks for others.
const REMOVE: &str = "DELETE FROM gateways WHERE epoch <> $1 AND expires_at <= now()";

impl PostgresStore {
    pub(in crate::store) async fn suspects(&self) -> Result<Vec<Suspect>, StoreError> {
        let rows = self.readers.query(SUSPECTS, values![]).await?;
        let suspect = |row: &Row| {
            let lane = Lane { space: get(row, "space")?, function: get(row, "function_id")? };
            Ok(Suspect { delivery: get(row, "seq")?, lane, crashes: count(row, "crashes")? })
        };
        Ok(rows.iter().map(suspect).collect::<Result<_, Failure>>()?)
    }

    pub(in crate::store) async fn claim_suspects(
        &self,
        suspects: Vec<Suspect>,
        now: Timestamp,
        gate: Gatekeeper,
        notices: Notices,
    ) -> Result<(Vec<Claim>, Losses), StoreError> {
        let (claims, losses) = self.writer.run(Suspects { suspects, now, gate, notices }).await?;
        self.health.report_given_up(&losses);
        Ok((claims, losses))
    }

    pub(in crate::store) async fn release(&self, now: Timestamp) -> Result<(), StoreError> {
        self.writer.run(Release { now }).await
    }

    /// Removes the gateways whose lease has run out, and makes what they had in flight due at `now`.
    pub(super) async fn take_over(&self, now: Timestamp) -> Result<(), StoreError> {
        self.writer.run(TakeOver { removes: true, now }).await
    }
}

/// Makes deliveries due at `now` that are in flight, and whose gateway is not there any more.
pub(super) async fn adopt(writer: &Writer, now: Timestamp) -> Result<(), StoreError> {
    writer.run(TakeOver { removes: false, now }).await
}

/// Makes the deliveries pending again that this gateway has in flight.
struct Release {
    now: Timestamp,
}

impl Work for Release {
    type Output = ();

    async fn run(&mut self, session: &mut Session) -> Result<(), Failure> {
        let (epoch, [interrupt, again]) = (session.epoch()?, OWN);
        session.later(interrupt, values![epoch, "the gateway stopped before the function answered"]);
        session.later(again, values![epoch, self.now, 0_i64]);
        Ok(())
    }
}

/// Makes the deliveries pending again that gateways had in flight which ended unexpectedly.
struct TakeOver {
    /// Whether gateways are removed that are silent.
    removes: bool,
    now: Timestamp,
}

impl Work for TakeOver {
    type Output = ();

    async fn run(&mut self, session: &mut Session) -> Result<(), Failure> {
        let (epoch, [interrupt, again]) = (session.epoch()?, ABANDONED);
        if self.removes {
            session.later(REMOVE, values![epoch]);
        }
        let why = "the gateway ended unexpectedly before the function answered";
        session.later(interrupt, values![epoch, why]);
        session.later(again, values![epoch, self.now, 1_i64]);
        Ok(())
    }
}

struct Suspects {
    suspects: Vec<Suspect>,
    now: Timestamp,
    gate: Gatekeeper,
    notices: Notices,
}

impl Work for Suspects {
    type Output = (Vec<Claim>, Losses);

    async fn run(&mut self, session: &mut Session) -> Result<Self::Output, Failure> {
        let (mut claims, mut losses) = (Vec::new(), Losses::default());
        for Suspect { delivery, lane, .. } in &self.suspects {
            let rows = session.query(SUSPECT, values![*delivery]).await?;
            let loaded = rows.iter().map(loaded).collect::<Result<_, _>>()?;
            let how = (&self.gate, &self.notices);
            let claimed = begin(session, loaded, (lane, self.now), how, &mut losses).await?;
            claims.push(Claim { lane: lane.clone(), claimed, due: Due::default() });
        }
        Ok((claims, losses))
    }
}
