//! Reads, redrives and discards the deliveries that were given up, with their events and attempts, and hastens those that wait.

use eg_sdk::history::{Attempt, AttemptOutcome, DeadLetter, DeadLetterPage, Loss};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::columns::{Json, Millis, Name, Time, lossy, optional, remains};
use super::jobs::Step;
use super::seal::{Payload, delivered, payload};
use super::{SqliteStore, StoreError};
use crate::decide::lanes::Lane;
use crate::store::dead_letters::{DeadLetterQuery, Redrive};
use crate::store::events::PAGE;
use crate::store::jobs::{Redriven, RunningJob};
use crate::store::ration::{ROWS, Ration};
use crate::store::seal::of_bytes;
use crate::timestamp::Timestamp;

/// The columns that [`letter`] reads. A dead letter whose event is missing is listed, too.
const LETTER: &str = concat!(
    "SELECT ",
    delivered!(),
    ", d.seq, d.subscription_id, d.function_id, d.state, d.reason, d.since, d.ended_at
    FROM deliveries d LEFT JOIN events e ON e.seq = d.event"
);

const HISTORY: &str = "SELECT number, started_at, duration_ms, outcome, error FROM attempts WHERE delivery = ?1 ORDER BY number";

// Only one delivery for each key may be due. This one is parked if another one is unfinished.
const REDRIVE: &str = "
    UPDATE deliveries AS d
    SET state = 'pending', failures = 0, crashes = 0, since = ?2, ended_at = NULL, reason = NULL,
        payload = coalesce(?3, payload), payload_seal = coalesce(?4, payload_seal),
        due_at = iif(order_key IS NOT NULL AND EXISTS (
            SELECT 1 FROM deliveries o WHERE o.space = d.space AND o.subscription_id = d.subscription_id
            AND o.order_key = d.order_key AND o.order_key IS NOT NULL AND o.state IN ('pending', 'in_flight')), NULL, ?2)
    WHERE seq = ?1";

// One without a due time waits for its turn, and one that was interrupted is attempted soon anyway.
const HASTEN: &str = "
    UPDATE deliveries SET due_at = ?3, failures = 0
    WHERE seq = ?2 AND space = ?1 AND state = 'pending' AND due_at IS NOT NULL AND crashes = 0
    RETURNING function_id";

const DISCARD: &str = "
    UPDATE deliveries SET discarded_at = ?3
    WHERE seq = ?2 AND space = ?1 AND state IN ('dead', 'expired') AND discarded_at IS NULL";

impl SqliteStore {
    pub(in crate::store) async fn dead_letters(
        &self,
        query: DeadLetterQuery,
    ) -> Result<DeadLetterPage, StoreError> {
        self.readers
            .look_up(move |connection| {
                let (time, delivery) = match query.before {
                    Some(before) => place(connection, before)?,
                    None => LAST,
                };
                let mut statement = connection.prepare_cached(&page(query.loss))?;
                let letters =
                    statement.query_map(params![query.space, time, delivery, query.limit], letter)?;
                let (mut dead_letters, mut bytes) = (Vec::new(), 0);
                for letter in letters {
                    let letter = with_history(connection, letter?)?;
                    bytes += letter.event.get().len();
                    dead_letters.push(letter);
                    if bytes >= PAGE {
                        break;
                    }
                }
                let full = bytes >= PAGE
                    || u32::try_from(dead_letters.len()).is_ok_and(|found| found == query.limit);
                let next = dead_letters.last().filter(|_| full).map(|last| last.dead_letter_id);
                Ok(DeadLetterPage { dead_letters, next })
            })
            .await
    }

    pub(in crate::store) async fn dead_letter(
        &self,
        space: String,
        delivery: i64,
    ) -> Result<Option<DeadLetter>, StoreError> {
        self.readers
            .look_up(move |connection| {
                let mut statement = connection.prepare_cached(&format!(
                    "{LETTER} WHERE d.seq = ?1 AND d.space = ?2 AND d.state IN ('dead', 'expired')
                 AND d.discarded_at IS NULL"
                ))?;
                let letter = statement.query_row(params![delivery, space], letter).optional()?;
                letter.map(|letter| with_history(connection, letter)).transpose()
            })
            .await
    }

