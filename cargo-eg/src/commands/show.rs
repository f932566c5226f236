//! `cargo eg show`: explains how an event was delivered to each subscription, with what the functions printed.

use std::fmt::Write as _;

use eg_sdk::EventGateway;
use eg_sdk::history::{
    Attempt, AttemptOutcome, Call, CallFilter, Delivery, DeliveryState, EventDetail, Mismatch,
};

use serde::Serialize;

use super::events::payload;
use super::history::client;
use super::{find, json_line, print};
use crate::cli;
use crate::console::text::{BOLD, DIM, GREEN, RED, YELLOW, clock, columns, one_line, readable, styled};
use crate::exit::Failure;

pub(crate) async fn run(arguments: cli::Show) -> Result<(), Failure> {
    let cli::Show { event, json, gateway } = arguments;
    let gateway = client(gateway.settings())?;
    let mut shown = find::event(&gateway, "show", (&event).into()).await?;
    let calls = calls(&gateway, &shown.event.event_id).await;
    if json {
        return print(&json_line(&Shown { detail: &shown, calls: &calls })?);
    }
    // Sorted by function; the first delivery comes before its replays.
    shown.deliveries.sort_by(|a, b| (&a.function_id, a.delivery_id).cmp(&(&b.function_id, b.delivery_id)));
    print(&explain(&shown, &calls))
}

/// The output for programs.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    detail: &'a EventDetail,
    calls: &'a [Call],
}

/// The number of calls of the event whose logs are shown.
const CALLS: usize = 500;

/// Returns the calls with the event that the gateway still knows. It may be too old to keep any, and that is no failure.
async fn calls(gateway: &EventGateway, event: &str) -> Vec<Call> {
    let filter = CallFilter { event: Some(event.to_owned()), ..CallFilter::default() };
    gateway.history().calls(&filter, None, CALLS).await.map(|page| page.calls).unwrap_or_default()
}

/// Describes the event, then each of its deliveries.
fn explain(detail: &EventDetail, calls: &[Call]) -> String {
    let EventDetail { event, deliveries } = detail;
    let mut text = format!("{BOLD}{}{BOLD:#} {}\n", event.event_type, event.event_id);
    let place = format!("{} {}", event.method, event.path);
    let mut rows = vec![["source", event.source.as_str()]];
    rows.extend(event.subject.as_deref().map(|subject| ["subject", subject]));
    let accepted = clock(event.accepted_at);
    rows.push(["accepted", &accepted]);
    if place != "POST /" {
        rows.push(["request", &place]);
    }
    let data = payload(&event.event);
    if !data.is_empty() {
        rows.push(["data", &data]);
    }
    text += &indented(&columns(
        &rows.iter().map(|[name, value]| [styled(DIM, name), one_line(value)]).collect::<Vec<_>>(),
    ));
    if deliveries.is_empty() {
        text += "\nno delivery: no subscription matched the event when it was accepted\n";
    }
    for delivery in deliveries {
        let _ = write!(text, "\n{}", one(delivery, calls));
    }
    text
}

fn one(delivery: &Delivery, calls: &[Call]) -> String {
    let mut text = format!("{BOLD}{}{BOLD:#} {}\n", delivery.function_id, verdict(delivery));
    let mut notes = Vec::new();
    notes.extend(delivery.replay.as_ref().map(|replay| format!("replayed by {replay}")));
    if delivery.edited {
        notes.push("the event was edited before this delivery".to_owned());
    }
    notes.extend(delivery.discarded_at.map(|at| format!("discarded at {}", clock(at))));
    for note in notes {
        let _ = writeln!(text, "  {note}");
    }
    let rows = columns(&delivery.attempts.iter().map(attempt).collect::<Vec<_>>());
    for (row, attempt) in rows.lines().zip(&delivery.attempts) {
        text += &indented(row);
        let call = calls.iter().find(|call| {
            call.delivery_id == Some(delivery.delivery_id) && call.attempt == Some(attempt.number)
        });
        for line in call.and_then(Call::printed).iter().flat_map(|printed| printed.lines()) {
            let _ = writeln!(text, "    {DIM}|{DIM:#} {}", readable(line.as_bytes()));
        }
    }
    if let Some(mismatch) = &delivery.mismatch {
        text += &indented(&clause(mismatch));
    }
    if delivery.state.loss().is_some() && delivery.discarded_at.is_none() {
        let _ = writeln!(text, "  {DIM}cargo eg dead-letters retry {}{DIM:#}", delivery.delivery_id);
    }
    text
}

/// Describes the state of a delivery and its reason.
fn verdict(delivery: &Delivery) -> String {
    let tries = match delivery.attempts.len() {
        0 | 1 => String::new(),
        count => format!(" at attempt {count}"),
    };
    let because =
        delivery.reason.as_deref().map(|reason| format!(": {}", one_line(reason))).unwrap_or_default();
    match delivery.state {
        DeliveryState::Delivered => format!("{GREEN}delivered{GREEN:#}{tries}"),
        DeliveryState::Filtered => format!("{YELLOW}not delivered{YELLOW:#}: its filter does not match"),
        DeliveryState::Dead => format!("{RED}dead letter {}{RED:#}{because}", delivery.delivery_id),
        DeliveryState::Expired => format!("{RED}expired{RED:#}{because}"),
        DeliveryState::Pending => match (delivery.next_attempt_at, delivery.waits_for_earlier) {
            (_, true) => format!("{YELLOW}pending{YELLOW:#}: waits for an earlier event with the same key"),
            (Some(at), _) if delivery.attempts.is_empty() => {
                format!("{YELLOW}pending{YELLOW:#}: due since {}", clock(at))
            }
            (Some(at), _) => format!("{YELLOW}pending{YELLOW:#}: next attempt at {}", clock(at)),
            (None, _) => format!("{YELLOW}pending{YELLOW:#}: due now"),
        },
        DeliveryState::InFlight => format!("{YELLOW}in flight{YELLOW:#}"),
    }
}

