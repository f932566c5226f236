//! Describes the rows that move from one backend to another, table by table. `export` of SQLite reads them, and `import` of
//! PostgreSQL writes them; each of them knows where its columns differ.

use bytes::Bytes;

/// What [`migrate`](super::migrate) moved.
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

/// A column that all backends have.
#[derive(Debug)]
pub(in crate::store) struct Column {
    pub(in crate::store) name: &'static str,
    pub(in crate::store) kind: Kind,
}

#[derive(Debug, Clone, Copy)]
pub(in crate::store) enum Kind {
    Number,
    Text,
    Bytes,
}

/// A table that all backends have.
#[derive(Debug)]
pub(in crate::store) struct Table {
    pub(in crate::store) name: &'static str,
    pub(in crate::store) columns: &'static [Column],
    /// The columns that order its rows.
    pub(in crate::store) order: &'static str,
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind }
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
        columns: &[text("kind"), text("space"), text("id"), text("body"), number("seal"), number("enabled")],
        order: "kind, space, id",
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
        order: "seq",
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
            text("order_key"),
            text("replay"),
            number("ended_at"),
            text("reason"),
            number("discarded_at"),
        ],
        order: "seq",
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
        order: "delivery, number",
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
        order: "seq",
    },
    Table {
        name: "counters",
        columns: &[text("space"), text("name"), number("value")],
        order: "space, name",
    },
    // The runs of gateways with the database have numbers above 0.
    Table {
        name: "runs",
        columns: &[number("epoch"), number("started_at"), number("newest_at")],
        order: "epoch",
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
