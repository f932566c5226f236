//! Generates the queues that functions read and the dead-letter queues. Which function uses which queue is left to
//! `function`.

use eg_grammar::limits;

use super::names::{arn, reference};
use super::role::document;
use super::{Tree, map};

/// How long dead letters are kept in seconds: two weeks, the maximum of SQS.
const KEPT: u32 = 14 * 24 * 60 * 60;
/// The maximum visibility timeout of SQS, in seconds.
const HIDDEN: u32 = 12 * 60 * 60;

/// Returns a dead-letter queue.
pub(super) fn failures(fifo: bool) -> Tree {
    let properties = map! { "MessageRetentionPeriod" => KEPT, "SqsManagedSseEnabled" => true };
    queue(properties.with("FifoQueue", fifo.then_some(true)))
}

/// Returns a policy that lets these rules send events that they cannot deliver to the queue.
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

/// Returns a queue that functions read. `patience` is the longest time in seconds that one of them may take for a
/// batch.
pub(super) fn source(fifo: bool, patience: u32, failures: &str) -> Tree {
    // AWS recommends six times the function's timeout, so that a throttled batch is not delivered twice.
    let properties = map! {
        "VisibilityTimeout" => patience.saturating_mul(6).min(HIDDEN),
        "SqsManagedSseEnabled" => true,
        "RedrivePolicy" => map! { "deadLetterTargetArn" => arn(failures), "maxReceiveCount" => limits::QUEUE_RECEIVES },
    };
    queue(properties.with("FifoQueue", fifo.then_some(true)))
}

fn queue(properties: Tree) -> Tree {
    map! { "Type" => "AWS::SQS::Queue", "Properties" => properties }
}
