//! Formats each activity as one line that names its cause. `causes` keeps track of the causes; `functions` formats what
//! functions print.

use std::collections::HashMap;
use std::time::Duration;

use eg_gateway::{Activity, DeliveryOutcome};
use eg_grammar::{EVENT_RECEIVED, is_system_event_type};
use eg_local::TriggerActivity;
use eg_local::emulator::Stream;
use eg_sdk::manifest::HTTP_REQUEST;

use super::causes::Causes;
use super::functions::Functions;
use super::text::{BOLD, DIM, GREEN, RED, YELLOW, count, one_line, printable, readable, short};

/// The lines of the live view.
#[derive(Debug, Default)]
pub(crate) struct Live {
    causes: Causes,
    functions: Functions,
    /// Whether the lines that functions print are left out.
    quiet: bool,
    /// With `quiet`: the last line that each function printed on standard error. It is the best explanation for an
    /// answer that only says that something is wrong.
    last_words: HashMap<String, String>,
}

impl Live {
    /// Creates a live view. With `quiet`, it leaves out the lines that functions print.
    pub(super) fn new(quiet: bool) -> Self {
        Self { quiet, ..Self::default() }
    }

    /// Sets the functions that run from now on.
    pub(super) fn know(&mut self, functions: Functions) {
        self.functions = functions;
        self.last_words.clear();
    }

    /// Returns the line for a line that a function printed.
    pub(super) fn printed(&mut self, function: &str, stream: Stream, line: &[u8]) -> Option<String> {
        if !self.quiet {
            return Some(self.functions.line(function, line));
        }
        if stream == Stream::Stderr {
            self.last_words.insert(function.to_owned(), readable(line));
        }
        None
    }

    /// Returns the line for an activity of the gateway; none for the start of a call.
    pub(super) fn activity(&mut self, activity: &Activity) -> Option<String> {
        if repeats_a_line(activity) {
            return None;
        }
        self.causes.learn(activity);
        let cause = self.causes.of(activity).map(|cause| format!(" {DIM}← {}{DIM:#}", printable(cause)));
        let mut line = line(activity, &cause.unwrap_or_default())?;
        if let Activity::Answered { function: Some(function), status, reason, .. } = activity {
            let said = self.last_words.remove(function);
            if let (500.., None, Some(said)) = (status, reason, said) {
                line += &format!(": {said}");
            }
        }
        Some(line)
    }

    /// Returns the line for an activity of a queue or schedule; none for the start of a call.
    pub(super) fn trigger(&mut self, activity: &TriggerActivity) -> Option<String> {
        self.causes.learn_call(activity);
        trigger_line(activity)
    }
}

/// Whether an activity is about the gateway's report of an accepted event. That event has a line of its own, so the
/// report has none, and neither have its deliveries unless they fail.
fn repeats_a_line(activity: &Activity) -> bool {
    let (Activity::Received { event_type, .. }
    | Activity::Delivery { event_type, outcome: DeliveryOutcome::Delivered, .. }) = activity
    else {
        return false;
    };
    event_type == EVENT_RECEIVED
}

/// Formats an event: its type and the end of its id.
fn event(event_type: &str, id: &str) -> String {
    format!("{BOLD}{}{BOLD:#} {DIM}{}{DIM:#}", printable(event_type), printable(short(id)))
}

fn request(method: &str, path: &str) -> String {
    format!("{BOLD}{} {}{BOLD:#}", printable(method), printable(path))
}

