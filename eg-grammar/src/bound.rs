//! Checks that whole numbers are within bounds. `limits` has the bounds of each number.

use std::fmt::Display;

use crate::Mistake;

/// A whole number of some unit, from a least to a greatest value, both included.
///
/// ```
/// use eg_grammar::limits;
///
/// assert!(limits::CALL_TIMEOUT.check("`timeout`", 30).is_ok());
/// assert_eq!(
///     limits::CALL_TIMEOUT.check("`timeout`", 901).unwrap_err().to_string(),
///     "`timeout` must be a whole number of seconds from 1 to 900, not 901"
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    min: u64,
    max: u64,
    unit: &'static str,
}

impl Bound {
    pub(crate) const fn new(min: u64, max: u64, unit: &'static str) -> Self {
        Self { min, max, unit }
    }

    /// Returns the least allowed number.
    #[must_use]
    pub const fn min(self) -> u64 {
        self.min
    }

    /// Returns the greatest allowed number.
    #[must_use]
    pub const fn max(self) -> u64 {
        self.max
    }

    /// Returns whether `number` is within the bounds.
    #[must_use]
    pub const fn contains(self, number: u64) -> bool {
        self.min <= number && number <= self.max
    }

    /// Returns `number` if it is within the bounds. `what` names it in the error.
    ///
    /// # Errors
    /// If it is not.
    pub fn check(self, what: &str, number: u64) -> Result<u64, Mistake> {
        if self.contains(number) { Ok(number) } else { Err(self.refuse(what, number)) }
    }

    /// Returns the error for a value that is out of bounds or not a number.
    #[must_use]
    pub fn refuse(self, what: &str, given: impl Display) -> Mistake {
        let Self { min, max, unit } = self;
        Mistake::new(format!("{what} must be a whole number of {unit} from {min} to {max}, not {given}"))
    }
}

#[cfg(test)]
mod tests {
    use crate::limits;

    #[test]
    fn bounds() {
        let refused = "`memory` must be a whole number of megabytes from 128 to 10240, not";
        for (megabytes, expected) in [
            (128, Ok(128)),
            (10_240, Ok(10_240)),
            (127, Err(format!("{refused} 127"))),
            (10_241, Err(format!("{refused} 10241"))),
        ] {
            let found = limits::MEMORY.check("`memory`", megabytes).map_err(String::from);
            assert_eq!(found, expected, "{megabytes}");
        }
        assert_eq!(limits::MEMORY.refuse("`memory`", "\"a\"").to_string(), format!("{refused} \"a\""));
    }
}
