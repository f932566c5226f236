//! Queue names as SQS takes them, and how the messages of a queue may be batched.

use std::fmt;
use std::str::FromStr;

use crate::{Mistake, limits};

/// What the name of a FIFO queue ends in.
pub const FIFO_SUFFIX: &str = ".fifo";

/// How many characters the name of a queue may have, its suffix included.
const LONGEST: usize = 80;

/// The valid name of a queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName(String);

impl QueueName {
    /// The name as SQS has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for QueueName {
    type Err = Mistake;

    fn from_str(name: &str) -> Result<Self, Mistake> {
        let stem = name.strip_suffix(FIFO_SUFFIX).unwrap_or(name);
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if !stem.is_empty() && name.len() <= LONGEST && stem.bytes().all(allowed) {
            return Ok(Self(name.to_owned()));
        }
        Err(Mistake::new(format!(
            "{name:?} cannot name a queue: use up to {LONGEST} letters, digits, `-` and `_`, ending in `{FIFO_SUFFIX}` \
             for FIFO queues"
        )))
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a queue of this name keeps the order of its messages.
#[must_use]
pub fn is_fifo(name: &str) -> bool {
    name.ends_with(FIFO_SUFFIX)
}

/// The option of a queue's batches that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchMistake {
    /// The number of messages.
    Size(Mistake),
    /// The seconds that a batch is collected for.
    Window(Mistake),
}

/// Checks how the messages of a queue are batched: `size` messages at most, collected for `window` seconds at most.
///
/// # Errors
/// The first option that Lambda would refuse for this queue.
pub fn check_batch(queue: &str, size: Option<u64>, window: Option<u64>) -> Result<(), BatchMistake> {
    let fifo = is_fifo(queue);
    if let Some(size) = size {
        let (bound, what) = if fifo {
            (limits::FIFO_BATCH_SIZE, "`batch_size` of a FIFO queue")
        } else {
            (limits::BATCH_SIZE, "`batch_size`")
        };
        bound.check(what, size).map_err(BatchMistake::Size)?;
    }
    if let Some(window) = window {
        if fifo {
            let message = "a FIFO queue has no batching window: remove `window`";
            return Err(BatchMistake::Window(Mistake::new(message)));
        }
        limits::BATCH_WINDOW.check("`window`", window).map_err(BatchMistake::Window)?;
    }
    if size.is_some_and(|size| size > limits::FIFO_BATCH_SIZE.max()) && window.unwrap_or(0) == 0 {
        let message = "batches of more than 10 messages need time to fill: set `window` to 1 second or more";
        return Err(BatchMistake::Size(Mistake::new(message)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let (longest, too_long) = ("a".repeat(80), "a".repeat(81));
        let fifo = format!("{}.fifo", "a".repeat(75));
        let too_long_fifo = format!("{}.fifo", "a".repeat(76));
        for (name, valid) in [
            ("orders", true),
            ("Orders-2_b", true),
            ("orders.fifo", true),
            (&longest, true),
            (&fifo, true),
            ("", false),
            (".fifo", false),
            ("a.b", false),
            ("a b", false),
            ("arn:aws:sqs:eu-central-1:123456789012:orders", false),
            (&too_long, false),
            (&too_long_fifo, false),
        ] {
            let mistake = format!(
                "{name:?} cannot name a queue: use up to 80 letters, digits, `-` and `_`, ending in `.fifo` for FIFO queues"
            );
            let found = name.parse().map(|name: QueueName| name.to_string()).map_err(String::from);
            assert_eq!(found, if valid { Ok(name.to_owned()) } else { Err(mistake) });
        }
        assert!(is_fifo("orders.fifo") && !is_fifo("orders"));
    }

    #[test]
    fn batches() {
        let size = |message: &str| Err(BatchMistake::Size(Mistake::new(message)));
        let window = |message: &str| Err(BatchMistake::Window(Mistake::new(message)));
        let fill = "batches of more than 10 messages need time to fill: set `window` to 1 second or more";
        for (queue, given, expected) in [
            ("q", (None, None), Ok(())),
            ("q", (Some(10), None), Ok(())),
            ("q", (Some(10_000), Some(1)), Ok(())),
            ("q", (None, Some(300)), Ok(())),
            ("q.fifo", (Some(10), None), Ok(())),
            (
                "q",
                (Some(0), None),
                size("`batch_size` must be a whole number of messages from 1 to 10000, not 0"),
            ),
            (
                "q",
                (Some(10_001), Some(1)),
                size("`batch_size` must be a whole number of messages from 1 to 10000, not 10001"),
            ),
            (
                "q.fifo",
                (Some(11), None),
                size("`batch_size` of a FIFO queue must be a whole number of messages from 1 to 10, not 11"),
            ),
            ("q", (Some(11), None), size(fill)),
            ("q", (Some(11), Some(0)), size(fill)),
            (
                "q",
                (None, Some(301)),
                window("`window` must be a whole number of seconds from 0 to 300, not 301"),
            ),
            ("q.fifo", (None, Some(0)), window("a FIFO queue has no batching window: remove `window`")),
        ] {
            assert_eq!(check_batch(queue, given.0, given.1), expected, "{queue} {given:?}");
        }
    }
}
