//! Reading the deliveries that were given up, with their events and history.

use rusqlite::{Connection, Row, params};

use super::{Store, StoreError};

/// Which dead letters to read: those of one space, the newest first.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetterQuery {
    pub(crate) space: String,
    /// Only those older than this one.
    pub(crate) before: Option<i64>,
    pub(crate) limit: u32,
}

/// A delivery that was given up. Times are milliseconds since the epoch.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    pub(crate) delivery: i64,
    pub(crate) event_id: String,
    pub(crate) event_type: String,
    pub(crate) source: String,
    pub(crate) subscription_id: String,
    pub(crate) function_id: String,
    pub(crate) reason: String,
    pub(crate) accepted_at: i64,
    pub(crate) ended_at: i64,
    /// The JSON that the function got.
    pub(crate) json: Vec<u8>,
    pub(crate) attempts: Vec<Attempt>,
}

/// One call of the function.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    pub(crate) started_at: i64,
    /// `None` when the gateway stopped before the answer.
    pub(crate) duration_ms: Option<i64>,
    pub(crate) outcome: String,
    pub(crate) error: Option<String>,
}

const DEAD: &str = "
    SELECT d.seq, e.id, e.type, e.source, d.subscription_id, d.function_id, d.reason, e.accepted_at, d.ended_at, e.event
    FROM deliveries d JOIN events e ON e.seq = d.event
    WHERE d.state = 'dead' AND d.space = ?1 AND d.seq < ?2
    ORDER BY d.seq DESC LIMIT ?3";

const HISTORY: &str = "
    SELECT number, started_at, duration_ms, coalesce(outcome, 'in_flight'), error
    FROM attempts WHERE delivery = ?1 ORDER BY number";

impl Store {
    /// Reads dead letters.
    pub(crate) async fn dead_letters(&self, query: DeadLetterQuery) -> Result<Vec<DeadLetter>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(DEAD)?;
            let before = query.before.unwrap_or(i64::MAX);
            let letters = statement.query_map(params![query.space, before, query.limit], letter)?;
            letters.map(|letter| with_history(connection, letter?)).collect()
        })
        .await
    }
}

fn letter(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    Ok(DeadLetter {
        delivery: row.get(0)?,
        event_id: row.get(1)?,
        event_type: row.get(2)?,
        source: row.get(3)?,
        subscription_id: row.get(4)?,
        function_id: row.get(5)?,
        reason: row.get(6)?,
        accepted_at: row.get(7)?,
        ended_at: row.get(8)?,
        json: row.get(9)?,
        attempts: Vec::new(),
    })
}

fn with_history(connection: &Connection, mut letter: DeadLetter) -> rusqlite::Result<DeadLetter> {
    let attempt = |row: &Row<'_>| {
        Ok(Attempt {
            number: row.get(0)?,
            started_at: row.get(1)?,
            duration_ms: row.get(2)?,
            outcome: row.get(3)?,
            error: row.get(4)?,
        })
    };
    letter.attempts = connection
        .prepare_cached(HISTORY)?
        .query_map([letter.delivery], attempt)?
        .collect::<Result<_, _>>()?;
    Ok(letter)
}
