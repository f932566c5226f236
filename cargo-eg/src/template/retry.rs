//! How often an event is tried: what a subscription asks for, within what EventBridge and Lambda offer.
//! Bounds: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html> and
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>.

use eg_grammar::limits::{EVENT_BRIDGE_ATTEMPTS, EVENT_BRIDGE_MAX_AGE};
use eg_sdk::manifest::Retry;

use super::{Tree, map};

/// Lambda's own limits of an asynchronous invocation: the first attempt and two more, within six hours.
const ATTEMPTS: u32 = 3;
const AGE: std::ops::RangeInclusive<u32> = 60..=6 * 60 * 60;
/// The least time for which EventBridge tries to hand an event over, in seconds.
const RULE_AGE: u32 = 60;

/// What all asynchronous triggers of a function ask for: Lambda knows one answer per function, so the longest.
#[derive(Debug, Default)]
pub(super) struct Tries {
    attempts: Option<u32>,
    age: Option<u32>,
}

impl Tries {
    /// Adds a trigger. Says what cannot be done as it asks.
    pub(super) fn add(&mut self, function: &str, retry: Option<&Retry>, notes: &mut Vec<String>) {
        let attempts = retry.and_then(|retry| retry.attempts);
        let age = retry.and_then(|retry| retry.max_age);
        if let Some(attempts) = attempts.filter(|attempts| *attempts > ATTEMPTS) {
            notes.push(format!(
                "{function}: Lambda tries an event {ATTEMPTS} times at most, not {attempts} times"
            ));
        }
        if let Some(age) = age.filter(|age| !AGE.contains(age)) {
            let nearest = age.clamp(*AGE.start(), *AGE.end());
            notes.push(format!("{function}: Lambda keeps an event for {nearest} seconds, not for {age}"));
        }
        if retry.is_some_and(|retry| retry.min_backoff.or(retry.max_backoff).is_some()) {
            notes.push(format!("{function}: the pauses between attempts are Lambda's own"));
        }
        self.attempts = self.attempts.max(Some(attempts.unwrap_or(ATTEMPTS).min(ATTEMPTS)));
        self.age = self.age.max(Some(age.unwrap_or(*AGE.end()).clamp(*AGE.start(), *AGE.end())));
    }

    /// The function's limits, with the queue for what was given up.
    pub(super) fn invoke_config(&self, failures: Tree) -> Tree {
        map! {
            "MaximumRetryAttempts" => self.attempts.unwrap_or(ATTEMPTS) - 1,
            "MaximumEventAgeInSeconds" => self.age.unwrap_or(*AGE.end()),
            "DestinationConfig" => map! { "OnFailure" => map! { "Type" => "SQS", "Destination" => failures } },
        }
    }
}

/// How long a rule tries to hand an event to the function.
pub(super) fn rule_policy(retry: Option<&Retry>) -> Tree {
    let longest = u32::try_from(EVENT_BRIDGE_MAX_AGE.as_secs()).unwrap_or(u32::MAX);
    let age = retry.and_then(|retry| retry.max_age).unwrap_or(longest);
    map! {
        "MaximumRetryAttempts" => EVENT_BRIDGE_ATTEMPTS,
        "MaximumEventAgeInSeconds" => age.clamp(RULE_AGE, longest),
    }
}
