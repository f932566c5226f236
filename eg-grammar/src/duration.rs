//! Parses durations as people write them.

use std::time::Duration;

use crate::Mistake;

/// Parses a whole number and a unit: `250ms`, `30s`, `5m`, `24h` or `7d`.
///
/// # Errors
/// If the text is anything else, or the duration exceeds 2⁶⁴ milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration, Mistake> {
    let invalid = || {
        Mistake::new(format!(
            "{text:?} is not a duration: write a whole number and a unit, as in 250ms, 30s, 5m, 24h or 7d"
        ))
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
    let (number, unit) = text.split_at(digits);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(invalid()),
    };
    let number: u64 = number.parse().map_err(|_| invalid())?;
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("250ms", Some(250)),
            ("30s", Some(30_000)),
            ("5m", Some(300_000)),
            ("24h", Some(86_400_000)),
            ("7d", Some(604_800_000)),
            ("0s", Some(0)),
            ("", None),
            ("30", None),
            ("s", None),
            ("-1s", None),
            ("+1s", None),
            ("1.5s", None),
            ("1 s", None),
            ("1S", None),
            ("1w", None),
            ("99999999999999999999s", None),
            ("18446744073709551615h", None),
        ] {
            let mistake = format!(
                "{text:?} is not a duration: write a whole number and a unit, as in 250ms, 30s, 5m, 24h or 7d"
            );
            let expected = millis.map(Duration::from_millis).ok_or(mistake);
            assert_eq!(parse_duration(text).map_err(String::from), expected);
        }
    }
}
