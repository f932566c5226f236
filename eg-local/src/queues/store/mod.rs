//! Stores messages: one SQLite file for all queues. Decides the visibility of messages. The time is a parameter.
//!
//! # What always holds
//! 1. `visible` is the time from which a message may be received. Whoever receives it moves that into the future, in the
//!    transaction that counts the receipt.
//! 2. A message's `receipt` is that of its last receive; an older one deletes nothing.
//! 3. `sequence` grows with each message that is sent, and never changes: messages are received in its order.

mod letters;
mod queues;
mod schema;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use eg_grammar::is_fifo;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};

use super::attributes::Redrive;
pub(super) use letters::{Letter, Which};

/// The deduplication interval of FIFO queues, in milliseconds.
const DEDUPLICATION: i64 = 5 * 60 * 1000;

const COLUMNS: &str = "sequence, id, body, attributes, message_group, deduplication, sent, first_received, receives, receipt, came_from";

/// The open file.
#[derive(Debug)]
pub(super) struct Store {
    connection: Mutex<Connection>,
}

/// Why an operation of the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be used.
    #[error("cannot open the queues in `{}`: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// SQLite's error.
        source: rusqlite::Error,
    },
    /// The file was written by a newer version.
    #[error("`{}` has format {found}, and this version reads formats up to {known}; use a newer version", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that this version can read.
        known: i64,
    },
    /// Reading or writing failed.
    #[error("the store of the queues failed: {0}")]
    Disk(#[from] rusqlite::Error),
    /// The program is ending.
    #[error("the queues are being stopped")]
    Stopped,
}

/// A message to be stored.
#[derive(Debug, Clone, Default)]
pub(super) struct NewMessage {
    pub(super) body: String,
    /// A JSON object.
    pub(super) attributes: String,
    pub(super) group: Option<String>,
    pub(super) deduplication: Option<String>,
    /// When it becomes visible.
    pub(super) visible: i64,
}

/// The receipt for a sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) id: String,
    pub(super) sequence: i64,
}

/// A received message.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) sequence: i64,
    pub(super) id: String,
    pub(super) body: String,
    pub(super) attributes: String,
    pub(super) group: Option<String>,
    pub(super) deduplication: Option<String>,
    pub(super) sent: i64,
    pub(super) first_received: i64,
    pub(super) receives: u32,
    pub(super) receipt: String,
    /// The source queue of a dead letter.
    pub(super) came_from: Option<String>,
}

/// The parameters of a receive.
#[derive(Debug, Clone)]
pub(super) struct Receive {
    pub(super) queue: String,
    pub(super) most: usize,
    /// Until when they are invisible to others.
    pub(super) until: i64,
    /// Where messages go that were received too often.
    pub(super) redrive: Option<Redrive>,
}

/// The result of a receive.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) messages: Vec<Message>,
    /// The ids of messages that were received too often, with their counts.
    pub(super) dead: Vec<(String, u32)>,
}

/// The message counts of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Visible now.
    pub visible: u64,
    /// Received, and neither deleted nor visible again.
    pub in_flight: u64,
    /// Delayed.
    pub delayed: u64,
}

