//! Recovers the deliveries that were in flight when a gateway ended, and claims those whose attempt an unexpected end has
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

/// Ends the attempts under way.
const INTERRUPT: &str = "
    UPDATE attempts SET outcome = 'interrupted', error = $1
    WHERE outcome IS NULL AND delivery IN (SELECT seq FROM deliveries WHERE state = 'in_flight')";

const AGAIN: &str =
    "UPDATE deliveries SET state = 'pending', due_at = $1, crashes = crashes + $2 WHERE state = 'in_flight'";

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
        let why = "the gateway stopped before the function answered";
        self.writer.run(Interruption { why, crashes: 0, now }).await
    }
}

/// Makes deliveries that were in flight when a gateway ended unexpectedly pending again, due at `now`.
pub(super) async fn recover(writer: &Writer, now: Timestamp) -> Result<(), StoreError> {
    let why = "the gateway ended unexpectedly before the function answered";
    writer.run(Interruption { why, crashes: 1, now }).await
}

struct Interruption {
    why: &'static str,
    /// What is added to the crashes of a delivery.
    crashes: i64,
    now: Timestamp,
}

impl Work for Interruption {
    type Output = ();

    async fn run(&mut self, session: &mut Session) -> Result<(), Failure> {
        session.later(INTERRUPT, values![self.why]);
        session.later(AGAIN, values![self.now, self.crashes]);
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
