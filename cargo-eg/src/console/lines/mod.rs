//! Formats each activity as one line that names its cause. `causes` keeps track of the causes.

use std::time::Duration;

use eg_gateway::{Activity, DeliveryOutcome};
use eg_grammar::EVENT_RECEIVED;
use eg_local::TriggerActivity;
use eg_sdk::manifest::HTTP_REQUEST;

use super::causes::Causes;
use super::text::{BOLD, DIM, GREEN, RED, YELLOW, count, one_line, short};

/// The lines of the live feed.
#[derive(Debug, Default)]
pub(crate) struct Live {
    causes: Causes,
}

impl Live {
    /// Returns the line for an activity of the gateway; none for the start of a call.
    pub(crate) fn activity(&mut self, activity: &Activity) -> Option<String> {
        if repeats_a_line(activity) {
            return None;
        }
        self.causes.learn(activity);
        let cause = self.causes.of(activity).map(|cause| format!(" {DIM}← {cause}{DIM:#}"));
        line(activity, &cause.unwrap_or_default())
    }

    /// Returns the line for an activity of a queue or schedule; none for the start of a call.
    pub(crate) fn trigger(&mut self, activity: &TriggerActivity) -> Option<String> {
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

/// Formats an activity as one line that names its `cause`.
fn line(activity: &Activity, cause: &str) -> Option<String> {
    let line = match activity {
        Activity::Asked { .. } | Activity::Unknown => return None,
        Activity::Received { event_type, method, path, subscribers: 0, .. } if event_type == HTTP_REQUEST => {
            format!("{BOLD}{method} {path}{BOLD:#}: nobody answers it")
        }
        Activity::Received { id, event_type, source, subscribers, .. } => {
            let to = match subscribers {
                0 => "nobody subscribes to it".to_owned(),
                1 => "1 subscription".to_owned(),
                count => format!("{count} subscriptions"),
            };
            format!("{BOLD}{event_type}{BOLD:#} {DIM}{}{DIM:#} from {source}{cause}: {to}", short(id))
        }
        Activity::Answered { method, path, event_type, function, status, duration, .. } => {
            let style = match status {
                0..400 => GREEN,
                400..500 => YELLOW,
                _ => RED,
            };
            let event = if event_type == HTTP_REQUEST { String::new() } else { format!(" {event_type}") };
            let function = function.as_deref().unwrap_or("no function");
            format!(
                "{BOLD}{method} {path}{BOLD:#}{event} → {function} {style}{status}{style:#} {DIM}{}{DIM:#}{cause}",
                span(*duration)
            )
        }
        Activity::Delivery { event_id, event_type, function, attempt, duration, outcome } => {
            let begin =
                format!("{BOLD}{event_type}{BOLD:#} {DIM}{}{DIM:#}{cause} → {function}", short(event_id));
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
        Activity::Duplicate { id, event_type, source } => {
            let event = format!("{BOLD}{event_type}{BOLD:#} {DIM}{}{DIM:#}", short(id));
            format!("{event} from {source}: accepted before, not delivered again")
        }
        Activity::Filtered { event_id, event_type, function, mismatch } => {
            let event = format!("{BOLD}{event_type}{BOLD:#} {DIM}{}{DIM:#}{cause}", short(event_id));
            format!("{event} → {function} filtered out: its filter on {} does not match", mismatch.clause)
        }
        Activity::Disabled { subscription, reason, .. } => {
            format!("{RED}subscription disabled{RED:#} {subscription}: {}", one_line(reason))
        }
        Activity::Redriven { deliveries, .. } => format!("{} delivered again", dead_letters(*deliveries)),
        Activity::Discarded { deliveries, .. } => format!("{} discarded", dead_letters(*deliveries)),
        Activity::Replayed { replay, events, deliveries, .. } => {
            format!("replay {replay}: {events} events, {deliveries} deliveries")
        }
        Activity::CircuitOpened { function, .. } => {
            format!("{function} {RED}keeps failing{RED:#}: it is tried once a second until it succeeds")
        }
        Activity::CircuitClosed { function, .. } => format!("{function} {GREEN}works again{GREEN:#}"),
    };
    Some(line)
}

fn dead_letters(count: usize) -> String {
    if count == 1 { "1 dead letter".to_owned() } else { format!("{count} dead letters") }
}

fn trigger_line(activity: &TriggerActivity) -> Option<String> {
    let line = match activity {
        TriggerActivity::Calling { .. } => return None,
        TriggerActivity::Batch { queue, function, messages, failed, error, again, duration } => {
            let begin = format!("{BOLD}queue {queue}{BOLD:#} → {function} {}", count(*messages, "message"));
            let time = format!("{DIM}{}{DIM:#}", span(*duration));
            let again = if again.is_zero() { "now".to_owned() } else { format!("in {}", span(*again)) };
            match (error, failed) {
                (Some(error), _) => {
                    format!("{begin} {YELLOW}failed{YELLOW:#} {time}: {}; again {again}", one_line(error))
                }
                (None, 0) => format!("{begin} {GREEN}handled{GREEN:#} {time}"),
                (None, failed) => format!("{begin} {YELLOW}{failed} failed{YELLOW:#} {time}; again {again}"),
            }
        }
        TriggerActivity::DeadLettered { queue, message, receives } => format!(
            "{BOLD}queue {queue}{BOLD:#} {DIM}{}{DIM:#} {RED}dead letter{RED:#}: received {receives} times; `cargo eg dead-letters --queue {queue}` lists it",
            short(message)
        ),
        TriggerActivity::QueueFailed { queue, error } => {
            format!("{BOLD}queue {queue}{BOLD:#} {RED}failed{RED:#}: {}", one_line(error))
        }
        TriggerActivity::Scheduled { schedule, function, failure, duration } => {
            let begin = format!("{BOLD}{schedule}{BOLD:#} → {function}");
            let time = format!("{DIM}{}{DIM:#}", span(*duration));
            match failure {
                None => format!("{begin} {GREEN}done{GREEN:#} {time}"),
                Some((error, Some(again))) => format!(
                    "{begin} {YELLOW}failed{YELLOW:#} {time}: {}; again in {}",
                    one_line(error),
                    span(*again)
                ),
                Some((error, None)) => {
                    format!("{begin} {RED}given up{RED:#} {time}: {}", one_line(error))
                }
            }
        }
    };
    Some(line)
}

pub(super) fn span(duration: Duration) -> String {
    match duration.as_secs_f64() {
        seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1000.0),
        seconds if seconds < 60.0 => format!("{seconds:.1} s"),
        seconds => format!("{:.1} min", seconds / 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(activity: &Activity, expected: &str) {
        check_next(&mut Live::default(), activity, expected);
    }

    #[track_caller]
    fn check_next(live: &mut Live, activity: &Activity, expected: &str) {
        let line = live.activity(activity).unwrap();
        assert_eq!(anstream::adapter::strip_str(&line).to_string(), expected);
    }

    fn delivery(attempt: u32, outcome: DeliveryOutcome) -> Activity {
        Activity::Delivery {
            event_id: "0199aa00-0000-7000-8000-00000abcdef1".to_owned(),
            event_type: "user.created".to_owned(),
            function: "emails-send".to_owned(),
            attempt,
            duration: Duration::from_micros(4_230),
            outcome,
        }
    }

    #[test]
    fn the_report_of_an_accepted_event_repeats_no_line() {
        let received = Activity::Received {
            id: "1".to_owned(),
            event_type: EVENT_RECEIVED.to_owned(),
            source: "/gateway".to_owned(),
            method: "POST".to_owned(),
            path: "/".to_owned(),
            subscribers: 1,
            cause: None,
        };
        assert_eq!(Live::default().activity(&received), None);
        let report = |outcome| match delivery(1, outcome) {
            Activity::Delivery { event_id, function, attempt, duration, outcome, .. } => {
                let event_type = EVENT_RECEIVED.to_owned();
                Activity::Delivery { event_id, event_type, function, attempt, duration, outcome }
            }
            other => other,
        };
        assert_eq!(Live::default().activity(&report(DeliveryOutcome::Delivered)), None);
        let failed = report(DeliveryOutcome::Dead { reason: "no luck".to_owned() });
        assert!(Live::default().activity(&failed).unwrap().contains("no luck"));
    }

    #[test]
    fn every_activity_is_one_line() {
        let received = |id: &str, subscribers| Activity::Received {
            id: id.to_owned(),
            event_type: "user.created".to_owned(),
            source: "/services/users".to_owned(),
            method: "POST".to_owned(),
            path: "/".to_owned(),
            subscribers,
            cause: None,
        };
        check(&received("order-1", 0), "user.created order-1 from /services/users: nobody subscribes to it");
        check(
            &received("0199aa00-0000-7000-8000-00000abcdef1", 2),
            "user.created 0abcdef1 from /services/users: 2 subscriptions",
        );
        let unanswered = Activity::Received {
            id: "0199aa00-0000-7000-8000-00000abcdef1".to_owned(),
            event_type: HTTP_REQUEST.to_owned(),
            source: "https://serverless.com/event-gateway/#transformationVersion=0.1".to_owned(),
            method: "GET".to_owned(),
            path: "/nowhere".to_owned(),
            subscribers: 0,
            cause: None,
        };
        check(&unanswered, "GET /nowhere: nobody answers it");
        let answered = |event_type: &str| Activity::Answered {
            id: "0199aa00-0000-7000-8000-00000abcdef1".to_owned(),
            method: "POST".to_owned(),
            path: "/users".to_owned(),
            event_type: event_type.to_owned(),
            function: Some("users-create_user".to_owned()),
            status: 200,
            duration: Duration::from_millis(1500),
        };
        check(&answered(HTTP_REQUEST), "POST /users → users-create_user 200 1.5 s");
        check(&answered("user.check"), "POST /users user.check → users-create_user 200 1.5 s");
        check(
            &delivery(1, DeliveryOutcome::Delivered),
            "user.created 0abcdef1 → emails-send delivered 4.2 ms",
        );
        let retry = DeliveryOutcome::Retry { error: "no\n mail".to_owned(), after: Duration::from_secs(2) };
        check(
            &delivery(2, retry),
            "user.created 0abcdef1 → emails-send failed at attempt 2 4.2 ms: no mail; again in 2.0 s",
        );
        let dead = DeliveryOutcome::Dead { reason: "rejected".to_owned() };
        check(&delivery(1, dead), "user.created 0abcdef1 → emails-send dead letter: rejected");
    }

    #[test]
    fn so_is_what_is_changed_and_what_keeps_failing() {
        let (space, function) = ("default".to_owned(), "crm-add".to_owned());
        check(
            &Activity::CircuitOpened { space: space.clone(), function: function.clone() },
            "crm-add keeps failing: it is tried once a second until it succeeds",
        );
        check(&Activity::CircuitClosed { space: space.clone(), function }, "crm-add works again");
        check(&Activity::Redriven { space: space.clone(), deliveries: 1 }, "1 dead letter delivered again");
        check(&Activity::Discarded { space: space.clone(), deliveries: 2 }, "2 dead letters discarded");
        let (replay, reason) = ("r-1".to_owned(), "gone\n(410)".to_owned());
        check(
            &Activity::Replayed { space: space.clone(), replay, events: 3, deliveries: 6 },
            "replay r-1: 3 events, 6 deliveries",
        );
        let subscription = "s-1".to_owned();
        check(&Activity::Disabled { space, subscription, reason }, "subscription disabled s-1: gone (410)");
    }

    #[test]
    fn what_a_function_emits_names_what_it_was_called_for() {
        let mut live = Live::default();
        let asked = Activity::Asked {
            id: "request-1".to_owned(),
            event_type: HTTP_REQUEST.to_owned(),
            method: "POST".to_owned(),
            path: "/users".to_owned(),
            cause: None,
        };
        assert_eq!(live.activity(&asked), None, "its line comes with its answer");
        let received = Activity::Received {
            id: "0199aa00-0000-7000-8000-00000abcdef1".to_owned(),
            event_type: "user.created".to_owned(),
            source: "/services/users".to_owned(),
            method: "POST".to_owned(),
            path: "/".to_owned(),
            subscribers: 1,
            cause: Some("request-1".to_owned()),
        };
        check_next(
            &mut live,
            &received,
            "user.created 0abcdef1 from /services/users ← POST /users: 1 subscription",
        );
        let retry = DeliveryOutcome::Retry { error: "no mail".to_owned(), after: Duration::from_secs(2) };
        check_next(
            &mut live,
            &delivery(1, retry),
            "user.created 0abcdef1 ← POST /users → emails-send failed 4.2 ms: no mail; again in 2.0 s",
        );
        check_next(
            &mut live,
            &delivery(2, DeliveryOutcome::Delivered),
            "user.created 0abcdef1 ← POST /users → emails-send delivered at attempt 2 4.2 ms",
        );
    }

    #[test]
    fn so_is_every_trigger_activity() {
        let check = |one: &TriggerActivity, expected: &str| {
            assert_eq!(anstream::adapter::strip_str(&trigger_line(one).unwrap()).to_string(), expected);
        };
        let batch = |failed, error: Option<&str>| TriggerActivity::Batch {
            queue: "orders".to_owned(),
            function: "shop-ship".to_owned(),
            messages: 3,
            failed,
            error: error.map(str::to_owned),
            again: Duration::from_secs(30),
            duration: Duration::from_millis(4),
        };
        check(&batch(0, None), "queue orders → shop-ship 3 messages handled 4.0 ms");
        check(&batch(1, None), "queue orders → shop-ship 3 messages 1 failed 4.0 ms; again in 30.0 s");
        check(
            &batch(3, Some("no\n stock")),
            "queue orders → shop-ship 3 messages failed 4.0 ms: no stock; again in 30.0 s",
        );
        let buried = TriggerActivity::DeadLettered {
            queue: "orders".to_owned(),
            message: "0199aa00-0000-7000-8000-00000abcdef1".to_owned(),
            receives: 5,
        };
        check(
            &buried,
            "queue orders 0abcdef1 dead letter: received 5 times; `cargo eg dead-letters --queue orders` lists it",
        );
        let scheduled = |failure: Option<(&str, Option<u64>)>| TriggerActivity::Scheduled {
            schedule: "rate(1 minute)".to_owned(),
            function: "shop-sweep".to_owned(),
            failure: failure.map(|(error, again)| (error.to_owned(), again.map(Duration::from_secs))),
            duration: Duration::from_millis(2),
        };
        check(&scheduled(None), "rate(1 minute) → shop-sweep done 2.0 ms");
        check(
            &scheduled(Some(("no broom", Some(60)))),
            "rate(1 minute) → shop-sweep failed 2.0 ms: no broom; again in 1.0 min",
        );
        check(&scheduled(Some(("no broom", None))), "rate(1 minute) → shop-sweep given up 2.0 ms: no broom");
    }
}
