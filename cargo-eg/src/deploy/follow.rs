//! Follows what CloudFormation does with a stack, shows each resource, and returns how it ended.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudformation::primitives::DateTime;
use aws_sdk_cloudformation::types::{ResourceStatus, StackEvent};

use super::contents::STACK;
use super::pace::Pace;
use super::stack::Stack;
use super::target::Target;
use crate::console::progress::{Progress, beside};
use crate::console::signals::Signals;
use crate::console::text::{GREEN, RED, YELLOW, one_line};
use crate::exit::{Exit, Failure, warn};

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Create,
    Update,
    /// An update to an earlier version.
    Return,
    /// AWS undoes an update that has failed.
    Rollback,
    Remove,
}

impl Work {
    /// Returns a hint for somebody who stops following it.
    fn goes_on(self, target: &Target) -> String {
        let (stack, command) = (&target.stack, target.command(self.command()));
        match self {
            Self::Return => format!(
                "AWS continues with stack `{stack}`; look at its events there, because another `{command}` goes back one \
                 version further"
            ),
            _ => format!("AWS continues with stack `{stack}`; run `{command}` later to see the result"),
        }
    }

    /// Returns the command that does it.
    pub(super) fn command(self) -> &'static str {
        match self {
            Self::Create | Self::Update => "deploy",
            Self::Return | Self::Rollback => "rollback",
            Self::Remove => "remove",
        }
    }

    /// Whether a second Ctrl-C makes AWS undo it.
    fn can_be_cancelled(self) -> bool {
        matches!(self, Self::Update | Self::Return)
    }
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The status of the stack.
    pub(crate) status: String,
    /// Why AWS gave up, the first reason first.
    pub(crate) reasons: Vec<String>,
}

/// The status of a stack that is no more.
const DELETED: &str = "DELETE_COMPLETE";

impl Ended {
    pub(super) fn is_failure(&self) -> bool {
        is_failure(&self.status)
    }

    pub(super) fn is_removal(&self) -> bool {
        self.status == DELETED
    }
}

/// Returns the id of the newest event of a stack, after which the next work begins.
pub(crate) async fn newest(stack: &Stack, id: &str) -> Result<Option<String>, Failure> {
    Ok(stack.events(id, None).await?.pop().and_then(|event| event.event_id))
}

/// Follows the stack with the ARN `id` until the work has ended. `names` are the words for resources, by their logical ids.
/// `last` is the id of the newest event before the work.
///
/// After the first Ctrl-C it goes on, the second one cancels an update, and the next one leaves AWS alone with the work.
pub(crate) async fn follow(
    stack: &Stack,
    id: &str,
    mut last: Option<String>,
    work: Work,
    names: &BTreeMap<String, String>,
    signals: &mut Signals,
) -> Result<Ended, Failure> {
    let progress = Progress::begin(match work {
        Work::Create | Work::Update => "deploying",
        Work::Return => "returning to the earlier version",
        Work::Rollback => "returning to the last version",
        Work::Remove => "removing",
    });
    let (mut interrupts, mut reasons, mut pace) = (0, Vec::new(), Pace::new());
    let mut nested = Nested::default();
    loop {
        let events = async {
            let mut events = stack.events(id, last.as_deref()).await?;
            if let Some(newest) = events.last() {
                last.clone_from(&newest.event_id);
            }
            nested.add(stack, id, &mut events).await?;
            Ok(events)
        };
        let events = events.await.map_err(|failure| left_alone(stack, work, failure))?;
        for event in events {
            let status = event.resource_status().map(ResourceStatus::as_str).unwrap_or_default();
            if event.physical_resource_id() == Some(id) {
                if !status.ends_with("_IN_PROGRESS") {
                    if reasons.is_empty() && !is_success(status) {
                        reasons.extend(event.resource_status_reason().map(one_line));
                    }
                    return Ok(Ended { status: status.to_owned(), reasons });
                }
                continue;
            }
            let name = name(&event, names);
            progress.set(format!("{} {name}", status.to_lowercase().replace('_', " ")));
            reasons.extend(show(&event, status, &name));
        }
        if work == Work::Remove {
            let stack = stack.describe(id).await.map_err(|failure| left_alone(stack, work, failure))?;
            if stack.is_none_or(|stack| stack.status == DELETED) {
                return Ok(Ended { status: DELETED.to_owned(), reasons });
            }
        }
        tokio::select! {
            () = pace.wait() => {}
            () = signals.next() => {
                interrupts += 1;
                match (interrupts, work.can_be_cancelled()) {
                    (1, true) => eprintln!("AWS goes on; Ctrl-C again cancels the update"),
                    (1, false) => eprintln!("AWS goes on; Ctrl-C again stops following it"),
                    (2, true) => match stack.cancel().await {
                        Ok(()) => eprintln!(
                            "cancelled: AWS returns to the last version; Ctrl-C again stops following it"
                        ),
                        Err(failure) => warn(&format!(
                            "{}; AWS goes on, and Ctrl-C again stops following it",
                            failure.message()
                        )),
                    },
                    _ => return Err(left_alone(stack, work, Failure::new(Exit::Interrupted, "interrupted"))),
                }
            }
        }
    }
}