impl Store {
    pub(super) fn open(path: &Path, now: i64) -> Result<Self, StoreError> {
        let connection = schema::open(path)?;
        // Receivers ended with the process that had this file open, so their messages are visible again.
        connection
            .execute("UPDATE messages SET visible = ?1 WHERE visible > ?1 AND receipt IS NOT NULL", [now])?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Stores messages, all or none. A FIFO queue drops a recent duplicate.
    pub(super) fn send(
        &self,
        queue: &str,
        messages: &[NewMessage],
        now: i64,
    ) -> Result<Vec<Sent>, StoreError> {
        let mut connection = self.connection();
        let transaction = sending(&mut connection, now)?;
        let mut sent = Vec::with_capacity(messages.len());
        for message in messages {
            sent.push(store(&transaction, queue, message, now)?);
        }
        transaction.commit()?;
        Ok(sent)
    }

    /// Like [`send`](Self::send), for one message.
    pub(super) fn send_one(&self, queue: &str, message: &NewMessage, now: i64) -> Result<Sent, StoreError> {
        let mut connection = self.connection();
        let transaction = sending(&mut connection, now)?;
        let sent = store(&transaction, queue, message, now)?;
        transaction.commit()?;
        Ok(sent)
    }

    /// Receives the oldest visible messages. In FIFO queues, a message waits while its group has another one in flight, or
    /// an older one that is delayed.
    pub(super) fn receive(&self, receive: &Receive, now: i64) -> Result<Received, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut received = Received::default();
        if let Some(redrive) = &receive.redrive {
            received.dead = letters::bury(&transaction, &receive.queue, redrive, now)?;
        }
        let query = format!(
            "SELECT {COLUMNS} FROM messages AS one WHERE queue = ?1 AND visible <= ?2 AND (NOT ?3 OR NOT EXISTS (
                SELECT 1 FROM messages AS other
                WHERE other.queue = ?1 AND other.message_group = one.message_group AND other.visible > ?2
                AND (other.receipt IS NOT NULL OR other.sequence < one.sequence)
             )) ORDER BY sequence LIMIT ?4"
        );
        let most = i64::try_from(receive.most).unwrap_or(i64::MAX);
        let found: Vec<Message> = transaction
            .prepare_cached(&query)?
            .query_map(params![receive.queue, now, is_fifo(&receive.queue), most], message)?
            .collect::<Result<_, _>>()?;
        for mut message in found {
            message.receipt = uuid::Uuid::new_v4().simple().to_string();
            message.receives += 1;
            if message.first_received == 0 {
                message.first_received = now;
            }
            transaction.execute(
                "UPDATE messages SET visible = ?2, receipt = ?3, receives = ?4, first_received = ?5 WHERE sequence = ?1",
                params![message.sequence, receive.until, message.receipt, message.receives, message.first_received],
            )?;
            received.messages.push(message);
        }
        transaction.commit()?;
        Ok(received)
    }

    /// Deletes handled messages. Returns `false` for a receipt that is not the message's last one.
    pub(super) fn delete(&self, queue: &str, receipts: &[String]) -> Result<Vec<bool>, StoreError> {
        self.each(receipts, "DELETE FROM messages WHERE queue = ?1 AND receipt = ?2", queue, None)
    }

    /// Makes messages visible again at `visible`, because handling them failed for these reasons.
    pub(super) fn fail(
        &self,
        queue: &str,
        failures: &[(String, Option<String>)],
        visible: i64,
    ) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (receipt, reason) in failures {
            transaction
                .prepare_cached(
                    "UPDATE messages SET visible = ?3, reason = ?4 WHERE queue = ?1 AND receipt = ?2",
                )?
                .execute(params![queue, receipt, visible, reason])?;
        }
        Ok(transaction.commit()?)
    }

    /// Makes messages visible again at once as if they had not been received, because nobody has tried to handle them.
    pub(super) fn give_back(&self, queue: &str, receipts: &[String], now: i64) -> Result<(), StoreError> {
        let update = "UPDATE messages SET visible = ?3, receipt = NULL, receives = receives - 1 WHERE queue = ?1 AND receipt = ?2";
        self.each(receipts, update, queue, Some(now)).map(drop)
    }

    /// Makes messages dead letters at once, because they were rejected for these reasons. Returns their ids with how often they
    /// were received, and the reasons.
    pub(super) fn reject(
        &self,
        queue: &str,
        rejections: &[(String, Option<String>)],
        redrive: &Redrive,
        now: i64,
    ) -> Result<Vec<(String, u32, Option<String>)>, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut dead = Vec::new();
        for (receipt, reason) in rejections {
            let buried = letters::bury_one(&transaction, queue, (receipt, reason.as_deref()), redrive, now)?;
            dead.extend(buried.map(|(id, receives)| (id, receives, reason.clone())));
        }
        transaction.commit()?;
        Ok(dead)
    }

    /// Makes messages visible again at `visible`.
    pub(super) fn release(
        &self,
        queue: &str,
        receipts: &[String],
        visible: i64,
    ) -> Result<Vec<bool>, StoreError> {
        let update = "UPDATE messages SET visible = ?3 WHERE queue = ?1 AND receipt = ?2";
        self.each(receipts, update, queue, Some(visible))
    }

    fn each(
        &self,
        receipts: &[String],
        statement: &str,
        queue: &str,
        visible: Option<i64>,
    ) -> Result<Vec<bool>, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut done = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            let rows = match visible {
                Some(visible) => transaction.execute(statement, params![queue, receipt, visible])?,
                None => transaction.execute(statement, params![queue, receipt])?,
            };
            done.push(rows > 0);
        }
        transaction.commit()?;
        Ok(done)
    }

    pub(super) fn purge(&self, queue: &str) -> Result<(), StoreError> {
        self.connection().execute("DELETE FROM messages WHERE queue = ?1", [queue])?;
        Ok(())
    }

    pub(super) fn counts(&self, queue: &str, now: i64) -> Result<Counts, StoreError> {
        let connection = self.connection();
        let count = |filter: &str| {
            let query = format!("SELECT count(*) FROM messages WHERE queue = ?1 AND {filter}");
            connection.query_row(&query, params![queue, now], |row| row.get(0).map(i64::unsigned_abs))
        };
        Ok(Counts {
            visible: count("visible <= ?2")?,
            in_flight: count("visible > ?2 AND receipt IS NOT NULL")?,
            delayed: count("visible > ?2 AND receipt IS NULL")?,
        })
    }

    /// Returns when the next invisible message becomes visible.
    pub(super) fn next_visible(&self, queue: &str, now: i64) -> Result<Option<i64>, StoreError> {
        let query = "SELECT min(visible) FROM messages WHERE queue = ?1 AND visible > ?2";
        Ok(self.connection().query_row(query, params![queue, now], |row| row.get(0))?)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic rolled its transaction back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins a transaction that stores messages.
fn sending(connection: &mut Connection, now: i64) -> rusqlite::Result<Transaction<'_>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute("DELETE FROM deduplication WHERE sent <= ?1", [now - DEDUPLICATION])?;
    Ok(transaction)
}

