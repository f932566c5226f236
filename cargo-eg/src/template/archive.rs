//! Generates the archive of the event bus, and the queue into which `cargo eg events` lets EventBridge replay it. Reading it is left
//! to `deploy`.

use super::builder::{Builder, resource};
use super::names::{arn, attribute, reference};
use super::role::document;
use super::{Application, BUS, Tree, map};
use crate::project::deploy::Bus;

/// The logical ids of the archive, and of the queue and the rule for its replays.
const ARCHIVE: &str = "EventArchive";
const QUEUE: &str = "ArchivedEvents";
const RULE: &str = "ArchivedEventsRule";

/// The beginning of the names of the replays that the rule takes.
pub(crate) const REPLAYS: &str = "cargo-eg-events-";

/// How long replayed events wait to be read, in seconds. What nobody has read by then was not wanted.
const KEPT: u32 = 3_600;

/// The names of the outputs by which the archive is read.
pub(crate) struct ArchiveOutputs {
    /// The ARN of the archive.
    pub(crate) archive: &'static str,
    /// The ARN of the rule that takes replays.
    pub(crate) rule: &'static str,
    /// The URL of the queue with replayed events.
    pub(crate) queue: &'static str,
}

pub(crate) const OUTPUTS: ArchiveOutputs =
    ArchiveOutputs { archive: "EventArchiveArn", rule: "ArchivedEventsRuleArn", queue: "ArchivedEventsUrl" };

/// Whether the stack has an archive.
pub(super) fn has_archive(application: &Application<'_>) -> bool {
    application.stage.archive.is_some() && application.has_bus() && application.stage.bus == Bus::Own
}

/// Adds the archive, if the stage wants one.
pub(super) fn archive(application: &Application<'_>, builder: &mut Builder) {
    let Some(days) = application.stage.archive else { return };
    if !has_archive(application) {
        builder.notes.push(match (&application.stage.bus, application.is_behind_gateway()) {
            (_, true) => "`archive` has no effect: the gateway keeps its own history".to_owned(),
            (Bus::Existing(name), _) => {
                format!("`archive` has no effect: the bus `{name}` is not the stack's, so its owner decides what is archived")
            }
            (Bus::Own, _) => "`archive` has no effect: no function emits events or receives any".to_owned(),
        });
        return;
    }
    let what = "the archive of events";
    let properties = map! {
        "Description" => "The events of the bus, for cargo eg events",
        "SourceArn" => arn(BUS),
        "RetentionDays" => days,
    };
    builder.add(ARCHIVE.to_owned(), what, resource("AWS::Events::Archive", properties));
    let queue = map! { "MessageRetentionPeriod" => KEPT, "SqsManagedSseEnabled" => true };
    let queue = queue.with("Tags", application.tags(&[]));
    builder.add(QUEUE.to_owned(), what, resource("AWS::SQS::Queue", queue));
    let replays = map! { "replay-name" => vec![map! { "prefix" => REPLAYS }] };
    let rule = map! {
        "EventBusName" => reference(BUS),
        "EventPattern" => replays,
        "Targets" => vec![map! { "Id" => "queue", "Arn" => arn(QUEUE) }],
    };
    builder.add(RULE.to_owned(), what, resource("AWS::Events::Rule", rule));
    let statement = map! {
        "Sid" => "ReplaysAreRead",
        "Effect" => "Allow",
        "Principal" => map! { "Service" => "events.amazonaws.com" },
        "Action" => "sqs:SendMessage",
        "Resource" => arn(QUEUE),
        "Condition" => map! { "ArnEquals" => map! { "aws:SourceArn" => arn(RULE) } },
    };
    let policy = map! { "Queues" => vec![reference(QUEUE)], "PolicyDocument" => document(vec![statement]) };
    builder.add(format!("{QUEUE}Policy"), what, resource("AWS::SQS::QueuePolicy", policy));
}

/// Returns the outputs by which the archive is read, each with a description.
pub(super) fn outputs(application: &Application<'_>) -> Vec<(&'static str, &'static str, Tree)> {
    if !has_archive(application) {
        return Vec::new();
    }
    vec![
        (OUTPUTS.archive, "The archive of the events", attribute(ARCHIVE, "Arn")),
        (OUTPUTS.rule, "The rule that takes replays of the archive", attribute(RULE, "Arn")),
        (OUTPUTS.queue, "The queue with replayed events", reference(QUEUE)),
    ]
}