    pub(in crate::store) async fn redrive(
        &self,
        space: String,
        delivery: i64,
        payload: Option<Vec<u8>>,
        now: Timestamp,
    ) -> Result<Redrive, StoreError> {
        let redrive = move |connection: &Connection| {
            let query = format!(
                "{LETTERS} WHERE d.seq = ?2 AND d.space = ?1 AND d.state IN ('dead', 'expired')
                         AND d.discarded_at IS NULL"
            );
            let found = connection
                .prepare_cached(&query)?
                .query_row(params![space, delivery], |row| given_up(row, &space))
                .optional()?;
            match found {
                None => Ok(Redrive::Missing),
                Some(GivenUp { possible: false, .. }) => Ok(Redrive::Inactive),
                Some(GivenUp { again: Some(job), .. }) => Ok(Redrive::GivingUp(job)),
                Some(GivenUp { lane, .. }) => {
                    let seal = payload.as_deref().map(of_bytes);
                    connection.prepare_cached(REDRIVE)?.execute(params![delivery, now, payload, seal])?;
                    Ok(Redrive::Due(lane))
                }
            }
        };
        self.writer.run(redrive).await
    }

    pub(in crate::store) async fn hasten(
        &self,
        space: String,
        delivery: i64,
        now: Timestamp,
    ) -> Result<Option<Lane>, StoreError> {
        let hasten = move |connection: &Connection| {
            let mut statement = connection.prepare_cached(HASTEN)?;
            let function = statement.query_row(params![space, delivery, now], |row| row.get(0)).optional()?;
            Ok(function.map(|function| Lane { space: space.clone(), function }))
        };
        self.writer.run(hasten).await
    }

    pub(in crate::store) async fn redrive_slice(
        &self,
        job: &RunningJob,
        loss: Loss,
        now: Timestamp,
    ) -> Result<Option<Redriven>, StoreError> {
        let (space, cursor) = (job.space.clone(), job.cursor);
        let slice = move |connection: &Connection, last: i64| {
            let (mut step, mut ration) = (Step { cursor, ..Step::default() }, Ration::new());
            let mut redriven = Redriven::default();
            let letters = letters(connection, &space, loss, cursor, last)?;
            step.done = letters.is_empty();
            for GivenUp { delivery, lane, possible, again } in letters {
                if possible && again.is_some() {
                    redriven.waits_for = again;
                    break;
                }
                step.cursor = delivery;
                if possible {
                    connection.prepare_cached(REDRIVE)?.execute(params![
                        delivery,
                        now,
                        None::<Vec<u8>>,
                        None::<i64>
                    ])?;
                    step.deliveries += 1;
                    if !redriven.lanes.contains(&lane) {
                        redriven.lanes.push(lane);
                    }
                } else {
                    step.skipped += 1;
                }
                ration.take(1);
                if ration.is_used_up() {
                    break;
                }
            }
            redriven.deliveries = step.deliveries;
            Ok((step, redriven))
        };
        self.slice(job, now, slice).await
    }

    pub(in crate::store) async fn discard(
        &self,
        space: String,
        delivery: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let discard = move |connection: &Connection| {
            Ok(connection.prepare_cached(DISCARD)?.execute(params![space, delivery, now])? > 0)
        };
        let discarded = self.writer.run(discard).await?;
        if discarded {
            self.room.discarded();
        }
        Ok(discarded)
    }

    pub(in crate::store) async fn discard_slice(
        &self,
        job: &RunningJob,
        loss: Loss,
        now: Timestamp,
    ) -> Result<Option<usize>, StoreError> {
        let (space, cursor) = (job.space.clone(), job.cursor);
        let slice = move |connection: &Connection, last: i64| {
            let (mut step, mut ration) = (Step { cursor, ..Step::default() }, Ration::new());
            let letters = letters(connection, &space, loss, cursor, last)?;
            step.done = letters.is_empty();
            for GivenUp { delivery, .. } in letters {
                step.cursor = delivery;
                step.deliveries +=
                    connection.prepare_cached(DISCARD)?.execute(params![space, delivery, now])?;
                ration.take(1);
                if ration.is_used_up() {
                    break;
                }
            }
            let discarded = step.deliveries;
            Ok((step, discarded))
        };
        let discarded = self.slice(job, now, slice).await?;
        if discarded == Some(0) {
            self.room.discarded();
        }
        Ok(discarded)
    }
}

