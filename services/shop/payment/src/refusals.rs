//! Decides which payments fail: a configured share, and always the same answer for the same order.

use std::env;

use eg_runtime::Error;
use sha2::{Digest as _, Sha256};

const VARIABLE: &str = "PAYMENT_FAIL_PROBABILITY";

/// The share of payments that fail if nothing else is configured.
const DEFAULT: f64 = 0.2;

/// The share of payments that fail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusals(f64);

impl Refusals {
    /// Reads `PAYMENT_FAIL_PROBABILITY`.
    pub(crate) fn from_env() -> Result<Self, Error> {
        Self::parse(&env::var(VARIABLE).unwrap_or_default())
    }

    /// Parses a number from 0 (none) to 1 (all); 0.2 if the text is empty.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        match text.parse() {
            _ if text.is_empty() => Ok(Self(DEFAULT)),
            Ok(share) if (0.0..=1.0).contains(&share) => Ok(Self(share)),
            _ => Err(Error::retry(format!("{VARIABLE} is `{text}`: set it to a number from 0 to 1"))),
        }
    }

    /// Returns whether the payment of this order fails.
    pub(crate) fn hits(self, order_id: &str) -> bool {
        let hash = Sha256::digest(order_id);
        let head = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
        f64::from(head) < self.0 * (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_kept_and_an_order_gets_one_answer() {
        for (text, expected) in
            [("0", 0..=0), ("0.2", 170..=230), ("", 170..=230), ("1", 1000..=1000), ("0.0", 0..=0)]
        {
            let refusals = Refusals::parse(text).unwrap();
            let hit = (0..1000).filter(|n| refusals.hits(&format!("order-{n}"))).count();
            assert!(expected.contains(&hit), "{text}: {hit}");
            assert_eq!(refusals.hits("order-1"), refusals.hits("order-1"));
        }
        for text in ["often", "-0.1", "1.1", "NaN", "inf"] {
            let message = Refusals::parse(text).unwrap_err().to_string();
            assert_eq!(
                message,
                format!("PAYMENT_FAIL_PROBABILITY is `{text}`: set it to a number from 0 to 1")
            );
        }
    }
}
