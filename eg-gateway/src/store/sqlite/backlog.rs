//! Counts the waiting deliveries and the dead letters, and measures the store, for the metrics and the statistics.

use rusqlite::Connection;

use super::{SqliteStore, StoreError, size};
use crate::store::state::Backlog;

impl SqliteStore {
    pub(in crate::store) async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.readers.search(read).await
    }
}

fn read(connection: &Connection) -> rusqlite::Result<Backlog> {
    let count = |sql| connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0));
    let pending = count("SELECT count(*) FROM deliveries WHERE state = 'pending'")?;
    let in_flight = count("SELECT count(*) FROM deliveries WHERE state = 'in_flight'")?;
    let oldest = "SELECT min(since) FROM deliveries WHERE state = 'pending'";
    let oldest = connection.prepare_cached(oldest)?.query_row([], |row| row.get(0))?;
    let mut dead = connection.prepare_cached(
        "SELECT space, count(*) AS dead FROM deliveries WHERE state = 'dead' AND discarded_at IS NULL GROUP BY space",
    )?;
    let dead =
        dead.query_map([], |row| Ok((row.get("space")?, row.get("dead")?)))?.collect::<Result<_, _>>()?;
    Ok(Backlog { deliveries: pending + in_flight, oldest, dead, bytes: size::used(connection)? })
}
