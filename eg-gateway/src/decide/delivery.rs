//! Decides what follows from the outcome of an attempt. `store` keeps the deliveries, and `deliver` calls the
//! functions.

use std::time::Duration;

use eg_grammar::Verdict;

use super::suspects::INTERRUPTIONS;
use eg_grammar::{DeliveryPolicy, Redelivery};

/// The reason of a delivery that became dead because its subscription was deleted.
pub(crate) const SUBSCRIPTION_DELETED: &str = "the subscription was deleted";

/// The status with which a function refuses this and all future events.
const GONE: u16 = 410;

/// The reason why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A retry may succeed.
    Retry(String),
    /// A retry cannot succeed. The text becomes the reason of the dead letter.
    Reject(String),
    /// A retry may succeed after this pause, which the function asked for.
    Later(String, Duration),
    /// The function refuses this and all future events.
    Gone(String),
    /// The gateway could not make the call, for a reason of its own, such as a lack of file descriptors. Nothing counts:
    /// not the attempt, and nothing against the function.
    Unmade(String),
}

/// Average pause after a call that the gateway could not make.
const UNMADE_PAUSE: Duration = Duration::from_secs(1);

impl Failure {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Retry(text)
            | Self::Reject(text)
            | Self::Later(text, _)
            | Self::Gone(text)
            | Self::Unmade(text) => text,
        }
    }

    /// Returns the same failure with the pause that the function asked for.
    pub(crate) fn asking_for(self, pause: Option<Duration>) -> Self {
        match (self, pause) {
            (Self::Retry(text), Some(pause)) => Self::Later(text, pause),
            (failure, _) => failure,
        }
    }
}

/// The decision before an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    Expired { reason: String },
    Dead { reason: String },
}

/// Decides whether to attempt a delivery that has failed `failures` times and was accepted `age` ago. The gateway ended
/// unexpectedly during its last `crashes` attempts. Since then, the policy may have changed or the gateway may have been
/// stopped for days.
pub(crate) fn before_attempt(
    policy: &DeliveryPolicy,
    disabled: Option<&str>,
    failures: u32,
    crashes: u32,
    age: Duration,
) -> Gate {
    if let Some(why) = disabled {
        return Gate::Dead { reason: self::disabled(why) };
    }
    if age > policy.max_age {
        return Gate::Expired { reason: too_old(policy, failures) };
    }
    if failures >= policy.attempts {
        return Gate::Dead { reason: format!("all {failures} attempts failed") };
    }
    if crashes >= INTERRUPTIONS {
        let reason =
            format!("interrupted {crashes} times: the gateway ended unexpectedly during each attempt");
        return Gate::Dead { reason };
    }
    Gate::Open
}

/// Returns the reason of a delivery that became dead because its subscription is disabled.
pub(crate) fn disabled(why: &str) -> String {
    format!("the subscription is disabled: {why}")
}

fn too_old(policy: &DeliveryPolicy, failures: u32) -> String {
    format!("older than {} s after {failures} failed attempts", policy.max_age.as_secs_f64())
}

/// The decision after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// The delivery succeeded.
    Delivered,
    /// The delivery is attempted again after this pause.
    Retry { after: Duration, error: String },
    /// The attempt was not made: it is forgotten, and the delivery is attempted after this pause.
    Unmade { after: Duration, error: String },
    /// The delivery becomes a dead letter.
    Dead { error: String, reason: String },
    /// The delivery becomes a dead letter, and its subscription is disabled.
    Disable { error: String, reason: String },
    /// The delivery reached its maximum age.
    Expired { error: String, reason: String },
}

impl Next {
    /// Returns whether the delivery has ended without success.
    pub(crate) fn gives_up(&self) -> bool {
        match self {
            Self::Delivered | Self::Retry { .. } | Self::Unmade { .. } => false,
            Self::Dead { .. } | Self::Disable { .. } | Self::Expired { .. } => true,
        }
    }
}

