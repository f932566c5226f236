//! Writes the rows of another store into a database that has none, for `store::migrate`. From the first row to the last, a mark
//! shows that something is missing, and no gateway opens the database.

use super::batch::order_key;
use super::faults::Failure;
use super::queue::Work;
use super::session::Session;
use super::values::{Value, get, values};
use super::{PostgresStore, StoreError};
use crate::store::room;
use crate::store::rows::{Column, Kind, Page, Table, Values};
use crate::timestamp::Timestamp;

const OTHERS: &str =
    "SELECT EXISTS (SELECT 1 FROM gateways WHERE epoch <> $1 AND expires_at > now()) AS others";

const STATE: &str = "
    SELECT EXISTS (SELECT 1 FROM counters WHERE space = '' AND name = 'import') AS incomplete,
           EXISTS (SELECT 1 FROM config) OR EXISTS (SELECT 1 FROM events) OR EXISTS (SELECT 1 FROM counters) AS used";

const EMPTY: [&str; 2] =
    ["TRUNCATE config, events, deliveries, attempts, jobs, counters", "DELETE FROM runs WHERE epoch <= 0"];

const MARK: &str = "INSERT INTO counters (space, name, value) VALUES ('', 'import', 1)";

const COMPLETE: &str = "DELETE FROM counters WHERE space = '' AND name = 'import'";

const LAST: &str = "
    SELECT (SELECT coalesce(max(seq), 0) FROM events) AS event,
           (SELECT coalesce(max(seq), 0) FROM deliveries) AS delivery,
           (SELECT coalesce(max(accepted_at), 0) FROM events) AS newest_at";

impl PostgresStore {
    /// Returns whether a move into this store has not ended.
    pub(super) async fn is_incomplete(&self) -> Result<bool, StoreError> {
        let rows = self.readers.query(STATE, values![]).await?;
        Ok(rows.first().map_or(Ok(false), |row| get(row, "incomplete"))?)
    }

    /// Begins to import rows, and removes what an interrupted import has left.
    ///
    /// # Errors
    /// Returns [`StoreError::NotEmpty`] if the database has a store, and [`StoreError::Occupied`] if a gateway works with it. From
    /// then on, none does.
    pub(in crate::store) async fn begin_import(&self) -> Result<(), StoreError> {
        self.writer.run(Begin).await
    }

    pub(in crate::store) async fn import(&self, page: Page) -> Result<(), StoreError> {
        self.writer.run(Import(page)).await
    }

    pub(in crate::store) async fn end_import(&self) -> Result<(), StoreError> {
        self.writer.run(End).await
    }
}

struct Begin;

impl Work for Begin {
    type Output = ();

    async fn run(&mut self, session: &mut Session) -> Result<(), Failure> {
        let epoch = session.epoch()?;
        if get(&session.one(OTHERS, values![epoch]).await?, "others")? {
            return Err(StoreError::Occupied.into());
        }
        let state = session.one(STATE, values![]).await?;
        if get(&state, "used")? && !get::<bool>(&state, "incomplete")? {
            return Err(StoreError::NotEmpty.into());
        }
        for statement in EMPTY {
            session.later(statement, values![]);
        }
        session.later(MARK, values![]);
        let bytes = session.numbers.bytes();
        session.numbers.shrink(bytes);
        Ok(())
    }
}

struct Import(Page);

impl Work for Import {
    type Output = ();

    async fn run(&mut self, session: &mut Session) -> Result<(), Failure> {
        let Page { table, columns, rows, bytes } = &self.0;
        // A write may run more than once.
        let values = columns.clone().into_iter().map(|values| match values {
            Values::Numbers(numbers) => numbers.into(),
            Values::Texts(texts) => texts.into(),
            Values::Blobs(blobs) => Value::Blobs(blobs),
        });
        session.query(&insert(table), values.collect()).await?;
        if matches!(table.name, "events" | "deliveries" | "attempts") {
            session.numbers.grow(room::bytes(*rows, *bytes));
        }
        Ok(())
    }
}

fn insert(table: &Table) -> String {
    let names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
    let to = table.columns.iter().map(|column| match column.name {
        "enabled" => "enabled <> 0",
        "order_key" => order_key!(),
        same => same,
    });
    let to: Vec<_> = to.collect();
    let array = |(place, column): (usize, &Column)| {
        let ty = match column.kind {
            Kind::Number => "int8",
            Kind::Text => "text",
            Kind::Bytes => "bytea",
        };
        format!("${}::{ty}[]", place + 1)
    };
    let arrays: Vec<_> = table.columns.iter().enumerate().map(array).collect();
    format!(
        "INSERT INTO {} ({}) SELECT {} FROM unnest({}) AS r ({})",
        table.name,
        names.join(", "),
        to.join(", "),
        arrays.join(", "),
        names.join(", ")
    )
}

struct End;

impl Work for End {
    type Output = ();

    async fn run(&mut self, session: &mut Session) -> Result<(), Failure> {
        let last = session.one(LAST, values![]).await?;
        session.numbers.event = get(&last, "event")?;
        session.numbers.delivery = get(&last, "delivery")?;
        session.numbers.newest_at = Timestamp::from_millis(get(&last, "newest_at")?);
        session.later(COMPLETE, values![]);
        Ok(())
    }
}
