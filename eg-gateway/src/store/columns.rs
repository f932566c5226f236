//! Converts the history's types to and from columns: names as text, times and durations as milliseconds, JSON as
//! bytes. The queries decide which column holds which value.

use std::str::FromStr;
use std::time::Duration;

use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::clock;

/// A column that holds the name of a variant.
#[derive(Debug)]
pub(super) struct Name<T>(pub(super) T);

impl<T> FromSql for Name<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(FromSqlError::other)
    }
}

/// A column that holds a time, in milliseconds since the Unix epoch.
#[derive(Debug)]
pub(super) struct Time(pub(super) OffsetDateTime);

impl FromSql for Time {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(clock::time_of(value.as_i64()?)))
    }
}

/// A column that holds a duration in milliseconds.
#[derive(Debug)]
pub(super) struct Millis(pub(super) Duration);

impl FromSql for Millis {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(clock::duration(value.as_i64()?)))
    }
}

/// A column that holds JSON, unchanged.
#[derive(Debug)]
pub(super) struct Json(pub(super) Box<RawValue>);

impl FromSql for Json {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_slice(value.as_bytes()?).map(Self).map_err(FromSqlError::other)
    }
}

/// A column that may be `NULL`.
pub(super) fn optional<T: FromSql, V>(
    row: &Row<'_>,
    column: &str,
    value: impl FnOnce(T) -> V,
) -> rusqlite::Result<Option<V>> {
    Ok(row.get::<_, Option<T>>(column)?.map(value))
}