/// Decides what follows after the attempt that ended with `outcome`.
///
/// `policy` is that of its subscription; `None` if the subscription was deleted during the attempt. `failures` counts the failed
/// attempts before it, `age` is the time since the event was accepted, `chance` is a random number from 0 to 1.
pub(crate) fn after_attempt(
    policy: Option<&DeliveryPolicy>,
    failures: u32,
    age: Duration,
    outcome: Result<(), Failure>,
    chance: f64,
) -> Next {
    let (error, asked) = match outcome {
        Ok(()) => return Next::Delivered,
        Err(Failure::Reject(error)) => return Next::Dead { reason: format!("rejected: {error}"), error },
        Err(Failure::Gone(error)) => return Next::Disable { reason: format!("gone: {error}"), error },
        Err(Failure::Unmade(error)) => {
            // Calls that could not be made at the same time are not repeated at the same time.
            return Next::Unmade { after: UNMADE_PAUSE.mul_f64(0.5 + chance), error };
        }
        Err(Failure::Retry(error)) => (error, None),
        Err(Failure::Later(error, pause)) => (error, Some(pause)),
    };
    let Some(policy) = policy else {
        // No attempt would follow, so nobody should wait for its time.
        let reason = format!("{SUBSCRIPTION_DELETED} during the attempt, which failed: {error}");
        return Next::Dead { error, reason };
    };
    let failures = failures.saturating_add(1);
    match policy.after_failure(failures, age, asked, chance) {
        Redelivery::After(after) => Next::Retry { after, error },
        Redelivery::Exhausted => Next::Dead {
            reason: format!("all {failures} attempts failed, the last one with: {error}"),
            error,
        },
        Redelivery::TooOld => Next::Expired {
            reason: format!("{}, the last one with: {error}", too_old(policy, failures)),
            error,
        },
    }
}

/// Interprets the answer of an `http` function to an event. A 410 rejects this and all future events.
pub(crate) fn of_http(status: u16, body: &[u8]) -> Result<(), Failure> {
    let verdict = Verdict::of_status(status);
    if verdict == Verdict::Done {
        return Ok(());
    }
    let excerpt = excerpt(body);
    let text = if excerpt.is_empty() {
        format!("HTTP status {status}")
    } else {
        format!("HTTP status {status}: {excerpt}")
    };
    Err(match verdict {
        Verdict::Reject if status == GONE => Failure::Gone(text),
        Verdict::Reject => Failure::Reject(text),
        Verdict::Done | Verdict::Retry => Failure::Retry(text),
    })
}

/// Interprets a function error of AWS Lambda. `payload` is the error object that the function's runtime reported; a
/// function rejects the event with the error type `Reject`.
pub(crate) fn of_lambda_error(function_error: &str, payload: &[u8]) -> Failure {
    #[derive(Default, serde::Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Report {
        error_type: String,
        error_message: String,
    }
    let Ok(report) = serde_json::from_slice::<Report>(payload) else {
        return Failure::Retry(format!("{function_error} function error: {}", excerpt(payload)));
    };
    match report {
        Report { error_type, error_message } if error_type == "Reject" => Failure::Reject(error_message),
        Report { error_type, error_message } if error_type.is_empty() => {
            Failure::Retry(format!("{function_error} function error: {error_message}"))
        }
        Report { error_type, error_message } => Failure::Retry(format!("{error_type}: {error_message}")),
    }
}

/// Interprets the answer as the original did: every status except 500 is a success.
pub(crate) fn of_http_strict(status: u16, body: &[u8]) -> Result<(), Failure> {
    if status == 500 { of_http(status, body) } else { Ok(()) }
}

