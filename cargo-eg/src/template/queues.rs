//! Queues: those that functions read, and those for what failed.

use super::names::{arn, reference};
use super::role::document;
use super::{Tree, map};

/// How long what failed is kept: two weeks, the longest that SQS knows.
const KEPT: u32 = 14 * 24 * 60 * 60;
/// How often a message is tried before it counts as failed.
const RECEIVED: u32 = 5;
/// The longest that SQS hides a message.
const HIDDEN: u32 = 12 * 60 * 60;

/// A queue that keeps what failed.
pub(super) fn failures(fifo: bool) -> Tree {
    let properties = map! { "MessageRetentionPeriod" => KEPT, "SqsManagedSseEnabled" => true };
    queue(properties.with("FifoQueue", fifo.then_some(true)))
}

/// Lets these rules put what they cannot hand over into the queue.
pub(super) fn policy(queue: &str, rules: &[String]) -> Tree {
    let rules: Vec<Tree> = rules.iter().map(|rule| arn(rule)).collect();
    let statement = map! {
        "Effect" => "Allow",
        "Principal" => map! { "Service" => "events.amazonaws.com" },
        "Action" => "sqs:SendMessage",
        "Resource" => arn(queue),
        "Condition" => map! { "ArnEquals" => map! { "aws:SourceArn" => rules } },
    };
    let properties =
        map! { "Queues" => vec![reference(queue)], "PolicyDocument" => document(vec![statement]) };
    map! { "Type" => "AWS::SQS::QueuePolicy", "Properties" => properties }
}

/// A queue that functions read; `patience` is the longest that one of them needs with a batch, in seconds.
pub(super) fn source(fifo: bool, patience: u32, failures: &str) -> Tree {
    // Lambda's advice: six times as long, so that a throttled batch is not handed out twice.
    let properties = map! {
        "VisibilityTimeout" => patience.saturating_mul(6).min(HIDDEN),
        "SqsManagedSseEnabled" => true,
        "RedrivePolicy" => map! { "deadLetterTargetArn" => arn(failures), "maxReceiveCount" => RECEIVED },
    };
    queue(properties.with("FifoQueue", fifo.then_some(true)))
}

fn queue(properties: Tree) -> Tree {
    map! { "Type" => "AWS::SQS::Queue", "Properties" => properties }
}
