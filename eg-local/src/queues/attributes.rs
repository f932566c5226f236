//! The attributes of a queue: checks what callers set, and decides what counts. Leaves storing them to the store.
//! Source: the API reference of Amazon SQS, SetQueueAttributes.

use std::collections::BTreeMap;
use std::time::Duration;

use eg_grammar::{is_fifo, limits};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use super::{QueueSettings, arn, dead_letters_of, is_dead_letters};

/// The attributes of a queue by name, in SQS's spelling.
pub(super) type Attributes = BTreeMap<String, String>;

/// The largest message with its attributes, in bytes.
const LARGEST: u64 = limits::QUEUE_MESSAGE as u64;

/// The maximum delay of a message in seconds.
pub(super) const LONGEST_DELAY: u64 = 15 * 60;

/// The maximum visibility timeout in seconds.
pub(super) const LONGEST_VISIBILITY: u64 = 12 * 60 * 60;

/// The maximum duration of a long poll in seconds.
pub(super) const LONGEST_WAIT: u64 = 20;

const VISIBILITY: &str = "VisibilityTimeout";
const DELAY: &str = "DelaySeconds";
const WAIT: &str = "ReceiveMessageWaitTimeSeconds";
const SIZE: &str = "MaximumMessageSize";
const RETENTION: &str = "MessageRetentionPeriod";
const REDRIVE: &str = "RedrivePolicy";
const FIFO: &str = "FifoQueue";
const BY_CONTENT: &str = "ContentBasedDeduplication";

/// The attributes that can be set and that a queue may lack.
pub(super) const OPTIONAL: [&str; 4] = [RETENTION, REDRIVE, FIFO, BY_CONTENT];

/// Why an attribute cannot be set or read.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttributeError {
    /// The queue does not have the attribute.
    #[error("the attribute `{name}` {reason}")]
    Name { name: String, reason: &'static str },
    /// The value breaks a rule.
    #[error("{0}")]
    Value(String),
}

/// What was set for one queue. Absent members have the value that all queues have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Overrides {
    /// In seconds, as all times here.
    visibility: Option<u64>,
    delay: Option<u64>,
    wait: Option<u64>,
    /// In bytes.
    size: Option<u64>,
    retention: Option<u64>,
    redrive: Option<Redrive>,
    /// Whether a FIFO queue takes messages without a deduplication id.
    by_content: Option<bool>,
}

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Redrive {
    /// Name of the dead-letter queue.
    pub(super) target: String,
    /// How often a message is received before it moves there.
    pub(super) max_receives: u32,
}

/// `RedrivePolicy` as callers write it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RedrivePolicy {
    dead_letter_target_arn: String,
    #[serde(deserialize_with = "number_or_text")]
    max_receive_count: u32,
}

/// AWS takes the count as a number and as text.
fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Count {
        Number(u32),
        Text(String),
    }
    match Count::deserialize(deserializer)? {
        Count::Number(number) => Ok(number),
        Count::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

/// A queue as it behaves: what was set for it, over what all queues have.
#[derive(Debug, Clone)]
pub(super) struct Properties {
    pub(super) name: String,
    pub(super) overrides: Overrides,
    /// Whether another queue names this one as its dead-letter queue.
    pub(super) is_target: bool,
    pub(super) settings: QueueSettings,
}

impl Properties {
    pub(super) fn visibility(&self) -> Duration {
        self.overrides.visibility.map_or(self.settings.visibility, Duration::from_secs)
    }

    pub(super) fn delay(&self) -> Duration {
        Duration::from_secs(self.overrides.delay.unwrap_or_default())
    }

    pub(super) fn wait(&self) -> Duration {
        Duration::from_secs(self.overrides.wait.unwrap_or_default())
    }

    /// Returns the largest message with its attributes, in bytes.
    pub(super) fn largest(&self) -> usize {
        usize::try_from(self.overrides.size.unwrap_or(LARGEST)).unwrap_or(usize::MAX)
    }

    /// Returns how long messages are kept; `None` for ever.
    pub(super) fn retention(&self) -> Option<Duration> {
        self.overrides.retention.map(Duration::from_secs)
    }

    /// Whether a FIFO queue takes messages without a deduplication id. Queues of functions do, as deployed ones.
    pub(super) fn deduplicates_by_content(&self) -> bool {
        is_fifo(&self.name) && self.overrides.by_content.unwrap_or(true)
    }

    /// Returns where messages go that were received too often. Dead letters stay where they are.
    pub(super) fn redrive(&self) -> Option<Redrive> {
        let of_all =
            || Redrive { target: dead_letters_of(&self.name), max_receives: self.settings.max_receives };
        let is_last = self.is_target || is_dead_letters(&self.name);
        self.overrides.redrive.clone().or_else(|| (!is_last).then(of_all))
    }

    /// Returns the attributes that callers can set, with their values.
    pub(super) fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::new();
        let mut set = |name: &str, value: String| drop(attributes.insert(name.to_owned(), value));
        set(VISIBILITY, self.visibility().as_secs().to_string());
        set(DELAY, self.delay().as_secs().to_string());
        set(WAIT, self.wait().as_secs().to_string());
        set(SIZE, self.largest().to_string());
        if let Some(retention) = self.retention() {
            set(RETENTION, retention.as_secs().to_string());
        }
        if let Some(Redrive { target, max_receives }) = self.redrive() {
            let policy = json!({ "deadLetterTargetArn": arn(&target), "maxReceiveCount": max_receives });
            set(REDRIVE, policy.to_string());
        }
        if is_fifo(&self.name) {
            set(FIFO, true.to_string());
            set(BY_CONTENT, self.deduplicates_by_content().to_string());
        }
        attributes
    }
}

