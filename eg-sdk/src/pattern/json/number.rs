//! Compares numbers as they are written in JSON: whole ones exactly, whatever their size.

use std::cmp::Ordering;

use serde_json::Number;

/// Compares a number as JSON writes it with another one: exactly if both are whole, else as doubles.
pub(in crate::pattern) fn compare(number: &str, other: &Number) -> Ordering {
    match (Whole::read(number), Whole::read(&other.to_string())) {
        (Some(number), Some(other)) => number.compare(&other),
        _ => double(number).partial_cmp(&other.as_f64().unwrap_or_default()).unwrap_or(Ordering::Equal),
    }
}

/// Reads a double as `serde_json` does, which may be one bit off. Beyond the range of doubles, a number is infinite.
fn double(number: &str) -> f64 {
    let infinite = if number.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY };
    serde_json::from_str(number).unwrap_or(infinite)
}

/// A whole number: sign × 0.digits × 10^length.
struct Whole {
    /// -1, 0 or 1.
    sign: i8,
    length: i64,
    /// Without zeros at both ends.
    digits: String,
}

impl Whole {
    /// Reads a number such as `12`, `1.20e2` or `-5`. Returns `None` if it is not whole.
    fn read(number: &str) -> Option<Self> {
        let (sign, magnitude) = match number.strip_prefix('-') {
            Some(magnitude) => (-1, magnitude),
            None => (1, number),
        };
        let (mantissa, exponent) = magnitude.split_once(['e', 'E']).unwrap_or((magnitude, "0"));
        let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [before, after].concat();
        let significant = all.trim_start_matches('0');
        let digits = significant.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self { sign: 0, length: 0, digits });
        }
        let zeros = count(all.len() - significant.len());
        let length = (count(before.len()) - zeros).saturating_add(power(exponent));
        (length >= count(digits.len())).then_some(Self { sign, length, digits })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let magnitude = self.length.cmp(&other.length).then_with(|| self.digits.cmp(&other.digits));
        self.sign.cmp(&other.sign).then(if self.sign < 0 { magnitude.reverse() } else { magnitude })
    }
}

/// Reads an exponent. One that is out of range becomes the greatest or the least.
fn power(exponent: &str) -> i64 {
    let limit = if exponent.starts_with('-') { i64::MIN } else { i64::MAX };
    exponent.parse().unwrap_or(limit)
}

fn count(digits: usize) -> i64 {
    i64::try_from(digits).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers() {
        use Ordering::{Equal, Greater, Less};
        for (a, b, expected) in [
            ("1", "1.0", Equal),
            ("100", "1e2", Equal),
            ("1.20E+2", "120", Equal),
            ("0", "-0.00e5", Equal),
            ("9007199254740993", "9007199254740992", Greater),
            ("12345678901234567890123", "12345678901234567890124", Less),
            ("-12345678901234567890123", "-12345678901234567890124", Greater),
            ("18446744073709551616", "18446744073709551615", Greater),
            ("1e400", "1e399", Greater),
            ("-1e400", "1", Less),
            ("1e400", "1000", Greater),
            ("1e99999999999999999999", "1e99999999999999999", Greater),
            ("-3", "2", Less),
            ("12", "123", Less),
            ("9", "10", Less),
        ] {
            let [one, other] = [a, b].map(|number| Whole::read(number).unwrap());
            assert_eq!(one.compare(&other), expected, "{a} {b}");
            assert_eq!(other.compare(&one), expected.reverse(), "{b} {a}");
        }
        for fraction in ["0.5", "1e-1", "12.34e1", "1e-99999999999999999999"] {
            assert!(Whole::read(fraction).is_none(), "{fraction}");
        }
    }

    #[test]
    fn comparisons() {
        use Ordering::{Equal, Greater, Less};
        for (number, other, expected) in [
            ("0.1", "0.10", Equal),
            ("1.5", "1", Greater),
            ("2.5", "1e100", Less),
            ("1e400", "2.5", Greater),
            ("-1e400", "-2.5", Less),
            ("1e-400", "0", Equal),
            ("18446744073709551616", "18446744073709551615", Greater),
            ("2.7376615821282678e-12", "2.7376615821282678e-12", Equal),
        ] {
            let bound: Number = serde_json::from_str(other).unwrap();
            assert_eq!(compare(number, &bound), expected, "{number} {other}");
        }
    }
}