/// Formats an activity as one line that names its `cause`.
fn line(activity: &Activity, cause: &str) -> Option<String> {
    let line = match activity {
        Activity::Asked { .. } | Activity::Unknown => return None,
        Activity::Unrouted { method, path, status, hint } => {
            let hint = if hint.is_empty() { String::new() } else { format!("; {}", printable(hint)) };
            format!("{} {YELLOW}{status}{YELLOW:#}: no function answers it{hint}", request(method, path))
        }
        Activity::Received { event_id: id, event_type, source, subscribers, .. } => {
            let to = match subscribers {
                0 => "nobody subscribes to it".to_owned(),
                1 => "1 subscription".to_owned(),
                count => format!("{count} subscriptions"),
            };
            // The source of these events is a long URL, the same for all.
            let source = if is_system_event_type(event_type) { "the gateway" } else { source };
            format!("{} from {}{cause}: {to}", event(event_type, id), printable(source))
        }
        Activity::Answered { method, path, event_type, function, status, duration, reason, .. } => {
            let style = match status {
                0..400 => GREEN,
                400..500 => YELLOW,
                _ => RED,
            };
            let what = if event_type == HTTP_REQUEST {
                String::new()
            } else {
                format!(" {}", printable(event_type))
            };
            let reason =
                reason.as_deref().map(|reason| format!(": {}", one_line(reason))).unwrap_or_default();
            format!(
                "{}{what} → {} {style}{status}{style:#} {DIM}{}{DIM:#}{cause}{reason}",
                request(method, path),
                printable(function.as_deref().unwrap_or("no function")),
                span(*duration)
            )
        }
        Activity::Delivery { event_id, event_type, function, attempt, duration, outcome } => {
            let begin = format!("{}{cause} → {}", event(event_type, event_id), printable(function));
            let nth = if *attempt > 1 { format!(" at attempt {attempt}") } else { String::new() };
            let duration = span(*duration);
            match outcome {
                DeliveryOutcome::Delivered => {
                    format!("{begin} {GREEN}delivered{GREEN:#}{nth} {DIM}{duration}{DIM:#}")
                }
                DeliveryOutcome::Retry { error, after } => format!(
                    "{begin} {YELLOW}failed{YELLOW:#}{nth} {DIM}{duration}{DIM:#}: {}; again in {}",
                    one_line(error),
                    span(*after)
                ),
                DeliveryOutcome::Dead { reason } => {
                    format!("{begin} {RED}dead letter{RED:#}{nth}: {}", one_line(reason))
                }
                DeliveryOutcome::Expired { reason } => {
                    format!("{begin} {RED}expired{RED:#}{nth}: {}", one_line(reason))
                }
            }
        }
        Activity::Duplicate { event_id: id, event_type, source, conflict } => {
            let (event, source) = (event(event_type, id), printable(source));
            let conflict = if *conflict {
                format!(", although {YELLOW}its payload differs{YELLOW:#}: give each event an id of its own")
            } else {
                String::new()
            };
            format!("{event} from {source}: accepted before, not delivered again{conflict}")
        }
        Activity::Filtered { event_id, event_type, function, mismatch } => format!(
            "{}{cause} → {} filtered out: its filter on {} does not match",
            event(event_type, event_id),
            printable(function),
            printable(&mismatch.clause)
        ),
        Activity::Disabled { subscription, reason, .. } => {
            let (subscription, reason) = (printable(subscription), one_line(reason));
            format!("{RED}subscription disabled{RED:#} {subscription}: {reason}")
        }
        Activity::Redriven { deliveries, .. } => {
            format!("{} delivered again", count(*deliveries, "dead letter"))
        }
        Activity::Discarded { deliveries, .. } => format!("{} discarded", count(*deliveries, "dead letter")),
        Activity::Replayed { replay, events, deliveries, .. } => {
            let (events, deliveries) = (count(*events, "event"), count(*deliveries, "delivery"));
            format!("replay {}: {events}, {deliveries}", printable(replay))
        }
        Activity::CircuitOpened { function, .. } => {
            let function = printable(function);
            format!("{function} {RED}keeps failing{RED:#}: it is tried once a second until it succeeds")
        }
        Activity::CircuitClosed { function, .. } => {
            format!("{} {GREEN}works again{GREEN:#}", printable(function))
        }
    };
    Some(line)
}