/// The place behind all dead letters in the order of time.
const LAST: (i64, i64) = (i64::MAX, i64::MAX);

/// Returns when a delivery was given up. One that was redriven meanwhile counts from then on, and the list begins anew
/// after one that was deleted: so a reader may see a dead letter twice, and misses none.
fn place(connection: &Connection, delivery: i64) -> rusqlite::Result<(i64, i64)> {
    let time = "SELECT coalesce(ended_at, since) FROM deliveries WHERE seq = ?1";
    let time = connection.prepare_cached(time)?.query_row([delivery], |row| row.get(0)).optional()?;
    Ok(time.map_or(LAST, |time| (time, delivery)))
}

/// Returns the query for a page of dead letters. Its parameters are the space, the time and the number of the delivery
/// before which the page begins, and the length of the page.
fn page(loss: Loss) -> String {
    // The state is spelled out, so that SQLite uses its index.
    format!(
        "{LETTER} WHERE d.state = '{loss}' AND d.discarded_at IS NULL AND d.space = ?1
         AND (d.ended_at, d.seq) < (?2, ?3) ORDER BY d.ended_at DESC, d.seq DESC LIMIT ?4"
    )
}

/// A delivery that was given up.
struct GivenUp {
    delivery: i64,
    lane: Lane,
    /// Whether its subscription exists and is enabled.
    possible: bool,
    /// The job that would give it up again.
    again: Option<i64>,
}

/// The columns that [`given_up`] reads.
const LETTERS: &str = "
    SELECT d.seq, d.function_id, EXISTS (
        SELECT 1 FROM config c WHERE c.kind = 'subscription' AND c.space = d.space AND c.id = d.subscription_id
        AND json_extract(c.body, '$.disabled') IS NULL) AS possible,
        (SELECT min(j.seq) FROM jobs j WHERE j.kind = 'give_up' AND j.state = 'running' AND j.space = d.space
         AND j.subscription_id = d.subscription_id AND j.last >= d.seq) AS again
    FROM deliveries d";

fn given_up(row: &Row<'_>, space: &str) -> rusqlite::Result<GivenUp> {
    Ok(GivenUp {
        delivery: row.get("seq")?,
        lane: Lane { space: space.to_owned(), function: row.get("function_id")? },
        possible: row.get("possible")?,
        again: row.get("again")?,
    })
}

/// Returns the first given-up deliveries with numbers after `after` and up to `last`.
fn letters(
    connection: &Connection,
    space: &str,
    loss: Loss,
    after: i64,
    last: i64,
) -> rusqlite::Result<Vec<GivenUp>> {
    // Each state is spelled out, so that SQLite uses its index.
    let query = format!(
        "{LETTERS} WHERE d.state = '{loss}' AND d.discarded_at IS NULL AND d.space = ?1 AND d.seq > ?2 AND d.seq <= ?3
         ORDER BY d.seq LIMIT {ROWS}"
    );
    let mut letters = connection.prepare_cached(&query)?;
    letters.query_map(params![space, after, last], |row| given_up(row, space))?.collect()
}

/// Reads a dead letter without its attempts.
fn letter(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    let Payload { column, is_sound } = payload(row, 0)?;
    let event = if is_sound { row.get::<_, Json>(column)?.0 } else { remains(row.get_ref(column)?) };
    let text = |column: &str| row.get_ref(column).map(|value| lossy(value).into_owned());
    Ok(DeadLetter {
        dead_letter_id: row.get("seq")?,
        event_id: text("id")?,
        event_type: text("type")?,
        source: text("source")?,
        subscription_id: text("subscription_id")?,
        function_id: text("function_id")?,
        state: row.get::<_, Name<Loss>>("state")?.0,
        reason: text("reason")?,
        accepted_at: row.get::<_, Time>("accepted_at").or_else(|_| row.get("since"))?.0,
        dead_at: row.get::<_, Time>("ended_at")?.0,
        attempts: Vec::new(),
        event,
        damaged: !is_sound,
    })
}

