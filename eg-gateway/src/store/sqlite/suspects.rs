//! Recovers the deliveries that were in flight when a process ended, and claims those whose attempt an unexpected end
//! has interrupted. `decide::suspects` decides when each of them is attempted.

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::claims::{SubscriptionStates, carry_out, due, select};
use super::{SqliteStore, StoreError};
use crate::decide::gate::Gatekeeper;
use crate::decide::lanes::{Due, Lane};
use crate::decide::suspects::Suspect;
use crate::store::claims::Claim;
use crate::store::notices::{Losses, Notices};
use crate::timestamp::Timestamp;

impl SqliteStore {
    pub(in crate::store) async fn suspects(&self) -> Result<Vec<Suspect>, StoreError> {
        self.writer.run(suspects).await
    }

    pub(in crate::store) async fn claim_suspects(
        &self,
        suspects: Vec<Suspect>,
        now: Timestamp,
        gate: Gatekeeper,
        notices: Notices,
    ) -> Result<(Vec<Claim>, Losses), StoreError> {
        let claim = move |connection: &Connection| {
            let mut losses = Losses::default();
            let claim = |suspect: &Suspect| claim(connection, suspect, now, (&gate, &notices), &mut losses);
            let claims = suspects.iter().map(claim).collect::<Result<_, _>>()?;
            Ok((claims, losses))
        };
        let (claims, losses) = self.writer.run(claim).await?;
        self.health.report_given_up(&losses);
        Ok((claims, losses))
    }

    pub(in crate::store) async fn release(&self, now: Timestamp) -> Result<(), StoreError> {
        let release = move |connection: &Connection| {
            interrupt(connection, "the gateway stopped before the function answered")?;
            connection.execute(
                "UPDATE deliveries SET state = 'pending', due_at = ?1 WHERE state = 'in_flight'",
                [now],
            )
        };
        self.writer.run(release).await.map(drop)
    }
}

/// Makes deliveries that were in flight when the process ended unexpectedly pending again, due at `now`.
pub(crate) fn recover(connection: &mut Connection, now: Timestamp) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    interrupt(&transaction, "the gateway ended unexpectedly before the function answered")?;
    transaction.execute(
        "UPDATE deliveries SET state = 'pending', due_at = ?1, crashes = crashes + 1 WHERE state = 'in_flight'",
        [now],
    )?;
    transaction.commit()
}

/// Ends the attempts under way.
fn interrupt(connection: &Connection, why: &str) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE attempts SET outcome = 'interrupted', error = ?1
         WHERE outcome IS NULL AND delivery IN (SELECT seq FROM deliveries WHERE state = 'in_flight')",
        [why],
    )?;
    Ok(())
}

fn suspects(connection: &Connection) -> rusqlite::Result<Vec<Suspect>> {
    let mut statement = connection.prepare(
        "SELECT seq, space, function_id, crashes FROM deliveries WHERE state = 'pending' AND crashes > 0",
    )?;
    let suspect = |row: &Row<'_>| {
        let lane = Lane { space: row.get("space")?, function: row.get("function_id")? };
        Ok(Suspect { delivery: row.get("seq")?, lane, crashes: row.get("crashes")? })
    };
    statement.query_map([], suspect)?.collect()
}

fn claim(
    connection: &Connection,
    suspect: &Suspect,
    now: Timestamp,
    (gate, notices): (&Gatekeeper, &Notices),
    losses: &mut Losses,
) -> rusqlite::Result<Claim> {
    let Suspect { delivery, lane, .. } = suspect;
    let mut query =
        connection.prepare_cached(select!("d.state = 'pending' AND d.crashes > 0 AND d.seq = ?1"))?;
    let (mut claimed, mut refused) = (Vec::new(), Vec::new());
    let mut standings = SubscriptionStates::new(connection, &lane.space);
    if let Some(found) = query.query_row([delivery], |row| due(row, &mut standings)).optional()? {
        match found.pass(lane, now, gate) {
            Ok(one) => claimed.push(one),
            Err(one) => refused.push(one),
        }
    }
    carry_out(connection, &claimed, refused, now, notices, losses)?;
    Ok(Claim { lane: lane.clone(), claimed, due: Due::default() })
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn interrupted_attempts_are_counted_only_after_an_unexpected_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut connection = schema::open(&dir.path().join("db")).unwrap();
        let rows = "
            INSERT INTO events VALUES (1, 'default', 'a', 't', '/s', NULL, 'POST', '/', 1000, x'7b7d', 0);
            INSERT INTO deliveries (seq, event, space, subscription_id, function_id, state, attempts, since)
                VALUES (1, 1, 'default', 's', 'f', 'in_flight', 1, 1000),
                       (2, 1, 'default', 's', 'f', 'delivered', 1, 1000);
            INSERT INTO attempts (delivery, number, started_at) VALUES (1, 1, 1000);";
        connection.execute_batch(rows).unwrap();
        recover(&mut connection, Timestamp::from_millis(2000)).unwrap();
        recover(&mut connection, Timestamp::from_millis(3000)).unwrap();
        let lane = Lane { space: "default".to_owned(), function: "f".to_owned() };
        assert_eq!(suspects(&connection).unwrap(), [Suspect { delivery: 1, lane, crashes: 1 }]);
        let (outcome, due): (String, i64) = connection
            .query_row(
                "SELECT a.outcome, d.due_at FROM attempts a JOIN deliveries d ON d.seq = a.delivery",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        assert_eq!((outcome.as_str(), due), ("interrupted", 2000));
    }
}
