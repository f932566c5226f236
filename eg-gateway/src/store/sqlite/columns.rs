//! Converts the history's types to and from columns: names as text, times and durations as milliseconds, JSON as
//! bytes. The queries decide which column holds which value.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde_json::value::{RawValue, to_raw_value};
use time::OffsetDateTime;

use crate::timestamp::{Timestamp, millis};

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

impl FromSql for Timestamp {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Self::from_millis)
    }
}

impl ToSql for Timestamp {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_millis().into())
    }
}

/// A [`Timestamp`] column, read as a date.
#[derive(Debug)]
pub(super) struct Time(pub(super) OffsetDateTime);

impl FromSql for Time {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Timestamp::column_result(value).map(|at| Self(at.date_time()))
    }
}

/// A column that holds a duration in milliseconds.
#[derive(Debug)]
pub(super) struct Millis(pub(super) Duration);

impl FromSql for Millis {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let millis = u64::try_from(value.as_i64()?).unwrap_or_default();
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl ToSql for Millis {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(millis(self.0).into())
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

/// Returns a column as text, whatever it holds: what is left of a damaged row.
pub(super) fn lossy(value: ValueRef<'_>) -> Cow<'_, str> {
    match value {
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text),
        ValueRef::Null => Cow::Borrowed("?"),
        ValueRef::Integer(number) => Cow::Owned(number.to_string()),
        ValueRef::Real(number) => Cow::Owned(number.to_string()),
    }
}

/// Returns what is left of a damaged event: a JSON string.
pub(super) fn remains(value: ValueRef<'_>) -> Box<RawValue> {
    to_raw_value(&lossy(value)).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Returns whether a column could not be read because it holds another type of value, as in a damaged row.
pub(super) fn is_unreadable(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error};
    matches!(
        error,
        FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..)
    )
}
