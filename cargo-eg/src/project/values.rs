//! Reads the values that several parts of an `eg.toml` have: texts with a form of their own, and numbers within bounds.

use std::fmt;
use std::str::FromStr;

use eg_grammar::{Bound, limits, parse_duration};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// A value that is written as a string.
#[derive(Debug, Clone)]
pub(super) struct Text<T>(pub(super) T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

/// Reads a whole number within its bound.
pub(super) struct Number {
    pub(super) key: &'static str,
    pub(super) bound: Bound,
    /// Whether it is a number of seconds, which may also be written as a duration: `"5m"`.
    pub(super) seconds: bool,
}

impl Number {
    pub(super) fn read<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<u32>, D::Error> {
        deserializer.deserialize_any(self).map(Some)
    }

    fn check<E: Error>(&self, number: Option<u32>, given: impl fmt::Display) -> Result<u32, E> {
        let within = number.filter(|number| self.bound.contains((*number).into()));
        within.ok_or_else(|| E::custom(self.bound.refuse(self.key, given)))
    }
}

impl Visitor<'_> for Number {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.seconds {
            true => "a number of seconds, or a duration like \"30s\" or \"5m\"",
            false => "a whole number",
        })
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u32, E> {
        self.check(u32::try_from(number).ok(), number)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u32, E> {
        if !self.seconds {
            return Err(E::custom(self.bound.refuse(self.key, format_args!("{text:?}"))));
        }
        let duration = parse_duration(text).map_err(E::custom)?;
        let whole = (duration.subsec_nanos() == 0).then_some(duration.as_secs());
        self.check(whole.and_then(|seconds| u32::try_from(seconds).ok()), format_args!("{text:?}"))
    }
}

pub(super) fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Number { key: "`timeout`", bound: limits::CALL_TIMEOUT, seconds: true }.read(deserializer)
}

pub(super) fn concurrency<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Number { key: "`concurrency`", bound: limits::CONCURRENCY, seconds: false }.read(deserializer)
}

pub(super) fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Number { key: "`memory`", bound: limits::MEMORY, seconds: false }.read(deserializer)
}
