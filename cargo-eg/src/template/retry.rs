//! Converts the retry settings of subscriptions to what EventBridge and Lambda support, and notes the differences.
//! Their limits: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html> and
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>.

use eg_grammar::limits::{EVENT_BRIDGE_ATTEMPTS, EVENT_BRIDGE_MAX_AGE};
use eg_sdk::manifest::RetryOptions;

use super::names::reference;
use super::{Tree, map};

/// Lambda's limits for an asynchronous invocation: three attempts within six hours.
const ATTEMPTS: u32 = 3;
const AGE: std::ops::RangeInclusive<u32> = 60..=6 * 60 * 60;
/// EventBridge's minimum for the age limit of an event, in seconds.
const RULE_AGE: u32 = 60;

/// The retry settings of all asynchronous triggers of a function. Lambda has one setting per function, so the largest
/// values apply.
#[derive(Debug, Default)]
pub(super) struct Tries {
    attempts: Option<u32>,
    age: Option<u32>,
}

impl Tries {
    /// Adds a trigger. Notes the settings that AWS cannot provide.
    pub(super) fn add(&mut self, function: &str, retry: Option<&RetryOptions>, notes: &mut Vec<String>) {
        let attempts = retry.and_then(|retry| retry.attempts);
        let age = retry.and_then(|retry| retry.max_age);
        if let Some(attempts) = attempts.filter(|attempts| *attempts > ATTEMPTS) {
            notes.push(format!(
                "{function}: Lambda attempts an event at most {ATTEMPTS} times, not {attempts} times"
            ));
        }
        if let Some(age) = age.filter(|age| !AGE.contains(age)) {
            let nearest = age.clamp(*AGE.start(), *AGE.end());
            notes.push(format!("{function}: Lambda keeps an event for {nearest} seconds, not for {age}"));
        }
        if retry.is_some_and(|retry| retry.min_backoff.or(retry.max_backoff).is_some()) {
            notes.push(format!("{function}: Lambda determines the pauses between attempts"));
        }
        self.attempts = self.attempts.max(Some(attempts.unwrap_or(ATTEMPTS).min(ATTEMPTS)));
        self.age = self.age.max(Some(age.unwrap_or(*AGE.end()).clamp(*AGE.start(), *AGE.end())));
    }

    /// Returns the limits of a function with this logical id, with the queue for what it fails to handle.
    pub(super) fn invoke_config(&self, function: &str, failures: &Tree) -> Tree {
        map! {
            "FunctionName" => reference(function),
            "Qualifier" => "$LATEST",
            "MaximumRetryAttempts" => self.attempts.unwrap_or(ATTEMPTS) - 1,
            "MaximumEventAgeInSeconds" => self.age.unwrap_or(*AGE.end()),
            "DestinationConfig" => map! { "OnFailure" => map! { "Destination" => failures.clone() } },
        }
    }
}

/// Returns for how many seconds a rule tries to deliver an event.
pub(super) fn rule_age(retry: Option<&RetryOptions>) -> u32 {
    let longest = u32::try_from(EVENT_BRIDGE_MAX_AGE.as_secs()).unwrap_or(u32::MAX);
    let age = retry.and_then(|retry| retry.max_age).unwrap_or(longest);
    age.clamp(RULE_AGE, longest)
}

/// Returns how a rule tries to deliver an event for `age` seconds.
pub(super) fn rule_policy(age: u32) -> Tree {
    map! { "MaximumRetryAttempts" => EVENT_BRIDGE_ATTEMPTS, "MaximumEventAgeInSeconds" => age }
}
