//! Converts values to and from columns: names as text, times and durations as milliseconds, JSON as bytes. The queries decide
//! which column holds which value.

use std::borrow::Cow;
use std::error::Error;
use std::str::FromStr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde_json::value::{RawValue, to_raw_value};
use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type};

use super::faults::Failure;
use crate::timestamp::Timestamp;

/// A parameter of a statement.
#[derive(Debug)]
pub(super) enum Value {
    Number(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Bytes>),
    Flag(bool),
    Numbers(Vec<Option<i64>>),
    Texts(Vec<Option<String>>),
    Blobs(Vec<Option<Bytes>>),
    Flags(Vec<bool>),
}

impl Value {
    pub(super) fn ty(&self) -> Type {
        match self {
            Self::Number(_) => Type::INT8,
            Self::Text(_) => Type::TEXT,
            Self::Bytes(_) => Type::BYTEA,
            Self::Flag(_) => Type::BOOL,
            Self::Numbers(_) => Type::INT8_ARRAY,
            Self::Texts(_) => Type::TEXT_ARRAY,
            Self::Blobs(_) => Type::BYTEA_ARRAY,
            Self::Flags(_) => Type::BOOL_ARRAY,
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Number(number) => number.to_sql(ty, out),
            Self::Text(text) => text.to_sql(ty, out),
            Self::Bytes(bytes) => bytes.as_deref().to_sql(ty, out),
            Self::Flag(flag) => flag.to_sql(ty, out),
            Self::Numbers(numbers) => numbers.to_sql(ty, out),
            Self::Texts(texts) => texts.to_sql(ty, out),
            Self::Blobs(blobs) => blobs.iter().map(Option::as_deref).collect::<Vec<_>>().to_sql(ty, out),
            Self::Flags(flags) => flags.to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(ty, out)
    }
}

/// Returns the text as the database can hold it: it refuses NUL. The JSON of an event is kept as it is.
pub(super) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{2400}")) } else { Cow::Borrowed(text) }
}

macro_rules! converts {
    ($($from:ty: $value:ident => $to:expr;)+) => {$(
        impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $to
            }
        }
    )+};
}

converts! {
    i64: value => Self::Number(Some(value));
    Option<i64>: value => Self::Number(value);
    u32: value => Self::Number(Some(value.into()));
    usize: value => Self::Number(Some(i64::try_from(value).unwrap_or(i64::MAX)));
    Timestamp: value => Self::Number(Some(value.as_millis()));
    Option<Timestamp>: value => Self::Number(value.map(Timestamp::as_millis));
    &str: value => Self::Text(Some(storable(value).into_owned()));
    &String: value => value.as_str().into();
    Option<&str>: value => Self::Text(value.map(|text| storable(text).into_owned()));
    Bytes: value => Self::Bytes(Some(value));
    Option<Bytes>: value => Self::Bytes(value);
    bool: value => Self::Flag(value);
    Vec<i64>: value => Self::Numbers(value.into_iter().map(Some).collect());
    Vec<Option<i64>>: value => Self::Numbers(value);
    Vec<Option<Timestamp>>: value => Self::Numbers(value.into_iter().map(|at| at.map(Timestamp::as_millis)).collect());
    Vec<Timestamp>: value => Self::Numbers(value.into_iter().map(|at| Some(at.as_millis())).collect());
    Vec<String>: value => Self::Texts(value.iter().map(|text| Some(storable(text).into_owned())).collect());
    Vec<&str>: value => Self::Texts(value.into_iter().map(|text| Some(storable(text).into_owned())).collect());
    Vec<Option<String>>: value => Self::Texts(
        value.into_iter().map(|text| text.map(|text| storable(&text).into_owned())).collect()
    );
    Vec<Bytes>: value => Self::Blobs(value.into_iter().map(Some).collect());
    Vec<bool>: value => Self::Flags(value);
}

/// Returns the parameters of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::store::postgres::values::Value::from($value)),*]
    };
}
pub(super) use values;

/// Reads a column.
pub(super) fn get<'r, T: FromSql<'r>>(row: &'r Row, column: &str) -> Result<T, Failure> {
    Ok(row.try_get(column)?)
}

/// Reads a column that counts something.
pub(super) fn count(row: &Row, column: &str) -> Result<u32, Failure> {
    Ok(u32::try_from(get::<i64>(row, column)?).unwrap_or_default())
}

pub(super) fn time(row: &Row, column: &str) -> Result<Timestamp, Failure> {
    get(row, column).map(Timestamp::from_millis)
}

pub(super) fn optional_time(row: &Row, column: &str) -> Result<Option<Timestamp>, Failure> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_millis))
}

pub(super) fn optional_date(row: &Row, column: &str) -> Result<Option<OffsetDateTime>, Failure> {
    Ok(optional_time(row, column)?.map(Timestamp::date_time))
}

pub(super) fn optional_duration(row: &Row, column: &str) -> Result<Option<Duration>, Failure> {
    let millis: Option<i64> = get(row, column)?;
    Ok(millis.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or_default())))
}

/// Reads a column that holds the name of a variant.
pub(super) fn name<T: FromStr<Err: std::fmt::Display>>(row: &Row, column: &str) -> Result<T, Failure> {
    get::<&str>(row, column)?.parse().map_err(Failure::unreadable)
}

/// Returns what is left of a damaged event: a JSON string.
pub(super) fn remains(json: &[u8]) -> Box<RawValue> {
    to_raw_value(&String::from_utf8_lossy(json)).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_no_nul() {
        let Value::Text(Some(text)) = Value::from("a\0b") else { panic!("it is text") };
        assert_eq!(text, "a\u{2400}b");
        assert!(matches!(storable("ab"), Cow::Borrowed("ab")));
    }
}
