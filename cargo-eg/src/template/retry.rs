//! Writes how rules and Lambda retry events. What a subscription wants is left to `needs`. The limits of rules:
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html>.

use eg_grammar::limits::{EVENT_BRIDGE_ATTEMPTS, EVENT_BRIDGE_MAX_AGE};
use eg_sdk::manifest::RetryOptions;

use super::names::reference;
use super::{Tree, map};
use crate::needs::Tries;

/// EventBridge's minimum for the age limit of an event, in seconds.
const RULE_AGE: u32 = 60;

/// Returns what Lambda does with what a function with this logical id fails to handle, with the queue that keeps it in the end.
pub(super) fn invoke_config(Tries { attempts, age }: Tries, function: &str, failures: &Tree) -> Tree {
    map! {
        "FunctionName" => reference(function),
        "Qualifier" => "$LATEST",
        "MaximumRetryAttempts" => attempts - 1,
        "MaximumEventAgeInSeconds" => age,
        "DestinationConfig" => map! { "OnFailure" => map! { "Destination" => failures.clone() } },
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
