//! Queues and what was set for them. Leaves their messages to the store.

use rusqlite::{OptionalExtension as _, Row, params};

use super::super::attributes::{Overrides, Properties};
use super::super::{QueueSettings, millis};
use super::{Store, StoreError};

impl Store {
    /// Creates a queue unless it exists.
    pub(in super::super) fn create(
        &self,
        queue: &str,
        overrides: &Overrides,
        now: i64,
    ) -> Result<(), StoreError> {
        let insert =
            "INSERT OR IGNORE INTO queues (name, overrides, created, modified) VALUES (?1, ?2, ?3, ?3)";
        self.write(insert, queue, overrides, now)
    }

    /// Replaces what was set for a queue.
    pub(in super::super) fn set(
        &self,
        queue: &str,
        overrides: &Overrides,
        now: i64,
    ) -> Result<(), StoreError> {
        self.write("UPDATE queues SET overrides = ?2, modified = ?3 WHERE name = ?1", queue, overrides, now)
    }

    fn write(&self, statement: &str, queue: &str, overrides: &Overrides, now: i64) -> Result<(), StoreError> {
        let overrides = serde_json::to_string(overrides).expect("its members have JSON forms");
        self.connection().execute(statement, params![queue, overrides, now])?;
        Ok(())
    }

    /// Returns a queue as it behaves. A queue that does not exist behaves as one for which nothing was set.
    pub(in super::super) fn properties(
        &self,
        name: &str,
        settings: QueueSettings,
    ) -> Result<Properties, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT name, overrides FROM queues")?;
        let row = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        let all: Vec<(String, Overrides)> = statement
            .query_map([], row)?
            .map(|row| row.map(|(name, text)| (name, serde_json::from_str(&text).unwrap_or_default())))
            .collect::<Result<_, _>>()?;
        let names = |overrides: &Overrides| overrides.redrive().is_some_and(|redrive| redrive.target == name);
        let is_target = all.iter().any(|(_, overrides)| names(overrides));
        let own = all.into_iter().find(|(other, _)| other == name);
        let overrides = own.map(|(_, overrides)| overrides).unwrap_or_default();
        Ok(Properties { name: name.to_owned(), overrides, is_target, settings })
    }

    /// Returns when a queue was created and last changed.
    pub(in super::super) fn times(&self, queue: &str) -> Result<(i64, i64), StoreError> {
        let query = "SELECT created, modified FROM queues WHERE name = ?1";
        Ok(self.connection().query_row(query, [queue], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    /// Deletes the messages of a queue that are older than it keeps them.
    pub(in super::super) fn forget(&self, queue: &Properties, now: i64) -> Result<(), StoreError> {
        if let Some(retention) = queue.retention() {
            self.connection().execute(
                "DELETE FROM messages WHERE queue = ?1 AND sent <= ?2",
                params![queue.name, now.saturating_sub(millis(retention))],
            )?;
        }
        Ok(())
    }

    pub(in super::super) fn exists(&self, queue: &str) -> Result<bool, StoreError> {
        let connection = self.connection();
        let found = connection.query_row("SELECT 1 FROM queues WHERE name = ?1", [queue], |_| Ok(()));
        Ok(found.optional()?.is_some())
    }

    pub(in super::super) fn queues(&self) -> Result<Vec<String>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT name FROM queues ORDER BY name")?;
        let names = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(names)
    }
}
