//! Serializes times in RFC 3339, for `#[serde(with = "…")]`. Requests may also contain milliseconds. Durations are in
//! `millis`.

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The text is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time: write one such as 2026-01-31T12:00:00Z, or milliseconds since 1970")]
pub struct NoTime(String);

/// Parses a time: RFC 3339, or milliseconds since the Unix epoch.
///
/// # Errors
/// [`NoTime`] when it is neither.
pub fn parse_time(text: &str) -> Result<OffsetDateTime, NoTime> {
    let millis = |millis: i64| OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok();
    let time = match text.parse() {
        Ok(number) => millis(number),
        Err(_) => OffsetDateTime::parse(text, &Rfc3339).ok(),
    };
    time.ok_or_else(|| NoTime(text.to_owned()))
}

pub(super) fn serialize<S: Serializer>(time: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.format(&Rfc3339).map_err(S::Error::custom)?)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OffsetDateTime, D::Error> {
    parse_time(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// The same for optional members.
pub(super) mod option {
    use super::{Deserializer, OffsetDateTime, Serializer, parse_time};
    use serde::Deserialize as _;
    use serde::de::Error as _;

    pub(in super::super) fn serialize<S: Serializer>(
        time: &Option<OffsetDateTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<OffsetDateTime>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| parse_time(&text)).transpose().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::parse_time;

    #[test]
    fn times_are_rfc_3339_or_milliseconds() {
        for (text, millis) in [
            ("1970-01-01T00:00:01.5Z", Some(1500)),
            ("1970-01-01T01:00:00+01:00", Some(0)),
            ("1500", Some(1500)),
            ("-1", Some(-1)),
            ("yesterday", None),
            ("2026-01-31", None),
            ("9223372036854775807", None),
            ("", None),
        ] {
            let found = parse_time(text).ok().map(|time| time.unix_timestamp_nanos() / 1_000_000);
            assert_eq!(found, millis, "{text}");
        }
    }
}
