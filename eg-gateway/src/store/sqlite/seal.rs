//! Checks the seals of the rows that are read. The queries decide what happens to a row whose seal does not fit.

use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::store::seal::{Seal, Sealer, of_bytes};

/// The columns of an event that its seal covers, in that order, followed by the seal. The table is called `e`.
macro_rules! sealed {
    () => {
        "e.space, e.id, e.type, e.source, e.subject, e.method, e.path, e.accepted_at, e.event, e.seal"
    };
}
pub(super) use sealed;

/// The position of the id of an event among the columns of [`sealed!`].
pub(super) const ID: usize = 1;

/// The position of its type.
pub(super) const TYPE: usize = 2;

/// The position of its JSON.
pub(super) const JSON: usize = 8;

/// The position of its seal.
const SEAL: usize = 9;

/// The columns from which [`payload`] reads what a delivery delivers: its edited payload, the seal of that, and its event.
/// The tables are called `d` and `e`.
macro_rules! delivered {
    () => {
        concat!("d.payload, d.payload_seal, ", $crate::store::sqlite::seal::sealed!())
    };
}
pub(super) use delivered;

/// The position of the event among the columns of [`delivered!`].
pub(super) const EVENT: usize = 2;

/// What a delivery delivers: its edited payload, or else its event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Payload {
    /// The column that holds its JSON.
    pub(super) column: usize,
    /// Whether it is as it was stored.
    pub(super) is_sound: bool,
}

/// Returns the seal of the event whose columns begin at `first`.
pub(super) fn of_row(row: &Row<'_>, first: usize) -> rusqlite::Result<Seal> {
    let mut sealer = Sealer::default();
    for column in first..first + SEAL {
        add(&mut sealer, row.get_ref(column)?);
    }
    Ok(sealer.seal())
}

/// Adds a column as it was read.
fn add(sealer: &mut Sealer, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => sealer.add(b'n', &[]),
        ValueRef::Integer(number) => sealer.add(b'i', &number.to_le_bytes()),
        ValueRef::Real(number) => sealer.add(b'r', &number.to_le_bytes()),
        ValueRef::Text(text) => sealer.add(b't', text),
        ValueRef::Blob(bytes) => sealer.add(b'b', bytes),
    }
}

/// Returns whether the event whose columns begin at `first` exists and is as it was accepted.
pub(super) fn fits(row: &Row<'_>, first: usize) -> rusqlite::Result<bool> {
    Ok(stored(row, first + SEAL)? == Some(of_row(row, first)?))
}

/// Returns whether the bytes in column `bytes` are those that were sealed in the column after it.
pub(super) fn bytes_fit(row: &Row<'_>, bytes: usize) -> rusqlite::Result<bool> {
    let found = match row.get_ref(bytes)? {
        ValueRef::Text(found) | ValueRef::Blob(found) => Some(of_bytes(found)),
        _ => None,
    };
    Ok(found.is_some() && found == stored(row, bytes + 1)?)
}

/// Reads what a delivery delivers from the columns of [`delivered!`], which begin at `first`.
pub(super) fn payload(row: &Row<'_>, first: usize) -> rusqlite::Result<Payload> {
    if row.get_ref(first)? == ValueRef::Null {
        let event = first + EVENT;
        Ok(Payload { column: event + JSON, is_sound: fits(row, event)? })
    } else {
        Ok(Payload { column: first, is_sound: bytes_fit(row, first)? })
    }
}

/// Returns the seal in a column. Anything but a number there is damage, too.
fn stored(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Seal>> {
    Ok(Seal::column_result(row.get_ref(column)?).ok())
}

impl FromSql for Seal {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i32::column_result(value).map(Self::stored)
    }
}

impl ToSql for Seal {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.number().into())
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::timestamp::Timestamp;

    #[test]
    fn a_seal_fits_nothing_else() {
        let connection = Connection::open_in_memory().unwrap();
        let sealed = Sealer::default().text("s").text("1").text("t").text("/s").optional(None);
        let sealed = sealed.text("POST").text("/").time(Timestamp::from_millis(5)).blob(b"{}").seal();
        let check = |columns: &str| {
            let sql = format!("SELECT 'first', {columns}");
            connection.query_row(&sql, [sealed], |row| fits(row, 1)).unwrap()
        };
        assert!(check("'s', '1', 't', '/s', NULL, 'POST', '/', 5, x'7b7d', ?1"));
        for changed in [
            "'s', '1', 't', '/s', NULL, 'POST', '/', 5, x'7b7c', ?1",
            "'s', '1', 't', '/s', '', 'POST', '/', 5, x'7b7d', ?1",
            "'s1', '', 't', '/s', NULL, 'POST', '/', 5, x'7b7d', ?1",
            "'s', '1', 't', '/s', NULL, 'POST', '/', 6, x'7b7d', ?1",
            "'s', '1', 't', '/s', NULL, 'POST', '/', 5, '{}', ?1",
            "'s', '1', 't', '/s', NULL, 'POST', '/', 5, x'7b7d', ?1 + 1",
            "'s', '1', 't', '/s', NULL, 'POST', '/', 5, x'7b7d', iif(?1, NULL, 0)",
            "'s', '1', 't', '/s', NULL, 'POST', '/', 5, x'7b7d', 'x' || ?1",
            "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, iif(?1, NULL, 0)",
        ] {
            assert!(!check(changed), "{changed}");
        }
    }

    #[test]
    fn an_edited_payload_takes_the_place_of_its_event() {
        let connection = Connection::open_in_memory().unwrap();
        let sealed = Sealer::default().text("s").text("1").text("t").text("/s").optional(None);
        let sealed = sealed.text("POST").text("/").time(Timestamp::from_millis(5)).blob(b"{}").seal();
        let read = |edited: &str, event: &str| {
            let sql =
                format!("SELECT 'first', {edited}, 's', '1', 't', '/s', NULL, 'POST', '/', 5, {event}, ?2");
            let payload = |row: &Row<'_>| {
                let payload = payload(row, 1)?;
                let json = row.get_ref(payload.column)?.as_bytes().unwrap_or_default();
                Ok((String::from_utf8_lossy(json).into_owned(), payload.is_sound))
            };
            connection.query_row(&sql, [of_bytes(b"[]"), sealed], payload).unwrap()
        };
        for (edited, event, json, is_sound) in [
            ("NULL, iif(?1, NULL, 0)", "x'7b7d'", "{}", true),
            ("NULL, iif(?1, NULL, 0)", "x'7b7c'", "{|", false),
            ("x'5b5d', ?1", "x'7b7d'", "[]", true),
            // A damaged event does not matter to a delivery whose payload was edited.
            ("x'5b5d', ?1", "x'7b7c'", "[]", true),
            ("x'5b5c', ?1", "x'7b7d'", "[\\", false),
            ("x'5b5d', iif(?1, NULL, 0)", "x'7b7d'", "[]", false),
        ] {
            assert_eq!(read(edited, event), (json.to_owned(), is_sound), "{edited} {event}");
        }
    }

    #[test]
    fn bytes_may_be_text() {
        let connection = Connection::open_in_memory().unwrap();
        let check = |columns: &str| {
            let sql = format!("SELECT {columns}");
            connection.query_row(&sql, [of_bytes(b"{}")], |row| bytes_fit(row, 0)).unwrap()
        };
        assert!(check("'{}', ?1") && check("x'7b7d', ?1"));
        assert!(!check("'{ }', ?1") && !check("NULL, ?1") && !check("'{}', iif(?1, NULL, 0)"));
    }
}
