//! Decides which failures to retry, and when. Time and randomness are parameters.

use std::time::Duration;

use eg_grammar::Verdict;

/// How often and how long a call is attempted. The event keeps its id through all attempts.
///
/// An emit is retried if the connection fails, and on 408, 409, 425, 429 and 5xx. A request to a synchronous
/// subscriber and a change of the configuration are not retried if they may have had an effect: only if no connection
/// was made, or on a 429 or 503 with `Retry-After`.
///
/// ```
/// # use std::time::Duration;
/// # use eg_sdk::{EventGateway, RetryPolicy};
/// let mut patient = RetryPolicy::default();
/// patient.attempts = 10;
/// patient.total = Duration::from_secs(120);
/// let gateway = EventGateway::new("http://localhost:4000")?.with_retry(patient);
/// # Ok::<(), eg_sdk::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The maximum number of attempts, including the first. Default: 4.
    pub attempts: u32,
    /// The maximum wait after the first attempt; it doubles with each further one. Default: 100 ms. The actual wait
    /// is random between zero and the maximum ("full jitter").
    pub base: Duration,
    /// The upper bound of the maximum wait. Default: 5 s.
    pub cap: Duration,
    /// The total time, from the start of the first attempt. Default: 30 s. No retry starts or continues after it. The
    /// first attempt is limited only by the client's timeout. A batch has this time as a whole.
    pub total: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            base: Duration::from_millis(100),
            cap: Duration::from_secs(5),
            total: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// A single attempt.
    #[must_use]
    pub fn none() -> Self {
        Self { attempts: 1, ..Self::default() }
    }

    /// Returns how long to wait after attempt number `attempt` (from 1) failed; `None` to give up. `elapsed` counts
    /// from the start of the first attempt, `retry_after` is what the server asked for, `random` is in `0.0..1.0`.
    pub(super) fn wait(
        &self,
        attempt: u32,
        elapsed: Duration,
        retry_after: Option<Duration>,
        random: f64,
    ) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let factor = 2_u32.saturating_pow(attempt.saturating_sub(1));
        let longest = self.base.saturating_mul(factor).min(self.cap);
        let wait = longest.mul_f64(random.clamp(0.0, 1.0)).saturating_add(retry_after.unwrap_or_default());
        (elapsed.saturating_add(wait) < self.total).then_some(wait)
    }
}

/// What a repeated call can cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// At worst, an event with an id that was already used.
    Harmless,
    /// The call may take effect twice, so it is retried only if it certainly failed.
    Twice,
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection was made. Nothing was sent.
    NotConnected,
    /// The request was sent, but no answer arrived.
    NoAnswer,
    /// The server answered with an error status.
    Status { status: u16, retry_after: Option<Duration> },
}

impl Failure {
    pub(super) fn is_transient(self, repeat: Repeat) -> bool {
        match (self, repeat) {
            (Self::NotConnected, _) | (Self::NoAnswer, Repeat::Harmless) => true,
            (Self::NoAnswer, Repeat::Twice) => false,
            (Self::Status { status, .. }, Repeat::Harmless) => Verdict::of_status(status) == Verdict::Retry,
            (Self::Status { status, retry_after }, Repeat::Twice) => {
                matches!(status, 429 | 503) && retry_after.is_some()
            }
        }
    }

    pub(super) fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => retry_after,
            Self::NotConnected | Self::NoAnswer => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn policy() -> RetryPolicy {
        RetryPolicy { attempts: 5, base: SECOND, cap: 3 * SECOND, total: 60 * SECOND }
    }

    #[test]
    fn waits_double_up_to_the_cap_and_scale_with_the_random_number() {
        let check = |attempt, random, expected: Option<f64>| {
            let wait = policy().wait(attempt, Duration::ZERO, None, random);
            assert_eq!(wait.map(|wait| wait.as_secs_f64()), expected, "attempt {attempt}, random {random}");
        };
        check(1, 0.0, Some(0.0));
        check(1, 0.5, Some(0.5));
        check(2, 0.5, Some(1.0));
        check(3, 0.5, Some(1.5));
        check(4, 0.5, Some(1.5));
        check(5, 0.5, None);
        check(u32::MAX, 0.5, None);
    }

    #[test]
    fn no_attempt_begins_after_the_total_time() {
        let at = |elapsed, retry_after| policy().wait(1, elapsed, retry_after, 0.5);
        assert_eq!(at(59 * SECOND, None), Some(SECOND / 2));
        assert_eq!(at(60 * SECOND, None), None);
        assert_eq!(at(Duration::MAX, None), None);
        assert_eq!(at(Duration::ZERO, Some(7 * SECOND)), Some(SECOND * 15 / 2));
        assert_eq!(at(Duration::ZERO, Some(60 * SECOND)), None);
        assert_eq!(at(Duration::ZERO, Some(Duration::MAX)), None);
    }

    #[test]
    fn none_means_one_attempt() {
        assert_eq!(RetryPolicy::none().wait(1, Duration::ZERO, None, 0.0), None);
    }

    #[test]
    fn what_is_repeated_depends_on_what_repeating_does() {
        let status = |status| Failure::Status { status, retry_after: None };
        let asked = |status| Failure::Status { status, retry_after: Some(SECOND) };
        for (failure, harmless, twice) in [
            (Failure::NotConnected, true, true),
            (Failure::NoAnswer, true, false),
            (status(408), true, false),
            (status(409), true, false),
            (status(410), false, false),
            (status(425), true, false),
            (status(429), true, false),
            (asked(429), true, true),
            (status(500), true, false),
            (asked(500), true, false),
            (status(503), true, false),
            (asked(503), true, true),
            (status(400), false, false),
            (status(401), false, false),
            (asked(409), true, false),
        ] {
            assert_eq!(failure.is_transient(Repeat::Harmless), harmless, "{failure:?}, harmless");
            assert_eq!(failure.is_transient(Repeat::Twice), twice, "{failure:?}, twice");
        }
    }
}