/// Returns the beginning of a body on one line, for error texts.
fn excerpt(body: &[u8]) -> String {
    const LIMIT: usize = 300;
    let text = String::from_utf8_lossy(&body[..body.len().min(LIMIT)]);
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if body.len() > LIMIT {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(text: &str) -> Failure {
        Failure::Retry(text.to_owned())
    }

    #[test]
    fn next_step() {
        let policy =
            DeliveryPolicy { attempts: 3, max_age: Duration::from_secs(60), ..DeliveryPolicy::default() };
        let dead =
            |error: &str, reason: &str| Next::Dead { error: error.to_owned(), reason: reason.to_owned() };
        let young = Duration::from_secs(1);
        for (failures, age, outcome, expected) in [
            (0, young, Ok(()), Next::Delivered),
            (2, Duration::from_secs(1000), Ok(()), Next::Delivered),
            (
                0,
                young,
                Err(retry("no")),
                Next::Retry { after: Duration::from_secs(1), error: "no".to_owned() },
            ),
            (
                1,
                young,
                Err(retry("no")),
                Next::Retry { after: Duration::from_secs(2), error: "no".to_owned() },
            ),
            (2, young, Err(retry("no")), dead("no", "all 3 attempts failed, the last one with: no")),
            (
                0,
                Duration::from_secs(60),
                Err(retry("no")),
                Next::Expired {
                    error: "no".to_owned(),
                    reason: "older than 60 s after 1 failed attempts, the last one with: no".to_owned(),
                },
            ),
            (
                0,
                young,
                Err(Failure::Later("busy".to_owned(), Duration::from_secs(7))),
                Next::Retry { after: Duration::from_secs(7), error: "busy".to_owned() },
            ),
            (
                1,
                young,
                Err(Failure::Gone("HTTP status 410".to_owned())),
                Next::Disable {
                    error: "HTTP status 410".to_owned(),
                    reason: "gone: HTTP status 410".to_owned(),
                },
            ),
            (0, young, Err(Failure::Reject("bad".to_owned())), dead("bad", "rejected: bad")),
            (
                2,
                Duration::from_secs(1000),
                Err(Failure::Unmade("too many open files".to_owned())),
                Next::Unmade { after: Duration::from_millis(1500), error: "too many open files".to_owned() },
            ),
        ] {
            let next = after_attempt(Some(&policy), failures, age, outcome.clone(), 1.0);
            assert_eq!(next, expected, "{failures} failures, {age:?}, {outcome:?}");
        }
        // Without a subscription, no attempt follows.
        let deleted = dead("no", "the subscription was deleted during the attempt, which failed: no");
        assert_eq!(after_attempt(None, 0, young, Err(retry("no")), 1.0), deleted);
        assert_eq!(after_attempt(None, 0, young, Ok(()), 1.0), Next::Delivered);
    }

    #[test]
    fn http_statuses() {
        assert_eq!(of_http(204, b""), Ok(()));
        assert_eq!(of_http(302, b""), Err(retry("HTTP status 302")));
        assert_eq!(of_http(404, b""), Err(Failure::Reject("HTTP status 404".to_owned())));
        assert_eq!(of_http(410, b""), Err(Failure::Gone("HTTP status 410".to_owned())));
        assert_eq!(of_http(429, b""), Err(retry("HTTP status 429")));
        for (status, accepted) in [(200, true), (302, true), (404, true), (500, false), (503, true)] {
            assert_eq!(of_http_strict(status, b"").is_ok(), accepted, "{status}");
        }
        assert_eq!(of_http(500, b"no\n  luck"), Err(retry("HTTP status 500: no luck")));
        assert_eq!(of_http(500, &[b'a'; 301]), Err(retry(&format!("HTTP status 500: {}…", "a".repeat(300)))));
    }

    #[test]
    fn whether_an_attempt_may_begin() {
        let policy =
            DeliveryPolicy { attempts: 3, max_age: Duration::from_millis(1500), ..DeliveryPolicy::default() };
        let dead = |reason: &str| Gate::Dead { reason: reason.to_owned() };
        let interrupted = "interrupted 4 times: the gateway ended unexpectedly during each attempt";
        for (disabled, failures, crashes, age, expected) in [
            (None, 0, 0, 0, Gate::Open),
            (None, 2, 3, 1500, Gate::Open),
            (
                None,
                2,
                0,
                1501,
                Gate::Expired { reason: "older than 1.5 s after 2 failed attempts".to_owned() },
            ),
            (None, 3, 0, 0, dead("all 3 attempts failed")),
            (None, 0, 4, 0, dead(interrupted)),
            (Some("gone"), 0, 0, 0, dead("the subscription is disabled: gone")),
        ] {
            let found = before_attempt(&policy, disabled, failures, crashes, Duration::from_millis(age));
            assert_eq!(found, expected, "{failures} failures, {crashes} crashes, {age} ms");
        }
    }

    #[test]
    fn lambda_errors() {
        for (payload, expected) in [
            (r#"{"errorType":"Reject","errorMessage":"no e-mail"}"#, Failure::Reject("no e-mail".to_owned())),
            (r#"{"errorType":"Boom","errorMessage":"x"}"#, retry("Boom: x")),
            (r#"{"errorMessage":"Task timed out"}"#, retry("Unhandled function error: Task timed out")),
            (r#"{"errorType":7}"#, retry(r#"Unhandled function error: {"errorType":7}"#)),
            ("oops", retry("Unhandled function error: oops")),
            ("", retry("Unhandled function error: ")),
        ] {
            assert_eq!(of_lambda_error("Unhandled", payload.as_bytes()), expected, "{payload}");
        }
    }
}
