//! Says in words how the deliveries of a subscription are retried. `eg_grammar` has the rules.

use std::time::Duration;

use eg_grammar::{DeliveryLimits, DeliveryPolicy};
use eg_sdk::config::{Retry, RetryLimits, RetryProfile, Subscription, SubscriptionType};

use crate::show;

/// Returns how the deliveries of a subscription are retried. `default` is the policy of those that say nothing; older gateways do
/// not report it.
pub(crate) fn in_words(subscription: &Subscription, default: Option<&RetryLimits>) -> String {
    if subscription.kind == SubscriptionType::Sync {
        return "none: the emitter waits for the answer".to_owned();
    }
    let own = match &subscription.retry {
        Some(Retry::Limits(limits)) => Some(limits),
        Some(Retry::Profile(RetryProfile::EventBridge)) => {
            return "as EventBridge: 185 attempts within 24 h, then a dead letter".to_owned();
        }
        _ => None,
    };
    match (own, default) {
        (None, None) => "the gateway's default".to_owned(),
        (Some(own), None) => given(own),
        (own, Some(default)) => {
            let default = DeliveryPolicy::default().limited(limits(default));
            whole(&own.map_or_else(|| default.clone(), |own| default.limited(limits(own))))
        }
    }
}

fn limits(limits: &RetryLimits) -> DeliveryLimits {
    DeliveryLimits {
        attempts: limits.attempts,
        min_backoff: limits.min_backoff_ms.map(Duration::from_millis),
        max_backoff: limits.max_backoff_ms.map(Duration::from_millis),
        max_age: limits.max_age_ms.map(Duration::from_millis),
    }
}

fn whole(policy: &DeliveryPolicy) -> String {
    let longest = policy.longest();
    let attempts = show::count(policy.attempts as usize, "attempt");
    if policy.attempts <= 1 {
        format!("{attempts}, then a dead letter")
    } else if longest >= policy.max_age {
        format!("up to {attempts} within {}, then a dead letter", show::span(policy.max_age))
    } else {
        format!(
            "{attempts} within {} ({} on average), then a dead letter",
            show::span(longest),
            show::span(longest / 2)
        )
    }
}

/// Says the limits that are given.
fn given(limits: &RetryLimits) -> String {
    let span = |millis: u64| show::span(Duration::from_millis(millis));
    let mut words = Vec::new();
    words.extend(limits.attempts.map(|attempts| show::count(attempts as usize, "attempt")));
    words.extend(limits.min_backoff_ms.map(|backoff| format!("the first backoff up to {}", span(backoff))));
    words.extend(limits.max_backoff_ms.map(|backoff| format!("each backoff up to {}", span(backoff))));
    words.extend(limits.max_age_ms.map(|age| format!("within {}", span(age))));
    words.join(", ") + ", then a dead letter"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_policies_in_words() {
        let mut default = RetryLimits::new();
        (default.attempts, default.max_age_ms) = (Some(16), Some(86_400_000));
        (default.min_backoff_ms, default.max_backoff_ms) = (Some(1_000), Some(300_000));
        let mut subscription = Subscription::asynchronous("a", "f");
        assert_eq!(in_words(&subscription, None), "the gateway's default");
        let known = "16 attempts within 38 min (19 min on average), then a dead letter";
        assert_eq!(in_words(&subscription, Some(&default)), known);
        let mut limits = RetryLimits::new();
        (limits.attempts, limits.max_age_ms) = (Some(5), Some(3_600_000));
        subscription.retry = Some(Retry::Limits(limits));
        assert_eq!(in_words(&subscription, None), "5 attempts, within 60 min, then a dead letter");
        let whole = "5 attempts within 15 s (7.5 s on average), then a dead letter";
        assert_eq!(in_words(&subscription, Some(&default)), whole);
        limits.max_age_ms = Some(10_000);
        subscription.retry = Some(Retry::Limits(limits));
        let short = "up to 5 attempts within 10 s, then a dead letter";
        assert_eq!(in_words(&subscription, Some(&default)), short);
        limits.attempts = Some(1);
        subscription.retry = Some(Retry::Limits(limits));
        assert_eq!(in_words(&subscription, Some(&default)), "1 attempt, then a dead letter");
        let waits = "none: the emitter waits for the answer";
        assert_eq!(in_words(&Subscription::http("GET", "/", "f"), Some(&default)), waits);
    }
}
