//! Reads all rows of a store that is not in use, for `store::migrate`. Checks the seals: damaged rows are not moved.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use rusqlite::Row;
use rusqlite::types::ValueRef;
use tokio::sync::mpsc::Sender;

use super::open::DATABASE;
use super::seal::{bytes_fit, fits};
use super::{Idle, SqliteStore, StoreError};
use crate::store::rows::{Column, Kind, Page, TABLES, Table, Values};
use crate::timestamp::Timestamp;

/// How many rows a page has at most.
const ROWS: usize = 1_000;

/// How many bytes of JSON a page has before it ends.
const BYTES: usize = 4 * 1024 * 1024;

/// A store whose rows are read. It is locked as long as this exists.
pub(in crate::store) struct Export {
    idle: Idle,
    dir: PathBuf,
}

impl SqliteStore {
    /// Opens the store in `dir` as a gateway would, so that nothing is in flight any more.
    pub(in crate::store) fn open_for_export(dir: &Path, now: Timestamp) -> Result<Export, StoreError> {
        if !dir.join(DATABASE).exists() {
            let reason = "there is no store".to_owned();
            return Err(StoreError::File { path: dir.to_owned(), reason });
        }
        Ok(Export { idle: Self::open_idle(dir, now)?, dir: dir.to_owned() })
    }
}

impl Export {
    /// Sends all rows, until nobody receives them any more.
    ///
    /// # Errors
    /// Fails if a row is damaged.
    pub(in crate::store) fn read(&self, pages: &Sender<Page>) -> Result<(), StoreError> {
        for table in &TABLES {
            let mut statement = self.idle.connection.prepare(&select(table))?;
            let mut rows = statement.query([])?;
            let mut page = empty(table);
            while let Some(row) = rows.next()? {
                self.check(table, row)?;
                add(&mut page, row)?;
                if page.rows == ROWS || page.bytes >= BYTES {
                    let full = std::mem::replace(&mut page, empty(table));
                    if pages.blocking_send(full).is_err() {
                        return Ok(());
                    }
                }
            }
            if page.rows > 0 && pages.blocking_send(page).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn check(&self, table: &Table, row: &Row<'_>) -> Result<(), StoreError> {
        let (is_sound, what) = match table.name {
            "events" => (fits(row, 1)?, "event"),
            "deliveries" => {
                (row.get_ref(1)? == ValueRef::Null || bytes_fit(row, 1)?, "edited payload of delivery")
            }
            // The configuration was checked when the store was opened.
            _ => return Ok(()),
        };
        if is_sound {
            return Ok(());
        }
        let number: i64 = row.get(0)?;
        Err(StoreError::damaged(&self.dir, format!("the {what} {number} does not match its checksum")))
    }
}

fn select(table: &Table) -> String {
    let column = |column: &Column| match column.name {
        "enabled" => "json_extract(body, '$.disabled') IS NULL AS enabled",
        // The runs of gateways with another store have numbers above 0.
        "epoch" => "row_number() OVER (ORDER BY changes, started_at) - (SELECT count(*) FROM runs) AS epoch",
        same => same,
    };
    let columns: Vec<_> = table.columns.iter().map(column).collect();
    // This backend has counters of its own, without a space.
    let rows = if table.name == "counters" { "WHERE space <> ''" } else { "" };
    format!("SELECT {} FROM {} {rows} ORDER BY {}", columns.join(", "), table.name, table.order)
}

fn empty(table: &'static Table) -> Page {
    let values = |kind| match kind {
        Kind::Number => Values::Numbers(Vec::new()),
        Kind::Text => Values::Texts(Vec::new()),
        Kind::Bytes => Values::Blobs(Vec::new()),
    };
    let columns = table.columns.iter().map(|column| values(column.kind)).collect();
    Page { table, columns, rows: 0, bytes: 0 }
}

fn add(page: &mut Page, row: &Row<'_>) -> rusqlite::Result<()> {
    for (column, values) in page.columns.iter_mut().enumerate() {
        match values {
            Values::Numbers(numbers) => numbers.push(row.get(column)?),
            Values::Texts(texts) => texts.push(row.get(column)?),
            Values::Blobs(blobs) => {
                let blob: Option<Vec<u8>> = row.get(column)?;
                page.bytes += blob.as_ref().map_or(0, Vec::len);
                blobs.push(blob.map(Bytes::from));
            }
        }
    }
    page.rows += 1;
    Ok(())
}
