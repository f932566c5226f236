//! Selects a page of the history, in a size that an answer can have. Reads nothing.

use eg_runtime::{Error, StatusCode};
use serde::Deserialize;

/// The maximum number of events of a page.
const LONGEST: usize = 1_000;

/// The size in bytes that a page may have. An answer of a Lambda function has at most 6 MiB, and JSON within JSON needs
/// some room for its quotes.
const LARGEST: usize = 3 * 1024 * 1024;

/// A page, as requested.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Page {
    /// The page begins after this `timeWhat`.
    pub(crate) after: Option<String>,
    limit: Option<usize>,
}

impl Page {
    /// Returns the maximum number of events.
    pub(crate) fn limit(&self) -> Result<usize, Error> {
        let limit = self.limit.unwrap_or(LONGEST);
        if (1..=LONGEST).contains(&limit) {
            return Ok(limit);
        }
        let message = format!("`limit` is {limit}: set it to a number from 1 to {LONGEST}");
        Err(Error::status(StatusCode::BAD_REQUEST, message))
    }
}

/// Returns the first records that fit on a page together; at least one, so that a reader gets on.
pub(crate) fn fitting<T>(records: Vec<T>, size: impl Fn(&T) -> usize) -> Vec<T> {
    let mut total = 0;
    let fits = |(at, record): &(usize, T)| {
        total += size(record);
        *at == 0 || total <= LARGEST
    };
    records.into_iter().enumerate().take_while(fits).map(|(_, record)| record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_a_size_that_an_answer_can_have() {
        const MIB: usize = 1024 * 1024;
        for (sizes, expected) in [
            (vec![], 0),
            (vec![MIB; 5], 3),
            (vec![6 * MIB, 1], 1),
            (vec![1; 10], 10),
            (vec![MIB, 3 * MIB], 1),
        ] {
            assert_eq!(fitting(sizes.clone(), |size| *size).len(), expected, "{sizes:?}");
        }
    }

    #[test]
    fn limits() {
        for (limit, expected) in
            [(None, Some(1_000)), (Some(1), Some(1)), (Some(0), None), (Some(1_001), None)]
        {
            assert_eq!(Page { after: None, limit }.limit().ok(), expected);
        }
    }
}