fn trigger_line(activity: &TriggerActivity) -> Option<String> {
    let line = match activity {
        TriggerActivity::Calling { .. } => return None,
        TriggerActivity::Batch { queue, function, messages, failed, error, again, duration } => {
            let begin =
                format!("{} → {} {}", queue_name(queue), printable(function), count(*messages, "message"));
            let time = format!("{DIM}{}{DIM:#}", span(*duration));
            let again = if again.is_zero() { "now".to_owned() } else { format!("in {}", span(*again)) };
            match (error.as_deref().map(one_line), *failed) {
                (_, 0) => format!("{begin} {GREEN}handled{GREEN:#} {time}"),
                (Some(error), failed) if failed == *messages => {
                    format!("{begin} {YELLOW}failed{YELLOW:#} {time}: {error}; again {again}")
                }
                (Some(error), failed) => {
                    format!("{begin} {YELLOW}{failed} failed{YELLOW:#} {time}: {error}; again {again}")
                }
                (None, failed) => format!("{begin} {YELLOW}{failed} failed{YELLOW:#} {time}; again {again}"),
            }
        }
        TriggerActivity::DeadLettered { queue, message, receives, rejection } => {
            let why = match rejection {
                Some(reason) => format!("rejected: {}", one_line(reason)),
                None => format!("received {receives} times"),
            };
            format!(
                "{} {DIM}{}{DIM:#} {RED}dead letter{RED:#}: {why}; `cargo eg dead-letters --queue {}` lists it",
                queue_name(queue),
                printable(short(message)),
                printable(queue)
            )
        }
        TriggerActivity::QueueFailed { queue, error } => {
            format!("{} {RED}failed{RED:#}: {}", queue_name(queue), one_line(error))
        }
        TriggerActivity::Records { stream, function, records, failure, duration } => {
            let begin = format!(
                "{BOLD}{}{BOLD:#} → {} {}",
                printable(stream),
                printable(function),
                count(*records, "record")
            );
            format!("{begin} {}", ended("handled", failure.as_ref(), *duration))
        }
        TriggerActivity::StreamFailed { stream, error } => {
            format!("{BOLD}{}{BOLD:#} {RED}failed{RED:#}: {}", printable(stream), one_line(error))
        }
        TriggerActivity::Socket { event: ty, connection, function, outcome, duration } => {
            let begin = format!("{} → {}", event(ty, connection), printable(function));
            let time = format!("{DIM}{}{DIM:#}", span(*duration));
            match outcome {
                Ok(status @ 0..400) => format!("{begin} {GREEN}{status}{GREEN:#} {time}"),
                Ok(status) => format!("{begin} {YELLOW}{status}{YELLOW:#} {time}"),
                Err(error) => format!("{begin} {RED}failed{RED:#} {time}: {}", one_line(error)),
            }
        }
        TriggerActivity::Scheduled { schedule, function, failure, duration } => {
            let begin = format!("{BOLD}{}{BOLD:#} → {}", printable(schedule), printable(function));
            format!("{begin} {}", ended("done", failure.as_ref(), *duration))
        }
    };
    Some(line)
}

/// Returns the outcome of a call, and the delay before the next attempt if it failed.
fn ended(done: &str, failure: Option<&(String, Option<Duration>)>, duration: Duration) -> String {
    let time = format!("{DIM}{}{DIM:#}", span(duration));
    match failure {
        None => format!("{GREEN}{done}{GREEN:#} {time}"),
        Some((error, Some(again))) => {
            format!("{YELLOW}failed{YELLOW:#} {time}: {}; again in {}", one_line(error), span(*again))
        }
        Some((error, None)) => format!("{RED}given up{RED:#} {time}: {}", one_line(error)),
    }
}

fn queue_name(queue: &str) -> String {
    format!("{BOLD}queue {}{BOLD:#}", printable(queue))
}

pub(super) fn span(duration: Duration) -> String {
    match duration.as_secs_f64() {
        seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1000.0),
        seconds if seconds < 60.0 => format!("{seconds:.1} s"),
        seconds => format!("{:.1} min", seconds / 60.0),
    }
}

#[cfg(test)]
mod tests;
