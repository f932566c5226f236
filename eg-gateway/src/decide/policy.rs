//! Reads the `retry` field of a subscription, and combines it with the gateway's default policy. `eg_grammar::DeliveryPolicy`
//! computes the times of attempts.

use std::time::Duration;

use eg_grammar::{Bound, DeliveryLimits, DeliveryPolicy, limits};
use eg_sdk::config::{Retry, RetryLimits, RetryProfile};
use serde_json::{Map, Value};

/// EventBridge's default. Its pauses are not documented; with these bounds the average schedule fills the day.
const EVENT_BRIDGE: DeliveryPolicy = DeliveryPolicy {
    attempts: limits::EVENT_BRIDGE_ATTEMPTS,
    min_backoff: Duration::from_secs(1),
    max_backoff: Duration::from_secs(15 * 60),
    max_age: limits::EVENT_BRIDGE_MAX_AGE,
};

/// Reads the field. An object without members counts as absent.
pub(crate) fn read(value: Value) -> Result<Option<Retry>, String> {
    match value {
        Value::String(name) if name == "eventbridge" => Ok(Some(Retry::Profile(RetryProfile::EventBridge))),
        Value::String(name) => {
            Err(format!("retry profile `{name}` is unknown: use \"eventbridge\" or an object"))
        }
        Value::Object(members) => one_by_one(members),
        other => Err(format!("retry is {other}: use \"eventbridge\" or an object")),
    }
}

fn one_by_one(members: Map<String, Value>) -> Result<Option<Retry>, String> {
    let mut read = RetryLimits::default();
    for (name, value) in members {
        let number = |bound: Bound| {
            let valid = value.as_u64().filter(|number| bound.contains(*number));
            valid.ok_or_else(|| String::from(bound.refuse(&format!("retry.{name}"), &value)))
        };
        match name.as_str() {
            "attempts" => read.attempts = u32::try_from(number(limits::RETRY_ATTEMPTS)?).ok(),
            "minBackoffMs" => read.min_backoff_ms = Some(number(limits::RETRY_BACKOFF_MS)?),
            "maxBackoffMs" => read.max_backoff_ms = Some(number(limits::RETRY_BACKOFF_MS)?),
            "maxAgeMs" => read.max_age_ms = Some(number(limits::RETRY_MAX_AGE_MS)?),
            _ => {
                return Err(format!(
                    "retry.{name} is unknown: use attempts, minBackoffMs, maxBackoffMs and maxAgeMs"
                ));
            }
        }
    }
    if let Some((min, max)) = read.min_backoff_ms.zip(read.max_backoff_ms) {
        limits::check_backoffs(("retry.minBackoffMs", min), ("retry.maxBackoffMs", max))?;
    }
    Ok((read != RetryLimits::default()).then_some(Retry::Limits(read)))
}

/// Returns the policy of a subscription.
pub(crate) fn effective(retry: Option<&Retry>, default: &DeliveryPolicy) -> DeliveryPolicy {
    let limits = match retry {
        None => return default.clone(),
        Some(Retry::Profile(RetryProfile::EventBridge)) => return EVENT_BRIDGE,
        Some(Retry::Limits(limits)) => limits,
        // Other profiles exist only in a newer library, but the gateway reads only what it wrote itself.
        Some(_) => return default.clone(),
    };
    default.limited(DeliveryLimits {
        attempts: limits.attempts,
        min_backoff: limits.min_backoff_ms.map(Duration::from_millis),
        max_backoff: limits.max_backoff_ms.map(Duration::from_millis),
        max_age: limits.max_age_ms.map(Duration::from_millis),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(attempts: u32, min: u64, max: u64, age: u64) -> DeliveryPolicy {
        let ms = Duration::from_millis;
        DeliveryPolicy { attempts, min_backoff: ms(min), max_backoff: ms(max), max_age: ms(age) }
    }

    #[test]
    fn policies() {
        let default = policy(16, 1000, 300_000, 86_400_000);
        for (field, expected) in [
            (json!({}), default.clone()),
            (json!("eventbridge"), policy(185, 1000, 900_000, 86_400_000)),
            (json!({ "attempts": 3 }), policy(3, 1000, 300_000, 86_400_000)),
            (json!({ "maxAgeMs": 5 }), policy(16, 1000, 300_000, 5)),
            (json!({ "maxBackoffMs": 10 }), policy(16, 10, 10, 86_400_000)),
            (json!({ "minBackoffMs": 400_000 }), policy(16, 400_000, 400_000, 86_400_000)),
            (json!({ "minBackoffMs": 0, "maxBackoffMs": 0 }), policy(16, 0, 0, 86_400_000)),
        ] {
            let retry = read(field.clone()).unwrap();
            assert_eq!(effective(retry.as_ref(), &default), expected, "{field}");
        }
    }

    #[test]
    fn faults_are_named() {
        for (field, error) in [
            (json!("aws"), "retry profile `aws` is unknown: use \"eventbridge\" or an object"),
            (json!(3), "retry is 3: use \"eventbridge\" or an object"),
            (
                json!({ "attempts": 0 }),
                "retry.attempts must be a whole number of attempts from 1 to 10000, not 0",
            ),
            (
                json!({ "attempts": "3" }),
                "retry.attempts must be a whole number of attempts from 1 to 10000, not \"3\"",
            ),
            (
                json!({ "maxAgeMs": 0 }),
                "retry.maxAgeMs must be a whole number of milliseconds from 1 to 31622400000, not 0",
            ),
            (
                json!({ "backoff": 1 }),
                "retry.backoff is unknown: use attempts, minBackoffMs, maxBackoffMs and maxAgeMs",
            ),
            (
                json!({ "minBackoffMs": 2, "maxBackoffMs": 1 }),
                "retry.minBackoffMs is 2: it must not exceed retry.maxBackoffMs, which is 1",
            ),
        ] {
            assert_eq!(read(field), Err(error.to_owned()));
        }
    }
}
