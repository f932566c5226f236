//! `Cents`: amounts of money without rounding errors.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;

use eg_sdk::Schema;
use serde::{Deserialize, Serialize};

/// An amount of money in integer cents; a plain number in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Schema)]
#[serde(transparent)]
pub struct Cents(pub i64);

impl Add for Cents {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sum for Cents {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

/// Formats the amount as `407.53`.
impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_on_a_bill() {
        for (cents, text) in [(0, "0.00"), (7, "0.07"), (40_753, "407.53"), (-150, "-1.50")] {
            assert_eq!(Cents(cents).to_string(), text);
        }
        assert_eq!([Cents(39_999), Cents(754)].into_iter().sum::<Cents>(), Cents(40_753));
    }
}