impl Overrides {
    /// Returns what `CreateQueue` sets for a new queue. As on AWS, a FIFO queue says that it is one, and deduplicates by
    /// content only if that is set.
    pub(super) fn of_new(name: &str, given: &Attributes) -> Result<Self, AttributeError> {
        if is_fifo(name) && !given.contains_key(FIFO) {
            return Err(AttributeError::Value(format!(
                "the name `{name}` is that of a FIFO queue: set the attribute {FIFO} to true"
            )));
        }
        let mut overrides = Self { by_content: is_fifo(name).then_some(false), ..Self::default() };
        overrides.set(name, given)?;
        Ok(overrides)
    }

    /// Sets the given attributes, all or none.
    pub(super) fn set(&mut self, name: &str, given: &Attributes) -> Result<(), AttributeError> {
        let mut changed = self.clone();
        for (attribute, value) in given {
            changed.set_one(name, attribute, value)?;
        }
        *self = changed;
        Ok(())
    }

    fn set_one(&mut self, queue: &str, attribute: &str, value: &str) -> Result<(), AttributeError> {
        let number = |from: u64, to: u64| {
            let number = value.parse().ok().filter(|number| (from..=to).contains(number));
            let rule = format!("{attribute} is a number from {from} to {to}, not `{value}`");
            number.ok_or(AttributeError::Value(rule))
        };
        let truth = || {
            let rule = || AttributeError::Value(format!("{attribute} is true or false, not `{value}`"));
            value.parse::<bool>().map_err(|_| rule())
        };
        match attribute {
            VISIBILITY => self.visibility = Some(number(0, LONGEST_VISIBILITY)?),
            DELAY => self.delay = Some(number(0, LONGEST_DELAY)?),
            WAIT => self.wait = Some(number(0, LONGEST_WAIT)?),
            SIZE => self.size = Some(number(1024, LARGEST)?),
            RETENTION => self.retention = Some(number(60, 14 * 24 * 60 * 60)?),
            // An empty policy takes it away.
            REDRIVE if value.is_empty() => self.redrive = None,
            REDRIVE => self.redrive = Some(redrive(queue, value)?),
            FIFO if truth()? != is_fifo(queue) => {
                let rule =
                    format!("{FIFO} is true for queues whose names end in `.fifo`, and only for those");
                return Err(AttributeError::Value(rule));
            }
            FIFO => {}
            BY_CONTENT if !is_fifo(queue) => {
                return Err(AttributeError::Name {
                    name: attribute.to_owned(),
                    reason: "is for FIFO queues only",
                });
            }
            BY_CONTENT => self.by_content = Some(truth()?),
            _ => {
                let reason = "is not supported by the local queues";
                return Err(AttributeError::Name { name: attribute.to_owned(), reason });
            }
        }
        Ok(())
    }

    pub(super) fn redrive(&self) -> Option<&Redrive> {
        self.redrive.as_ref()
    }
}

