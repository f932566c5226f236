//! Moves a store from SQLite to PostgreSQL, table by table. `sqlite::export` reads the rows, and `postgres::import` writes them.
//! Until the last one is written, no gateway opens the database.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::StoreError;
use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use super::url::StoreUrl;
use crate::clock;

/// What [`migrate`] moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MoveReport {
    /// Events.
    pub events: usize,
    /// Deliveries, with all of their attempts.
    pub deliveries: usize,
    /// Event types, functions, subscriptions and CORS settings.
    pub resources: usize,
}

/// A column, the same in both databases.
#[derive(Debug)]
pub(in crate::store) struct Column {
    pub(in crate::store) name: &'static str,
    pub(in crate::store) kind: Kind,
    /// The expression that SQLite reads.
    pub(in crate::store) from: &'static str,
    /// The expression that PostgreSQL writes.
    pub(in crate::store) to: &'static str,
}

#[derive(Debug, Clone, Copy)]
pub(in crate::store) enum Kind {
    Number,
    Text,
    Bytes,
}

/// A table, the same in both databases.
#[derive(Debug)]
pub(in crate::store) struct Table {
    pub(in crate::store) name: &'static str,
    pub(in crate::store) columns: &'static [Column],
    /// Which rows, and in which order.
    pub(in crate::store) rows: &'static str,
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, from: name, to: name }
}

const fn number(name: &'static str) -> Column {
    column(name, Kind::Number)
}

const fn text(name: &'static str) -> Column {
    column(name, Kind::Text)
}

const fn bytes(name: &'static str) -> Column {
    column(name, Kind::Bytes)
}

/// The numbers of events and deliveries stay the same, because jobs and cursors contain them.
pub(in crate::store) const TABLES: [Table; 7] = [
    Table {
        name: "config",
        columns: &[
            text("kind"),
            text("space"),
            text("id"),
            text("body"),
            number("seal"),
            Column {
                name: "enabled",
                kind: Kind::Number,
                from: "json_extract(body, '$.disabled') IS NULL",
                to: "enabled <> 0",
            },
        ],
        rows: "ORDER BY kind, space, id",
    },
    // In the order of the checksum, which covers all columns but the number.
    Table {
        name: "events",
        columns: &[
            number("seq"),
            text("space"),
            text("id"),
            text("type"),
            text("source"),
            text("subject"),
            text("method"),
            text("path"),
            number("accepted_at"),
            bytes("event"),
            number("seal"),
        ],
        rows: "ORDER BY seq",
    },
    Table {
        name: "deliveries",
        columns: &[
            number("seq"),
            bytes("payload"),
            number("payload_seal"),
            number("event"),
            text("space"),
            text("subscription_id"),
            text("function_id"),
            text("state"),
            number("attempts"),
            number("failures"),
            number("crashes"),
            number("since"),
            number("due_at"),
            Column { name: "order_key", kind: Kind::Text, from: "order_key", to: super::postgres::ORDER_KEY },
            text("replay"),
            number("ended_at"),
            text("reason"),
            number("discarded_at"),
        ],
        rows: "ORDER BY seq",
    },
    Table {
        name: "attempts",
        columns: &[
            number("delivery"),
            number("number"),
            number("started_at"),
            number("duration_ms"),
            text("outcome"),
            text("error"),
        ],
        rows: "ORDER BY delivery, number",
    },
    Table {
        name: "jobs",
        columns: &[
            number("seq"),
            text("space"),
            text("kind"),
            text("state"),
            text("subscription_id"),
            text("reason"),
            text("work"),
            number("start"),
            number("cursor"),
            number("last"),
            number("events"),
            number("deliveries"),
            number("skipped"),
            number("created_at"),
            number("ended_at"),
        ],
        rows: "ORDER BY seq",
    },
    // Those without a space are SQLite's own.
    Table {
        name: "counters",
        columns: &[text("space"), text("name"), number("value")],
        rows: "WHERE space <> '' ORDER BY space, name",
    },
    // The runs of gateways with the database have numbers above 0.
    Table {
        name: "runs",
        columns: &[
            Column {
                name: "epoch",
                kind: Kind::Number,
                from: "row_number() OVER (ORDER BY changes, started_at) - (SELECT count(*) FROM runs)",
                to: "epoch",
            },
            number("started_at"),
            number("newest_at"),
        ],
        rows: "ORDER BY changes, started_at",
    },
];

/// The values of a column, row by row.
#[derive(Debug, Clone)]
pub(in crate::store) enum Values {
    Numbers(Vec<Option<i64>>),
    Texts(Vec<Option<String>>),
    Blobs(Vec<Option<Bytes>>),
}

/// Rows of a table.
#[derive(Debug)]
pub(in crate::store) struct Page {
    pub(in crate::store) table: &'static Table,
    pub(in crate::store) columns: Vec<Values>,
    pub(in crate::store) rows: usize,
    /// The bytes of the events among them.
    pub(in crate::store) bytes: usize,
}

/// How long to wait for the database. A gateway that was killed keeps it for as long as its lease.
const PATIENCE: Duration = Duration::from_secs(10);

/// Moves the store in the directory `dir` into the database at `url`, which must be empty, or contain what an interrupted move
/// has left. No gateway may use either of them. The store in `dir` stays; a gateway that opened it again would deliver
/// the same events.
///
/// # Errors
/// Returns an error if a gateway uses one of the stores, if the one in `dir` is damaged, or if the database has a store
/// already. An interrupted move can be repeated.
pub async fn migrate(dir: &Path, url: &StoreUrl) -> Result<MoveReport, StoreError> {
    clock::resume(dir);
    let opened = {
        let dir = dir.to_owned();
        tokio::task::spawn_blocking(move || SqliteStore::open_for_export(&dir, clock::timestamp()))
    };
    let from = opened.await.map_err(|_| StoreError::Closed)??;
    let opened = PostgresStore::open_for_import(url.as_str(), Duration::from_secs(8), clock::timestamp);
    let to = tokio::time::timeout(PATIENCE, opened).await.map_err(|_| StoreError::Occupied)??;
    let moved = copy(from, &to).await;
    to.close().await;
    moved
}

async fn copy(from: super::sqlite::Export, to: &PostgresStore) -> Result<MoveReport, StoreError> {
    to.begin_import().await?;
    // The next page is read while one is written.
    let (pages, mut arriving) = mpsc::channel(1);
    let reading = tokio::task::spawn_blocking(move || from.read(&pages));
    let mut report = MoveReport::default();
    while let Some(page) = arriving.recv().await {
        match page.table.name {
            "events" => report.events += page.rows,
            "deliveries" => report.deliveries += page.rows,
            "config" => report.resources += page.rows,
            _ => {}
        }
        // If it fails, the reader cannot hand over the next page, and ends.
        to.import(page).await?;
    }
    reading.await.map_err(|_| StoreError::Closed)??;
    to.end_import().await?;
    Ok(report)
}
