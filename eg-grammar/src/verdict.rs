//! Decides from the HTTP status of an answer whether the work is done, may be retried or has failed for good.

/// The meaning of an HTTP answer for the work that it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The call succeeded.
    Done,
    /// The call failed and may succeed later.
    Retry,
    /// The call failed and will never succeed.
    Reject,
}

impl Verdict {
    /// 2xx is success. 4xx is final, except for 408, 409, 425 and 429, which say "not now". Everything else may succeed
    /// later.
    ///
    /// ```
    /// use eg_grammar::Verdict;
    ///
    /// assert_eq!(Verdict::of_status(503), Verdict::Retry);
    /// assert_eq!(Verdict::of_status(404), Verdict::Reject);
    /// ```
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Done,
            408 | 409 | 425 | 429 => Self::Retry,
            400..=499 => Self::Reject,
            _ => Self::Retry,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{self, Done, Reject, Retry};

    #[test]
    fn statuses() {
        for (status, expected) in [
            (100, Retry),
            (200, Done),
            (204, Done),
            (299, Done),
            (302, Retry),
            (400, Reject),
            (401, Reject),
            (404, Reject),
            (407, Reject),
            (408, Retry),
            (409, Retry),
            (410, Reject),
            (422, Reject),
            (425, Retry),
            (429, Retry),
            (499, Reject),
            (500, Retry),
            (503, Retry),
            (599, Retry),
        ] {
            assert_eq!(Verdict::of_status(status), expected, "{status}");
        }
    }
}
