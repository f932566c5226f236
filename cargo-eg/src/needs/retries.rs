//! Derives from `retry` how events are retried on AWS: by Lambda itself, or by a queue if a subscription wants what Lambda does not do.
//! Reports what neither can do. The limits:
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html> and
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>.

use std::ops::RangeInclusive;
use std::time::Duration;

use eg_grammar::{DeliveryLimits, DeliveryPolicy};
use eg_sdk::manifest::{Function, RetryOptions, Trigger};

use super::{rule_of, timeout};
use crate::project::deploy::Stage;

/// Lambda's limits for an asynchronous invocation: three attempts within six hours.
const ATTEMPTS: u32 = 3;
const AGE: RangeInclusive<u32> = 60..=6 * 60 * 60;

/// How often SQS delivers a message at most, and for how many seconds it hides and keeps one.
const RECEIVES: u32 = 1000;
pub(crate) const HIDDEN: u32 = 12 * 60 * 60;
pub(crate) const KEPT: u32 = 14 * DAY;
const DAY: u32 = 24 * 60 * 60;

/// For how many seconds a queue attempts an event at most. SQS counts the age of a dead letter from when the event was sent, so the
/// attempts leave it four days.
const ATTEMPTED: u32 = KEPT - 4 * DAY;

/// What a queue does with an event that a function fails to handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retries {
    /// The number of attempts, including the first.
    pub(crate) attempts: u32,
    /// The seconds from the beginning of one attempt to that of the next.
    pub(crate) pause: u32,
}

/// What Lambda itself does with all events of a function that it fails to handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tries {
    /// The number of attempts, including the first.
    pub(crate) attempts: u32,
    /// For how many seconds an event is attempted.
    pub(crate) age: u32,
}

/// Returns the settings of the triggers whose events rules deliver.
fn delivered<'a>(
    function: &'a Function,
    stage: Option<&'a Stage>,
) -> impl Iterator<Item = Option<&'a RetryOptions>> {
    function.triggers.iter().filter(move |trigger| rule_of(trigger, stage).is_some()).map(retry_of)
}

/// Returns the settings of a trigger.
pub(crate) fn retry_of(trigger: &Trigger) -> Option<&RetryOptions> {
    match trigger {
        Trigger::Event(event) => event.retry.as_ref(),
        Trigger::EventBridge { retry, .. } => retry.as_ref(),
        _ => None,
    }
}

impl Retries {
    /// Returns what SQS cannot do for the triggers of a function.
    pub(crate) fn impossible(function: &Function, stage: Option<&Stage>) -> Vec<String> {
        delivered(function, stage).filter_map(|retry| Self::of(function, retry, stage).err()).collect()
    }

    /// Returns what a trigger of a function wants of a queue. `None`: Lambda's own retries do.
    ///
    /// # Errors
    /// Says what SQS cannot do.
    pub(crate) fn of(
        function: &Function,
        retry: Option<&RetryOptions>,
        stage: Option<&Stage>,
    ) -> Result<Option<Self>, String> {
        let Some(retry) = retry.filter(|retry| exceeds_lambda(retry) || is_below(retry, function, stage))
        else {
            return Ok(None);
        };
        let policy = policy(retry);
        // The gateway's longest pause, which is that before the last attempt. A message cannot return before its function has ended.
        let doublings = policy.attempts.saturating_sub(2).min(31);
        let longest = policy.min_backoff.saturating_mul(1 << doublings).min(policy.max_backoff);
        let pause = u32::try_from(longest.as_secs()).unwrap_or(u32::MAX).max(timeout(function, stage));
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
        let whole = u64::from(attempts) * u64::from(pause);
        if whole > u64::from(ATTEMPTED) {
            return Err(format!(
                "{attempts} attempts take {} days, and SQS keeps an event and its dead letter for {} days in all: lower `attempts`, `max_age` \
                 or `max_backoff` of `retry`, so that the attempts take at most {} days",
                whole.div_ceil(DAY.into()),
                KEPT / DAY,
                ATTEMPTED / DAY
            ));
        }
        Ok(Some(Self { attempts, pause }))
    }

    /// Returns what differs from the pauses that a subscription says, if it says any.
    pub(crate) fn note(self, function: &str, retry: Option<&RetryOptions>) -> Option<String> {
        let retry = retry.filter(|retry| retry.min_backoff.or(retry.max_backoff).is_some())?;
        let policy = policy(retry);
        let pause = Duration::from_secs(self.pause.into());
        (policy.min_backoff != pause || policy.max_backoff != pause).then(|| {
            format!(
                "{function}: SQS has one pause between attempts, so each of the {} begins {} seconds after the one before",
                self.attempts, self.pause
            )
        })
    }
}

impl Tries {
    /// Returns what Lambda does with the events of a function that no queue retries. `None`: there are none. Lambda has one setting
    /// for a function, so the largest values apply.
    pub(crate) fn of(function: &Function, stage: Option<&Stage>) -> Option<Self> {
        let by_lambda = delivered(function, stage)
            .filter(|retry| matches!(Retries::of(function, *retry, stage), Ok(None)))
            .map(Self::wanted);
        by_lambda.reduce(|one, other| Self {
            attempts: one.attempts.max(other.attempts),
            age: one.age.max(other.age),
        })
    }

    /// Returns what a trigger wants of Lambda.
    fn wanted(retry: Option<&RetryOptions>) -> Self {
        Self {
            attempts: retry.and_then(|retry| retry.attempts).unwrap_or(ATTEMPTS),
            age: retry.and_then(|retry| retry.max_age).unwrap_or(*AGE.end()).max(*AGE.start()),
        }
    }

    /// Returns what differs from the age that a trigger says.
    pub(crate) fn note(function: &str, retry: Option<&RetryOptions>) -> Option<String> {
        let age = retry.and_then(|retry| retry.max_age).filter(|age| age < AGE.start())?;
        Some(format!("{function}: Lambda keeps an event for {} seconds, not for {age}", AGE.start()))
    }
}

/// Whether Lambda attempts an event less often or for a shorter time than the subscription says, or determines the pauses itself.
fn exceeds_lambda(retry: &RetryOptions) -> bool {
    retry.attempts.is_some_and(|attempts| attempts > ATTEMPTS)
        || retry.max_age.is_some_and(|age| age > *AGE.end())
        || retry.min_backoff.or(retry.max_backoff).is_some()
}

/// Whether Lambda would attempt an event more often or longer than the subscription says, because other triggers of the function
/// allow it.
fn is_below(retry: &RetryOptions, function: &Function, stage: Option<&Stage>) -> bool {
    let own = Tries::wanted(Some(retry));
    let mut within = delivered(function, stage).filter(|retry| !retry.is_some_and(exceeds_lambda));
    within.any(|other| {
        let other = Tries::wanted(other);
        own.attempts < other.attempts || own.age < other.age
    })
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
