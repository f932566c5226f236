//! Generates the queues that functions read or send to, and those for what fails. Which function reads which queue is left to `function`.

use std::collections::BTreeMap;

use eg_grammar::limits;
use eg_sdk::manifest::Trigger;

use crate::needs::{self, HIDDEN, KEPT, Retries};

use super::builder::{Builder, kept, resource};
use super::names::{arn, pascal, reference};
use super::role::document;
use super::{Application, Tree, map};

const QUEUE: &str = "AWS::SQS::Queue";

/// The logical ids of the queues that functions read or send to, by name.
pub(super) type Queues = BTreeMap<String, String>;

/// Adds the queues that functions read or send to, each with its dead-letter queue.
pub(super) fn queues(application: &Application<'_>, builder: &mut Builder) -> Queues {
    // The longest time that a batch takes, including the time to collect it, and the functions that read the queue.
    let mut reads: BTreeMap<&str, (u32, Vec<&str>)> = BTreeMap::new();
    for (_, function) in application.functions() {
        for trigger in &function.triggers {
            if let Trigger::Queue { queue, window, .. } = trigger {
                let longest = needs::timeout(function, Some(application.stage)) + window.unwrap_or_default();
                let (patience, readers) = reads.entry(queue.as_str()).or_default();
                *patience = longest.max(*patience);
                readers.push(&function.id);
            }
        }
    }
    let mut ids = Queues::new();
    for (queue, declared) in &application.stage.queues {
        match reads.get(queue.as_str()) {
            Some((_, readers)) if declared.existing.is_some() => builder.problems.push(format!(
                "queue {queue}: {} of this application {} it, so the stack makes it: remove `existing` in eg.toml",
                eg_grammar::list(readers),
                if readers.len() == 1 { "reads" } else { "read" }
            )),
            None if declared.existing.is_none() => drop(reads.insert(queue, (needs::TIMEOUT, Vec::new()))),
            _ => {}
        }
    }
    for (queue, (patience, readers)) in reads {
        if readers.is_empty() {
            builder.notes.push(format!("queue {queue}: no function of this application reads its messages"));
        }
        if readers.len() > 1 {
            builder.notes.push(format!(
                "queue {queue}: {} share its messages; each message goes to one of them",
                eg_grammar::list(&readers)
            ));
        }
        let fifo = eg_grammar::is_fifo(queue);
        let what = format!("queue {queue}");
        let id = format!("{}Queue", pascal(queue));
        // AWS recommends six times the function's timeout, so that a throttled batch is not delivered twice.
        let hidden = patience.saturating_mul(6).min(HIDDEN);
        let properties = map! { "VisibilityTimeout" => hidden };
        with_dead_letters(application, &id, &what, (properties, limits::QUEUE_RECEIVES), fifo, builder);
        ids.insert(queue.to_owned(), id);
    }
    ids
}

/// Adds a queue with these properties, and the one for the messages that were received this often.
fn with_dead_letters(
    application: &Application<'_>,
    id: &str,
    what: &str,
    (properties, receives): (Tree, u32),
    fifo: bool,
    builder: &mut Builder,
) {
    let failures = failures_id(id);
    let redrive = map! { "deadLetterTargetArn" => arn(&failures), "maxReceiveCount" => receives };
    let properties = properties.with("SqsManagedSseEnabled", Some(true)).with("RedrivePolicy", Some(redrive));
    builder.add(id.to_owned(), what, kept(QUEUE, with_kind(application, properties, fifo)));
    builder.add(failures, what, dead_letters(application, fifo));
}

/// Adds a queue whose events a function gets, and gets again after a pause until it has handled them. These rules send to it.
pub(super) fn retrying(
    application: &Application<'_>,
    function: &str,
    (id, Retries { attempts, pause }): (&str, Retries),
    rules: &[String],
    builder: &mut Builder,
) {
    let what = format!("the events of {function} that are retried");
    // SQS deletes a message that becomes too old, and moves it nowhere.
    let properties = map! { "VisibilityTimeout" => pause, "MessageRetentionPeriod" => KEPT };
    with_dead_letters(application, id, &what, (properties, attempts), false, builder);
    let policy = sent_by_rules("RulesSendEvents", id, rules);
    builder.add(format!("{id}Policy"), &what, policy);
}

/// Adds the queue for what the functions of a service fail to handle. These rules may send what they cannot deliver.
pub(super) fn failures_of(
    application: &Application<'_>,
    service: &str,
    rules: &[String],
    builder: &mut Builder,
) {
    let (id, what) = (failures_id(service), format!("the failures of {service}"));
    builder.add(id.clone(), &what, dead_letters(application, false));
    if rules.is_empty() {
        return;
    }
    builder.add(format!("{id}Policy"), &what, sent_by_rules("RulesKeepWhatTheyCannotDeliver", &id, rules));
}

/// Returns the policy of a queue to which these rules may send.
fn sent_by_rules(reason: &str, id: &str, rules: &[String]) -> Tree {
    let statement = map! {
        "Sid" => reason,
        "Effect" => "Allow",
        "Principal" => map! { "Service" => "events.amazonaws.com" },
        "Action" => "sqs:SendMessage",
        "Resource" => arn(id),
        "Condition" => map! {
            "ArnEquals" => map! { "aws:SourceArn" => rules.iter().map(|rule| arn(rule)).collect::<Vec<_>>() },
        },
    };
    let properties = map! { "Queues" => vec![reference(id)], "PolicyDocument" => document(vec![statement]) };
    resource("AWS::SQS::QueuePolicy", properties)
}

/// Returns the logical id of the queue for what a service or a queue fails to handle.
pub(super) fn failures_id(of: &str) -> String {
    format!("{}Failures", pascal(of))
}

fn dead_letters(application: &Application<'_>, fifo: bool) -> Tree {
    let properties = map! { "MessageRetentionPeriod" => KEPT, "SqsManagedSseEnabled" => true };
    kept(QUEUE, with_kind(application, properties, fifo))
}

fn with_kind(application: &Application<'_>, properties: Tree, fifo: bool) -> Tree {
    properties.with("FifoQueue", fifo.then_some(true)).with("Tags", application.tags(&[]))
}