pub(super) fn attempt(attempt: &Attempt) -> [String; 4] {
    let Attempt { number, started_at, duration, outcome, error } = attempt;
    let outcome = match outcome {
        AttemptOutcome::Delivered => styled(GREEN, outcome.as_str()),
        AttemptOutcome::Failed => styled(YELLOW, outcome.as_str()),
        AttemptOutcome::InFlight | AttemptOutcome::Interrupted => outcome.as_str().to_owned(),
    };
    let duration = duration.map(|duration| format!("after {} ms", duration.as_millis())).unwrap_or_default();
    let error = error.as_deref().map(|error| format!(": {}", one_line(error))).unwrap_or_default();
    [format!("attempt {number}"), styled(DIM, &clock(*started_at)), outcome, format!("{duration}{error}")]
}

fn clause(mismatch: &Mismatch) -> String {
    let Mismatch { clause, value, expected, .. } = mismatch;
    let is = match value {
        _ if clause == "$or" => "no alternative of the filter matches".to_owned(),
        Some(value) => format!("{clause} is {value}"),
        None => format!("the event has no {clause}"),
    };
    format!("{is}\nthe filter requires {expected}\n")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shown(deliveries: &Value) -> String {
        let history = json!({
            "eventId": "0199-f3ee5fc1", "eventType": "user.created", "source": "/users", "subject": "users/10",
            "method": "POST", "path": "/", "acceptedAt": "2026-01-31T12:00:00.5Z",
            "event": {"data": {"id": "10"}}, "deliveries": deliveries,
        });
        let detail = serde_json::from_str(&history.to_string()).unwrap();
        let call = json!({"callId": 1, "functionId": "emails-send", "trigger": "user.created", "deliveryId": 7, "attempt": 2,
            "startedAt": "2026-01-31T12:00:01Z", "durationMs": 12, "log": "START RequestId: 1\nTo: \u{1b}[31mDonald\nEND RequestId: 1\n"});
        let calls = [serde_json::from_value(call).unwrap()];
        anstream::adapter::strip_str(&explain(&detail, &calls)).to_string()
    }

    #[test]
    fn every_state_says_why() {
        let head = "user.created 0199-f3ee5fc1\n  source    /users\n  subject   users/10\n  \
                    accepted  2026-01-31 12:00:00.500\n  data      {\"id\":\"10\"}\n\n";
        let check = |members: Value, expected: &str| {
            let mut delivery = json!({"deliveryId": 7, "subscriptionId": "s", "functionId": "emails-send", "matched": true, "attempts": []});
            delivery.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            assert_eq!(shown(&json!([delivery])), format!("{head}{expected}"));
        };
        let attempt = |number: u32, outcome: &str, error: Option<&str>| json!({"number": number, "startedAt": "2026-01-31T12:00:01Z", "durationMs": 12, "outcome": outcome, "error": error});
        check(
            json!({"state": "delivered", "attempts": [attempt(1, "failed", Some("HTTP status 500:\n boom")), attempt(2, "delivered", None)]}),
            "emails-send delivered at attempt 2\n  \
             attempt 1  2026-01-31 12:00:01.000  failed     after 12 ms: HTTP status 500: boom\n  \
             attempt 2  2026-01-31 12:00:01.000  delivered  after 12 ms\n    | To: Donald\n",
        );
        check(
            json!({"state": "pending", "nextAttemptAt": "2026-01-31T12:00:09Z", "attempts": [attempt(1, "failed", Some("boom"))]}),
            "emails-send pending: next attempt at 2026-01-31 12:00:09.000\n  \
             attempt 1  2026-01-31 12:00:01.000  failed  after 12 ms: boom\n",
        );
        check(
            json!({"state": "pending", "waitsForEarlier": true}),
            "emails-send pending: waits for an earlier event with the same key\n",
        );
        check(
            json!({"state": "filtered", "mismatch": {"clause": "data.amount", "value": 5, "expected": [{"numeric": [">", 10]}]}}),
            "emails-send not delivered: its filter does not match\n  data.amount is 5\n  the filter requires [{\"numeric\":[\">\",10]}]\n",
        );
        check(
            json!({"state": "filtered", "mismatch": {"clause": "subject", "expected": ["a"]}}),
            "emails-send not delivered: its filter does not match\n  the event has no subject\n  the filter requires [\"a\"]\n",
        );
        check(
            json!({"state": "dead", "reason": "rejected: no address", "attempts": [attempt(1, "failed", Some("no address"))]}),
            "emails-send dead letter 7: rejected: no address\n  \
             attempt 1  2026-01-31 12:00:01.000  failed  after 12 ms: no address\n  cargo eg dead-letters retry 7\n",
        );
        check(
            json!({"state": "dead", "reason": "gone", "discardedAt": "2026-01-31T13:00:00Z", "replay": "r-1", "edited": true}),
            "emails-send dead letter 7: gone\n  replayed by r-1\n  the event was edited before this delivery\n  \
             discarded at 2026-01-31 13:00:00.000\n",
        );
        assert_eq!(
            shown(&json!([])),
            format!("{head}no delivery: no subscription matched the event when it was accepted\n")
        );
    }
}