fn store(
    transaction: &Transaction<'_>,
    queue: &str,
    message: &NewMessage,
    now: i64,
) -> rusqlite::Result<Sent> {
    if let Some(deduplication) = &message.deduplication {
        let known = transaction.query_row(
            "SELECT id, sequence FROM deduplication WHERE queue = ?1 AND deduplication = ?2",
            params![queue, deduplication],
            |row| Ok(Sent { id: row.get(0)?, sequence: row.get(1)? }),
        );
        if let Some(known) = known.optional()? {
            return Ok(known);
        }
    }
    let id = uuid::Uuid::new_v4().to_string();
    let NewMessage { body, attributes, group, deduplication, visible } = message;
    transaction.execute(
        "INSERT INTO messages (queue, id, body, attributes, message_group, deduplication, sent, visible)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![queue, id, body, attributes, group, deduplication, now, visible],
    )?;
    let sequence = transaction.last_insert_rowid();
    if let Some(deduplication) = deduplication {
        transaction.execute(
            "INSERT INTO deduplication VALUES (?1, ?2, ?3, ?4, ?5)",
            params![queue, deduplication, id, sequence, now],
        )?;
    }
    Ok(Sent { id, sequence })
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        sequence: row.get(0)?,
        id: row.get(1)?,
        body: row.get(2)?,
        attributes: row.get(3)?,
        group: row.get(4)?,
        deduplication: row.get(5)?,
        sent: row.get(6)?,
        first_received: row.get::<_, Option<i64>>(7)?.unwrap_or_default(),
        receives: row.get(8)?,
        receipt: row.get::<_, Option<String>>(9)?.unwrap_or_default(),
        came_from: row.get(10)?,
    })
}

#[cfg(test)]
mod tests;
