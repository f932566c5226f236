//! Dead letters: messages that were received too often. Moves, lists, returns and removes them. Which queue they move to
//! is up to the callers.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::super::attributes::Redrive;
use super::{Store, StoreError};

/// A message that was received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Letter {
    pub(in super::super) id: String,
    pub(in super::super) body: String,
    pub(in super::super) group: Option<String>,
    pub(in super::super) sent: i64,
    /// When it was given up. `None` in files of the first version, as are the following.
    pub(in super::super) died: Option<i64>,
    /// How often it was received.
    pub(in super::super) receives: Option<u32>,
    /// Why its last handling failed, if its handler said so.
    pub(in super::super) reason: Option<String>,
}

/// Selects the dead letters of a queue: one, or all.
#[derive(Debug, Clone)]
pub(in super::super) struct Which {
    /// The queue that gave them up.
    pub(in super::super) queue: String,
    /// The id of the message.
    pub(in super::super) one: Option<String>,
}

/// What makes a message a dead letter of queue `?1`, and one of those that are selected.
const SELECTED: &str = "came_from = ?1 AND (?2 IS NULL OR id = ?2)";

impl Store {
    /// Returns each queue with dead letters, and their number.
    pub(in super::super) fn queues_with_letters(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT came_from, count(*) FROM messages WHERE came_from IS NOT NULL GROUP BY came_from ORDER BY came_from",
        )?;
        let row = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()));
        let found = statement.query_map([], row)?.collect::<Result<_, _>>()?;
        Ok(found)
    }

    /// Returns the number of dead letters of a queue.
    pub(in super::super) fn count_letters(&self, queue: &str) -> Result<u64, StoreError> {
        let query = "SELECT count(*) FROM messages WHERE came_from = ?1";
        let count: i64 = self.connection().query_row(query, [queue], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// Returns the selected dead letters, those first that were given up last, at most `limit`.
    pub(in super::super) fn letters(&self, which: &Which, limit: usize) -> Result<Vec<Letter>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT id, body, message_group, sent, died, died_after, reason FROM messages WHERE {SELECTED}
             ORDER BY died DESC, sequence DESC LIMIT ?3"
        ))?;
        let letter = |row: &Row<'_>| {
            Ok(Letter {
                id: row.get(0)?,
                body: row.get(1)?,
                group: row.get(2)?,
                sent: row.get(3)?,
                died: row.get(4)?,
                receives: row.get(5)?,
                reason: row.get(6)?,
            })
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = statement.query_map(params![which.queue, which.one, limit], letter)?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// Puts the selected dead letters back into their queue, with another body if one is given, and returns how many.
    pub(in super::super) fn retry_letters(
        &self,
        which: &Which,
        body: Option<&str>,
        now: i64,
    ) -> Result<usize, StoreError> {
        let connection = self.connection();
        Ok(put_back(&connection, SELECTED, params![which.queue, which.one, now, body])?.len())
    }

    /// Puts the dead letters in `queue` back into their queues. Returns those queues.
    pub(in super::super) fn move_back(&self, queue: &str, now: i64) -> Result<Vec<String>, StoreError> {
        let connection = self.connection();
        let within = "queue = ?1 AND came_from IS NOT NULL AND ?2 IS NULL";
        let mut queues = put_back(&connection, within, params![queue, None::<&str>, now, None::<&str>])?;
        queues.sort_unstable();
        queues.dedup();
        Ok(queues)
    }

    /// Removes the selected dead letters and returns how many.
    pub(in super::super) fn discard_letters(&self, which: &Which) -> Result<usize, StoreError> {
        let delete = format!("DELETE FROM messages WHERE {SELECTED}");
        Ok(self.connection().execute(&delete, params![which.queue, which.one])?)
    }
}

/// Puts the dead letters that `selected` describes back, with the body `?4` unless it is null. Returns the queue of each.
fn put_back(
    connection: &Connection,
    selected: &str,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached(&format!(
            "UPDATE messages SET queue = came_from, came_from = NULL, reason = NULL, died = NULL, died_after = NULL,
             receipt = NULL, visible = ?3, receives = 0, first_received = NULL, body = coalesce(?4, body)
             WHERE {selected} RETURNING queue"
        ))?
        .query_map(parameters, |row| row.get(0))?
        .collect()
}

/// Moves messages that were received too often to the dead-letter queue. Returns their ids with how often that was.
pub(super) fn bury(
    transaction: &Transaction<'_>,
    queue: &str,
    Redrive { target, max_receives }: &Redrive,
    now: i64,
) -> rusqlite::Result<Vec<(String, u32)>> {
    transaction
        .prepare_cached(&format!(
            "{BURY} WHERE queue = ?1 AND visible <= ?3 AND receives >= ?4 RETURNING id, died_after"
        ))?
        .query_map(params![queue, target, now, max_receives], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Moves the message with a receipt to the dead-letter queue, for a reason. Returns its id with how often it was received, or
/// `None` if the receipt is not the message's last one.
pub(super) fn bury_one(
    transaction: &Transaction<'_>,
    queue: &str,
    (receipt, reason): (&str, Option<&str>),
    Redrive { target, .. }: &Redrive,
    now: i64,
) -> rusqlite::Result<Option<(String, u32)>> {
    transaction
        .prepare_cached(&format!(
            "{BURY}, reason = ?5 WHERE queue = ?1 AND receipt = ?4 RETURNING id, died_after"
        ))?
        .query_row(params![queue, target, now, receipt, reason], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// Makes messages of queue `?1` dead letters in queue `?2` at time `?3`.
const BURY: &str = "UPDATE messages SET queue = ?2, came_from = ?1, died = ?3, died_after = receives, receipt = NULL, \
                    visible = ?3, receives = 0, first_received = NULL";