/// The nested stacks that have been seen at work.
#[derive(Default)]
struct Nested {
    /// The ids of the newest events, by the ids of the stacks.
    last: BTreeMap<String, Option<String>>,
    /// The stacks that have not ended yet.
    active: BTreeSet<String>,
    /// When the work began.
    since: Option<DateTime>,
}

impl Nested {
    /// Adds the events of nested stacks to those of the stack with the id `own`, in the order of their times: the reason for a
    /// failure precedes the failure of its nested stack.
    async fn add(&mut self, stack: &Stack, own: &str, events: &mut Vec<StackEvent>) -> Result<(), Failure> {
        self.since = self.since.or_else(|| events.first()?.timestamp);
        // A stack that has ended is asked once more.
        let mut asked = self.active.clone();
        for event in events.iter().filter(|event| event.resource_type() == Some(STACK)) {
            let Some(id) = event.physical_resource_id().filter(|id| !id.is_empty() && *id != own) else {
                continue;
            };
            asked.insert(id.to_owned());
            let status = event.resource_status().map(ResourceStatus::as_str).unwrap_or_default();
            if status.ends_with("_IN_PROGRESS") {
                self.active.insert(id.to_owned());
            } else {
                self.active.remove(id);
            }
        }
        for id in asked {
            let last = self.last.entry(id.clone()).or_default();
            let mut new = stack.events(&id, last.as_deref()).await?;
            if let Some(newest) = new.last() {
                last.clone_from(&newest.event_id);
            }
            // The events of the stack itself say how it ends.
            new.retain(|event| {
                event.physical_resource_id() != event.stack_id() && event.timestamp >= self.since
            });
            events.extend(new);
        }
        events.sort_by_key(|event| event.timestamp.map(|time| (time.secs(), time.subsec_nanos())));
        Ok(())
    }
}

/// Adds to a failure that the work goes on.
fn left_alone(stack: &Stack, work: Work, failure: Failure) -> Failure {
    failure.hint(work.goes_on(&stack.target))
}

/// Shows what became of a resource. Returns why it failed.
fn show(event: &StackEvent, status: &str, name: &str) -> Option<String> {
    let (style, word) = match status {
        _ if is_failure(status) => (RED, "failed"),
        "CREATE_COMPLETE" => (GREEN, "created"),
        "UPDATE_COMPLETE" => (YELLOW, "changed"),
        "IMPORT_COMPLETE" => (GREEN, "adopted"),
        "DELETE_COMPLETE" => (RED, "deleted"),
        "DELETE_SKIPPED" => (GREEN, "kept"),
        _ => return None,
    };
    let reason = event.resource_status_reason().map(one_line).filter(|_| is_failure(status));
    let after = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    beside(|| anstream::eprintln!("{style}{word:>8}{style:#} {name}{after}"));
    // What was in progress beside the first failure is cancelled.
    let is_cause = reason.as_ref().is_some_and(|reason| !reason.contains("cancelled"));
    is_cause.then(|| format!("{name}{after}"))
}

/// Whether a resource could not be created, changed or deleted.
fn is_failure(status: &str) -> bool {
    status.ends_with("_FAILED")
}

/// Whether a stack has become what was asked for.
pub(crate) fn is_success(status: &str) -> bool {
    status.ends_with("_COMPLETE") && !status.contains("ROLLBACK")
}

fn name(event: &StackEvent, names: &BTreeMap<String, String>) -> String {
    let id = event.logical_resource_id().unwrap_or_default();
    names.get(id).cloned().unwrap_or_else(|| format!("{} {id}", event.resource_type().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_goes_on_names_its_own_command() {
        let target = Target { stack: "shop".to_owned(), is_stage: true, options: " --stage test".to_owned() };
        for (work, command) in [
            (Work::Create, "deploy"),
            (Work::Update, "deploy"),
            (Work::Rollback, "rollback"),
            (Work::Remove, "remove"),
        ] {
            let command = target.command(command);
            let hint = format!("AWS continues with stack `shop`; run `{command}` later to see the result");
            assert_eq!(work.goes_on(&target), hint);
        }
        assert_eq!(
            Work::Return.goes_on(&target),
            "AWS continues with stack `shop`; look at its events there, because another `cargo eg rollback --stage test` \
             goes back one version further"
        );
    }
}
