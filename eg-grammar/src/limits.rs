//! The limits that several programs share: the numbers that a function, a subscription or a queue may ask for, and how
//! large payloads may be. Each limit names its origin; texts and units are `Bound`'s.

use std::time::Duration;

use crate::{Bound, Mistake};

/// Seconds in a year: beyond it, the gateway could not add up times.
const YEAR: u64 = 366 * 24 * 60 * 60;

/// The time limit of one call of a function. Lambda's limit.
pub const CALL_TIMEOUT: Bound = Bound::new(1, 900, "seconds");

/// The memory of a function. Lambda's limit.
pub const MEMORY: Bound = Bound::new(128, 10_240, "megabytes");

/// How many environments can be reserved for a function: Lambda's default limit for all functions of an account.
pub const CONCURRENCY: Bound = Bound::new(1, 1000, "environments");

/// The number of attempts of a delivery, including the first. The gateway's limit.
pub const RETRY_ATTEMPTS: Bound = Bound::new(1, 10_000, "attempts");

/// The age at which a delivery expires. The gateway's limit.
pub const RETRY_MAX_AGE: Bound = Bound::new(1, YEAR, "seconds");

/// [`RETRY_MAX_AGE`] in milliseconds.
pub const RETRY_MAX_AGE_MS: Bound = Bound::new(1, YEAR * 1000, "milliseconds");

/// The bounds of the pause between two attempts. The gateway's limit.
pub const RETRY_BACKOFF: Bound = Bound::new(0, YEAR, "seconds");

/// [`RETRY_BACKOFF`] in milliseconds.
pub const RETRY_BACKOFF_MS: Bound = Bound::new(0, YEAR * 1000, "milliseconds");

/// The number of attempts that EventBridge makes by default, which is also its limit
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html>).
pub const EVENT_BRIDGE_ATTEMPTS: u32 = 185;

/// The time for which EventBridge retries by default, which is also its limit (same source).
pub const EVENT_BRIDGE_MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// The maximum length of an event type on EventBridge, where it is the `detail-type`, in characters.
pub const EVENT_BRIDGE_TYPE: usize = 128;

/// The maximum length of the source of an event on EventBridge, in characters.
pub const EVENT_BRIDGE_SOURCE: usize = 256;

/// The maximum number of entries of a `PutEvents` call to EventBridge
/// (<https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>).
pub const EVENT_BRIDGE_ENTRIES: usize = 10;

/// The maximum length of a function's name on Lambda, in characters.
pub const LAMBDA_NAME: usize = 64;

/// The number of messages in a batch from a standard queue. Limit of Lambda's event source mappings.
pub const BATCH_SIZE: Bound = Bound::new(1, 10_000, "messages");

/// The number of messages in a batch from a FIFO queue. Limit of Lambda's event source mappings.
pub const FIFO_BATCH_SIZE: Bound = Bound::new(1, 10, "messages");

/// How often a message of a queue is received by default before it moves to the dead-letter queue: locally, in the
/// template and in the tests of apps.
pub const QUEUE_RECEIVES: u32 = 5;

/// How long a failed message of a queue stays invisible by default. SQS's default.
pub const QUEUE_VISIBILITY: Duration = Duration::from_secs(30);

/// The pauses before Lambda calls a function again with an event that failed (two retries, by default)
/// (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>).
pub const EVENT_RETRIES: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];

/// The number of records in a batch from a stream. Limit of Lambda's event source mappings.
pub const STREAM_BATCH_SIZE: Bound = Bound::new(1, 10_000, "records");

/// The time for which a batch is collected. Limit of Lambda's event source mappings.
pub const BATCH_WINDOW: Bound = Bound::new(0, 300, "seconds");

/// How many bytes the payload of a call and its answer may each have. Lambda's limit of 6 MB for synchronous calls
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>). Gateway, runtime and local Lambda share
/// it, so that an event that one of them accepts can be delivered by the others.
pub const PAYLOAD: usize = 6 * MIB;

/// How many bytes the payload of a call without a waiting caller may have. Lambda's limit (same source).
pub const ASYNC_PAYLOAD: usize = MIB;