/// Reads a `RedrivePolicy` of `queue`.
fn redrive(queue: &str, policy: &str) -> Result<Redrive, AttributeError> {
    let invalid = |reason: String| AttributeError::Value(format!("{REDRIVE} `{policy}`: {reason}"));
    let RedrivePolicy { dead_letter_target_arn, max_receive_count } =
        serde_json::from_str(policy).map_err(|error| invalid(error.to_string()))?;
    let target = dead_letter_target_arn.rsplit(':').next().unwrap_or_default().to_owned();
    if arn(&target) != dead_letter_target_arn {
        return Err(invalid(format!("the ARN of a local queue is like `{}`", arn("orders"))));
    }
    if !(1..=1000).contains(&max_receive_count) {
        return Err(invalid("maxReceiveCount is a number from 1 to 1000".to_owned()));
    }
    if is_fifo(&target) != is_fifo(queue) {
        return Err(invalid(
            "the dead-letter queue of a FIFO queue is a FIFO queue, of others not".to_owned(),
        ));
    }
    if target == queue {
        return Err(invalid("a queue is not its own dead-letter queue".to_owned()));
    }
    Ok(Redrive { target, max_receives: max_receive_count })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(name: &str, overrides: Overrides) -> Properties {
        Properties { name: name.to_owned(), overrides, is_target: false, settings: QueueSettings::default() }
    }

    fn set(name: &str, attribute: &str, value: &str) -> Result<Attributes, String> {
        let mut overrides = Overrides::default();
        let given = Attributes::from([(attribute.to_owned(), value.to_owned())]);
        overrides.set(name, &given).map_err(|error| error.to_string())?;
        Ok(queue(name, overrides).attributes())
    }

    #[test]
    fn attributes_count_within_the_limits_of_sqs() {
        let policy =
            r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":"3"}"#;
        let as_number = policy.replace("\"3\"", "3");
        for (attribute, value, expected) in [
            ("VisibilityTimeout", "0", "0"),
            ("VisibilityTimeout", "43200", "43200"),
            ("DelaySeconds", "900", "900"),
            ("ReceiveMessageWaitTimeSeconds", "20", "20"),
            ("MaximumMessageSize", "1024", "1024"),
            ("MessageRetentionPeriod", "60", "60"),
            ("RedrivePolicy", policy, as_number.as_str()),
            ("RedrivePolicy", as_number.as_str(), as_number.as_str()),
        ] {
            let found = set("orders", attribute, value).unwrap();
            assert_eq!(found[attribute], expected, "{attribute} {value}");
        }
        for (name, attribute, value, reason) in [
            ("orders", "VisibilityTimeout", "43201", "a number from 0 to 43200, not `43201`"),
            ("orders", "VisibilityTimeout", "-1", "a number from 0 to 43200"),
            ("orders", "DelaySeconds", "901", "a number from 0 to 900"),
            ("orders", "ReceiveMessageWaitTimeSeconds", "21", "a number from 0 to 20"),
            ("orders", "MaximumMessageSize", "1023", "a number from 1024 to 1048576"),
            ("orders", "MessageRetentionPeriod", "59", "a number from 60 to 1209600"),
            ("orders", "FifoQueue", "true", "queues whose names end in `.fifo`"),
            ("orders.fifo", "FifoQueue", "false", "queues whose names end in `.fifo`"),
            ("orders", "ContentBasedDeduplication", "true", "for FIFO queues only"),
            ("orders.fifo", "ContentBasedDeduplication", "yes", "is true or false, not `yes`"),
            ("orders", "KmsMasterKeyId", "alias/x", "`KmsMasterKeyId` is not supported by the local queues"),
            ("orders", "RedrivePolicy", "{}", "missing field `deadLetterTargetArn`"),
            (
                "orders",
                "RedrivePolicy",
                &policy.replace("us-east-1", "eu-west-1"),
                "the ARN of a local queue",
            ),
            ("orders", "RedrivePolicy", &policy.replace("\"3\"", "0"), "a number from 1 to 1000"),
            ("orders.fifo", "RedrivePolicy", policy, "of a FIFO queue is a FIFO queue"),
            ("dead", "RedrivePolicy", policy, "not its own dead-letter queue"),
        ] {
            let refusal = set(name, attribute, value).unwrap_err();
            assert!(refusal.contains(reason), "{name} {attribute} {value}: {refusal}");
        }
    }

    #[test]
    fn a_queue_is_as_all_queues_unless_it_was_set() {
        let attributes = queue("orders", Overrides::default()).attributes();
        assert_eq!(attributes["VisibilityTimeout"], "30");
        assert_eq!(
            attributes["RedrivePolicy"],
            r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:orders-dead-letters","maxReceiveCount":5}"#
        );
        let target = Properties { is_target: true, ..queue("orders", Overrides::default()) }.attributes();
        for optional in OPTIONAL {
            assert!(!target.contains_key(optional), "{optional}");
        }
        assert_eq!(queue("orders-dead-letters", Overrides::default()).redrive(), None);
        assert_eq!(queue("o.fifo", Overrides::default()).attributes()["ContentBasedDeduplication"], "true");
    }

    #[test]
    fn a_new_fifo_queue_says_what_it_is() {
        let refusal = Overrides::of_new("o.fifo", &Attributes::new()).unwrap_err();
        assert!(refusal.to_string().contains("set the attribute FifoQueue to true"), "{refusal}");
        let given = Attributes::from([("FifoQueue".to_owned(), "true".to_owned())]);
        let overrides = Overrides::of_new("o.fifo", &given).unwrap();
        assert_eq!(queue("o.fifo", overrides).attributes()["ContentBasedDeduplication"], "false");
    }

    #[test]
    fn one_wrong_attribute_changes_none() {
        let mut overrides = Overrides::default();
        let given = [("DelaySeconds", "5"), ("VisibilityTimeout", "x")];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        overrides.set("orders", &given).unwrap_err();
        assert_eq!(overrides, Overrides::default());
    }
}
