//! Converts the retry settings of subscriptions to what AWS supports: Lambda's own retries, or a queue if a subscription wants more.
//! Notes the differences, and reports what neither can do. The limits:
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html> and
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>.

use std::time::Duration;

use eg_grammar::limits::{EVENT_BRIDGE_ATTEMPTS, EVENT_BRIDGE_MAX_AGE};
use eg_grammar::{DeliveryLimits, DeliveryPolicy};
use eg_sdk::manifest::RetryOptions;

use super::names::reference;
use super::{Tree, map};

/// Lambda's limits for an asynchronous invocation: three attempts within six hours.
const ATTEMPTS: u32 = 3;
const AGE: std::ops::RangeInclusive<u32> = 60..=6 * 60 * 60;
/// EventBridge's minimum for the age limit of an event, in seconds.
const RULE_AGE: u32 = 60;

/// How often SQS delivers a message at most, and for how many seconds it hides and keeps one.
const RECEIVES: u32 = 1000;
pub(super) const HIDDEN: u32 = 12 * 60 * 60;
const KEPT: u32 = 14 * 24 * 60 * 60;

/// What a queue does with an event that a function fails to handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Retries {
    /// The number of attempts, including the first.
    pub(super) attempts: u32,
    /// The seconds from the beginning of one attempt to that of the next.
    pub(super) pause: u32,
}

impl Retries {
    /// Returns what a subscription wants of a queue. `None`: Lambda's own retries do. `timeout` is that of the function, in seconds.
    ///
    /// # Errors
    /// Says what SQS cannot do.
    pub(super) fn of(retry: Option<&RetryOptions>, timeout: u32) -> Result<Option<Self>, String> {
        let Some(retry) = retry.filter(|retry| exceeds_lambda(retry)) else { return Ok(None) };
        let policy = policy(retry);
        // The gateway's longest pause, which is that before the last attempt. A message cannot return before its function has ended.
        let doublings = policy.attempts.saturating_sub(2).min(31);
        let longest = policy.min_backoff.saturating_mul(1 << doublings).min(policy.max_backoff);
        let pause = u32::try_from(longest.as_secs()).unwrap_or(u32::MAX).max(timeout);
        if pause > HIDDEN {
            return Err(format!(
                "SQS allows pauses of {HIDDEN} seconds between attempts, not of {pause}: lower `max_backoff` of `retry`"
            ));
        }
        let age = u32::try_from(policy.max_age.as_secs()).unwrap_or(u32::MAX);
        let attempts = policy.attempts.min(age / pause.max(1) + 1);
        if attempts > RECEIVES {
            return Err(format!(
                "SQS delivers an event at most {RECEIVES} times, not {attempts} times: lower `attempts` of `retry`"
            ));
        }
        let whole = u64::from(attempts - 1) * u64::from(pause);
        if whole > u64::from(KEPT) {
            return Err(format!(
                "SQS keeps an event for {KEPT} seconds, and {attempts} attempts take {whole}: lower `attempts`, `max_age` or `max_backoff` of \
                 `retry`"
            ));
        }
        Ok(Some(Self { attempts, pause }))
    }

    /// Returns what differs from the pauses that a subscription says, if it says any.
    pub(super) fn note(self, function: &str, retry: Option<&RetryOptions>) -> Option<String> {
        let retry = retry.filter(|retry| retry.min_backoff.or(retry.max_backoff).is_some())?;
        let policy = policy(retry);
        let pause = Duration::from_secs(self.pause.into());
        (policy.min_backoff != pause || policy.max_backoff != pause).then(|| {
            format!("{function}: SQS has one pause between attempts, so each of the {} begins {} seconds after the one before", self.attempts, self.pause)
        })
    }
}

/// Whether Lambda attempts an event less often or for a shorter time than the subscription says, or determines the pauses itself.
fn exceeds_lambda(retry: &RetryOptions) -> bool {
    retry.attempts.is_some_and(|attempts| attempts > ATTEMPTS)
        || retry.max_age.is_some_and(|age| age > *AGE.end())
        || retry.min_backoff.or(retry.max_backoff).is_some()
}

/// Returns what a gateway would do.
fn policy(retry: &RetryOptions) -> DeliveryPolicy {
    let seconds = |seconds: Option<u32>| seconds.map(|seconds| Duration::from_secs(seconds.into()));
    DeliveryPolicy::default().limited(DeliveryLimits {
        attempts: retry.attempts,
        min_backoff: seconds(retry.min_backoff),
        max_backoff: seconds(retry.max_backoff),
        max_age: seconds(retry.max_age),
    })
}

/// The settings of all asynchronous triggers of a function that Lambda itself retries. Lambda has one setting per function, so the
/// largest values apply.
#[derive(Debug, Default)]
pub(super) struct Tries {
    attempts: Option<u32>,
    age: Option<u32>,
}

impl Tries {
    /// Adds a trigger whose settings are within Lambda's limits. Notes an age that is too short for Lambda.
    pub(super) fn add(&mut self, function: &str, retry: Option<&RetryOptions>, notes: &mut Vec<String>) {
        let attempts = retry.and_then(|retry| retry.attempts);
        let age = retry.and_then(|retry| retry.max_age);
        if let Some(age) = age.filter(|age| age < AGE.start()) {
            notes.push(format!(
                "{function}: Lambda keeps an event for {} seconds, not for {age}",
                AGE.start()
            ));
        }
        self.attempts = self.attempts.max(Some(attempts.unwrap_or(ATTEMPTS)));
        self.age = self.age.max(Some(age.unwrap_or(*AGE.end()).max(*AGE.start())));
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