/// How many bytes a streamed answer may have. Lambda's limit (same source).
pub const STREAMED_ANSWER: usize = 200 * MIB;

/// How many bytes a message of a queue may have. SQS's limit
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
pub const QUEUE_MESSAGE: usize = MIB;

/// How many levels of objects and arrays JSON may nest. The limit of `serde_json`, which decodes the payloads of Rust
/// functions; see [`is_nested_deeper`](crate::is_nested_deeper).
pub const JSON_DEPTH: usize = 127;

/// The deepest nesting of `$or` in a pattern: each level multiplies the work.
pub const PATTERN_DEPTH: usize = 8;

/// How many levels the payload of an event may nest: it is a member of the event.
pub const DATA_DEPTH: usize = JSON_DEPTH - 1;

/// How many levels the JSON body of an HTTP request may nest: it is a member of the payload of an `http.request` event.
pub const BODY_DEPTH: usize = DATA_DEPTH - 1;

/// How many events may lead to an event, one causing the next, before the gateway and the functions on AWS by default
/// consider the chain a loop.
pub const HOPS: u32 = 16;

/// How many events one event may lead to, directly and through others, before the gateway by default gives up the
/// deliveries of further ones.
pub const FAN_OUT: u64 = 10_000;

/// Checks that at most `max` events led to an event, with the number in its extension `hops`.
///
/// # Errors
/// If more did: the events probably cause each other without end.
pub fn check_hops(hops: u32, max: u64) -> Result<(), Mistake> {
    if u64::from(hops) <= max {
        return Ok(());
    }
    Err(Mistake::new(format!("a loop: {hops} events led to this one, and {max} are allowed")))
}

const MIB: usize = 1024 * 1024;

/// Returns how many bytes an `http.request` event may have for a request body of `body` bytes: base64 makes four bytes
/// of three, and method, path, query and headers get 1 MiB.
#[must_use]
pub const fn enclosing(body: usize) -> usize {
    body.saturating_add(body / 3 + MIB)
}

/// Checks that the least pause between attempts does not exceed the greatest. Each side is a name and its value, in
/// the same unit.
///
/// # Errors
/// If it does.
pub fn check_backoffs((least, min): (&str, u64), (greatest, max): (&str, u64)) -> Result<(), Mistake> {
    if min <= max {
        return Ok(());
    }
    Err(Mistake::new(format!("{least} is {min}: it must not exceed {greatest}, which is {max}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_number_may_be() {
        for (bound, min, max) in [
            (CALL_TIMEOUT, 1, 900),
            (MEMORY, 128, 10_240),
            (RETRY_ATTEMPTS, 1, 10_000),
            (RETRY_MAX_AGE, 1, 31_622_400),
            (RETRY_MAX_AGE_MS, 1, 31_622_400_000),
            (RETRY_BACKOFF, 0, 31_622_400),
            (RETRY_BACKOFF_MS, 0, 31_622_400_000),
            (BATCH_SIZE, 1, 10_000),
            (FIFO_BATCH_SIZE, 1, 10),
            (BATCH_WINDOW, 0, 300),
            (STREAM_BATCH_SIZE, 1, 10_000),
        ] {
            assert_eq!((bound.min(), bound.max()), (min, max), "{bound:?}");
        }
    }

    #[test]
    fn hops() {
        assert_eq!(check_hops(16, 16), Ok(()));
        let mistake = check_hops(17, 16).unwrap_err();
        assert_eq!(mistake.to_string(), "a loop: 17 events led to this one, and 16 are allowed");
        assert!(check_hops(u32::MAX, u64::from(u32::MAX)).is_ok());
    }

    #[test]
    fn backoffs() {
        assert_eq!(check_backoffs(("min", 5), ("max", 5)), Ok(()));
        let mistake = check_backoffs(("`min_backoff`", 300), ("`max_backoff`", 60)).unwrap_err();
        assert_eq!(
            mistake.to_string(),
            "`min_backoff` is 300: it must not exceed `max_backoff`, which is 60"
        );
    }
}
