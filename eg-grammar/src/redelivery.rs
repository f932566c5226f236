//! Computes when a failed delivery is retried: exponential backoff with full jitter, limited in number and age. The
//! gateway and the tests of apps keep the clock and the deliveries.

use std::time::Duration;

/// How often and how long a delivery is retried before the gateway gives it up.
///
/// The pause before the next attempt is random between zero and a bound that doubles with each failure, from
/// `min_backoff` to `max_backoff`. A function may ask for a longer pause. With the default (16 attempts, 1 s to 5
/// min, 24 h) the attempts take about 20 minutes on average and 40 at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryPolicy {
    /// Maximum number of attempts, including the first one. At least 1.
    pub attempts: u32,
    /// Maximum pause after the first failure.
    pub min_backoff: Duration,
    /// Maximum pause between any two attempts.
    pub max_backoff: Duration,
    /// Maximum age of a delivery when an attempt starts, counted from the acceptance of the event. An older delivery
    /// expires.
    pub max_age: Duration,
}

impl Default for DeliveryPolicy {
    fn default() -> Self {
        Self {
            attempts: 16,
            min_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(300),
            max_age: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redelivery {
    /// Retry after this pause.
    After(Duration),
    /// All attempts are used up.
    Exhausted,
    /// The next attempt would be too late.
    TooOld,
}

/// The limits that a subscription sets. Absent ones are those of the default policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryLimits {
    /// Maximum number of attempts, including the first one.
    pub attempts: Option<u32>,
    /// Maximum pause after the first failure.
    pub min_backoff: Option<Duration>,
    /// Maximum pause between any two attempts.
    pub max_backoff: Option<Duration>,
    /// Maximum age of a delivery.
    pub max_age: Option<Duration>,
}

impl DeliveryPolicy {
    /// Returns the policy of a subscription with these limits. A given bound takes precedence over a default that
    /// contradicts it.
    #[must_use]
    pub fn limited(&self, limits: DeliveryLimits) -> Self {
        let (min_backoff, max_backoff) = match (limits.min_backoff, limits.max_backoff) {
            (Some(min), None) => (min, self.max_backoff.max(min)),
            (None, Some(max)) => (self.min_backoff.min(max), max),
            (min, max) => (min.unwrap_or(self.min_backoff), max.unwrap_or(self.max_backoff)),
        };
        Self {
            attempts: limits.attempts.unwrap_or(self.attempts),
            min_backoff,
            max_backoff,
            max_age: limits.max_age.unwrap_or(self.max_age),
        }
    }

    /// Decides what follows after the `failures`th failure (from 1) of a delivery that was accepted `age` ago.
    /// `asked` is the pause that the function asked for, `chance` a random number from 0 to 1.
    #[must_use]
    pub fn after_failure(
        &self,
        failures: u32,
        age: Duration,
        asked: Option<Duration>,
        chance: f64,
    ) -> Redelivery {
        if failures >= self.attempts {
            return Redelivery::Exhausted;
        }
        let pause = self.bound(failures).mul_f64(chance.clamp(0.0, 1.0));
        let left = self.max_age.saturating_sub(age);
        // If the function asks for a pause beyond the maximum age, one last attempt at the very end is better than
        // giving up.
        let pause = asked.map_or(pause, |asked| asked.min(left).max(pause));
        if pause > left || left.is_zero() { Redelivery::TooOld } else { Redelivery::After(pause) }
    }

    /// Returns the longest time from the first to the last attempt, without the time of the calls: that with the longest
    /// pauses. On average, the attempts take half of it.
    #[must_use]
    pub fn longest(&self) -> Duration {
        let pauses = self.attempts.saturating_sub(1);
        // From the 32nd pause on, all have the same bound.
        let growing = (1..=pauses.min(32)).map(|failures| self.bound(failures));
        let sum = growing.fold(Duration::ZERO, Duration::saturating_add);
        let rest = self.bound(u32::MAX).saturating_mul(pauses.saturating_sub(32));
        sum.saturating_add(rest).min(self.max_age)
    }

    fn bound(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.min_backoff.saturating_mul(1 << doublings).min(self.max_backoff)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn bound_doubles_up_to_the_maximum() {
        let policy = DeliveryPolicy::default();
        for (failures, seconds) in [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (15, 300)] {
            assert_eq!(
                policy.after_failure(failures, Duration::ZERO, None, 1.0),
                Redelivery::After(SECOND * seconds),
                "after {failures} failures"
            );
        }
    }

    #[test]
    fn the_longest_time_is_the_sum_of_all_bounds() {
        let policy =
            |attempts, max_age: Duration| DeliveryPolicy { attempts, max_age, ..DeliveryPolicy::default() };
        for (attempts, max_age, seconds) in [
            (0, 3600, 0),
            (1, 3600, 0),
            (4, 3600, 7),
            (16, 86_400, 511 + 6 * 300),
            (16, 60, 60),
            (102, 86_400, 511 + 92 * 300),
            (u32::MAX, 86_400, 86_400),
        ] {
            assert_eq!(policy(attempts, SECOND * max_age).longest(), SECOND * seconds, "{attempts}");
        }
    }

    #[test]
    fn ends_by_number_and_by_age() {
        let policy = DeliveryPolicy { attempts: 3, max_age: 10 * SECOND, ..DeliveryPolicy::default() };
        for (failures, age, asked, chance, expected) in [
            (2, 0, None, 0.0, Redelivery::After(Duration::ZERO)),
            (3, 0, None, 0.0, Redelivery::Exhausted),
            (3, 0, Some(1), 0.0, Redelivery::Exhausted),
            (1, 9, None, 1.0, Redelivery::After(SECOND)),
            (1, 10, None, 0.0, Redelivery::TooOld),
            (1, 0, Some(7), 1.0, Redelivery::After(7 * SECOND)),
            (1, 0, Some(0), 1.0, Redelivery::After(SECOND)),
            (1, 8, Some(7), 0.0, Redelivery::After(2 * SECOND)),
            (1, 10, Some(7), 0.0, Redelivery::TooOld),
        ] {
            let found = policy.after_failure(failures, age * SECOND, asked.map(|s| s * SECOND), chance);
            assert_eq!(found, expected, "{failures} failures, {age} s old, asked for {asked:?}");
        }
    }

    proptest! {
        #[test]
        fn pause_stays_within_its_bounds(
            failures in 1u32..10_000, age in 0u64..100_000, chance in 0.0f64..1.0,
            min in 0u64..1_000, max in 0u64..10_000, attempts in 1u32..10_000, asked in prop::option::of(0u64..100_000),
        ) {
            let policy = DeliveryPolicy {
                attempts,
                min_backoff: Duration::from_millis(min),
                max_backoff: Duration::from_millis(max),
                ..DeliveryPolicy::default()
            };
            let age = Duration::from_secs(age);
            let asked = asked.map(Duration::from_secs);
            match policy.after_failure(failures, age, asked, chance) {
                Redelivery::After(pause) => {
                    prop_assert!(failures < attempts);
                    prop_assert!(pause <= policy.max_backoff.max(asked.unwrap_or_default()));
                    prop_assert!(age + pause <= policy.max_age);
                }
                Redelivery::Exhausted => prop_assert!(failures >= attempts),
                Redelivery::TooOld => prop_assert!(age + policy.max_backoff >= policy.max_age),
            }
        }
    }
}
