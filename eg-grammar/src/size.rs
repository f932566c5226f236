//! Parses sizes as people write them.

use crate::Mistake;

/// Parses a whole number and a unit: `512KiB`, `64MiB` or `10GiB`. Returns bytes, at least one.
///
/// # Errors
/// If the text is anything else, or the size exceeds 2⁶⁴ bytes.
pub fn parse_size(text: &str) -> Result<u64, Mistake> {
    let invalid = || {
        Mistake::new(format!(
            "{text:?} is not a size: write a number and a unit, for example 512KiB, 64MiB or 10GiB"
        ))
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| invalid())?;
    let shift = match unit {
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(invalid()),
    };
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("1KiB", Some(1024)),
            ("64MiB", Some(67_108_864)),
            ("10GiB", Some(10_737_418_240)),
            ("0MiB", None),
            ("10", None),
            ("10MB", None),
            ("MiB", None),
            ("", None),
            ("99999999999999GiB", None),
        ] {
            let mistake = format!(
                "{text:?} is not a size: write a number and a unit, for example 512KiB, 64MiB or 10GiB"
            );
            assert_eq!(parse_size(text).map_err(String::from), expected.ok_or(mistake));
        }
    }
}