fn with_history(connection: &Connection, mut letter: DeadLetter) -> rusqlite::Result<DeadLetter> {
    letter.attempts = attempts(connection, letter.dead_letter_id)?;
    Ok(letter)
}

/// Returns the attempts of a delivery.
pub(super) fn attempts(connection: &Connection, delivery: i64) -> rusqlite::Result<Vec<Attempt>> {
    let attempt = |row: &Row<'_>| {
        Ok(Attempt {
            number: row.get("number")?,
            started_at: row.get::<_, Time>("started_at")?.0,
            duration: optional(row, "duration_ms", |Millis(duration)| duration)?,
            outcome: optional(row, "outcome", |Name(outcome)| outcome)?.unwrap_or(AttemptOutcome::InFlight),
            error: row.get("error")?,
        })
    };
    connection.prepare_cached(HISTORY)?.query_map([delivery], attempt)?.collect()
}

#[cfg(test)]
mod tests {
    use super::super::events::insert_example;
    use super::*;

    const SPACE: &str = "default";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000 * seconds)
    }

    /// A delivery that was given up after many retries was listed far behind those that were accepted after it.
    #[tokio::test]
    async fn those_that_were_given_up_last_come_first() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path(), at(1)).unwrap();
        let fill = |c: &Connection| -> rusqlite::Result<()> {
            for ended in [9, 5, 7, 5, 8] {
                let event = insert_example(c, SPACE, "a", at(1))?;
                c.execute(
                    "INSERT INTO deliveries (event, space, subscription_id, function_id, state, since, ended_at, reason)
                     VALUES (?1, ?2, 's', 'f', 'dead', ?3, ?4, 'because')",
                    params![event, SPACE, at(1), at(ended)],
                )?;
            }
            Ok(())
        };
        store.write(fill).await.unwrap();
        let pages = async |mut before: Option<i64>| {
            let mut pages = Vec::new();
            loop {
                let query = DeadLetterQuery { space: SPACE.to_owned(), loss: Loss::Dead, before, limit: 2 };
                let page = store.dead_letters(query).await.unwrap();
                pages.push(page.dead_letters.iter().map(|letter| letter.dead_letter_id).collect::<Vec<_>>());
                before = page.next;
                if before.is_none() {
                    return pages;
                }
            }
        };
        assert_eq!(pages(None).await, [vec![1, 5], vec![3, 4], vec![2]]);
        // The last one of a page may be redriven or discarded before the next page is read.
        let redrive = |c: &Connection| c.execute(REDRIVE, params![3, at(10), None::<Vec<u8>>, None::<i64>]);
        store.write(redrive).await.unwrap();
        assert_eq!(pages(Some(3)).await, [vec![1, 5], vec![4, 2], vec![]]);
        assert!(store.discard(SPACE.to_owned(), 5, at(10)).await.unwrap());
        assert_eq!(pages(Some(5)).await, [vec![4, 2], vec![]]);
        assert_eq!(pages(Some(999)).await, [vec![1, 4], vec![2]], "unknown");
        // A page ends when its events have become too long.
        let enlarge = |c: &Connection| {
            let json = format!("\"{}\"", "x".repeat(PAGE));
            c.execute(
                "UPDATE deliveries SET payload = ?1, payload_seal = ?2",
                params![json.as_bytes(), of_bytes(json.as_bytes())],
            )
        };
        store.write(enlarge).await.unwrap();
        assert_eq!(pages(None).await, [vec![1], vec![4], vec![2], vec![]]);
    }

    #[test]
    fn indexes_find_what_was_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let connection = super::super::schema::open(&dir.path().join("db")).unwrap();
        for loss in [Loss::Dead, Loss::Expired] {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", page(loss))).unwrap();
            let plan: Vec<String> = plan
                .query_map(params![SPACE, 1, 1, 1], |row| row.get("detail"))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            assert!(plan[0].contains("deliveries_lost_at (space=? AND state=? AND ended_at<?)"), "{plan:?}");
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
        }
    }
}
