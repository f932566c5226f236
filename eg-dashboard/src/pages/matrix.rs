//! The delivery matrix of an event: for each subscription, what happened and why, or why nothing happened. The rules of
//! matching are the gateway's; this module reads its record, and compares the event with the subscriptions of now.

use std::time::Duration;

use eg_grammar::{nearest, routed_type};
use eg_sdk::config::{RetryLimits, Subscription, SubscriptionType};
use eg_sdk::history::{
    AcceptedEvent, Attempt, AttemptOutcome, Call, Delivery, DeliveryState, EventDetail, Mismatch,
};
use maud::{Markup, html};
use time::OffsetDateTime;

use super::logs;
use crate::frame::token;
use crate::retries;
use crate::visitor::Visitor;
use crate::{place, show};

/// The width of the bar of a delivery, in the units of its drawing.
const WIDTH: f64 = 1_000.0;

/// The width of the shortest part of a bar.
const THIN: f64 = 4.0;

/// Why a subscription of today has no delivery of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Absence {
    /// It listens at another method or path: these.
    Elsewhere(String),
    /// It answers its emitters, of which there is no record.
    Synchronous,
    /// It was created after the event was accepted. If it is disabled now, for this reason. One that was disabled then has a
    /// dead letter.
    Later { disabled: Option<String> },
}

impl Absence {
    fn of(event: &AcceptedEvent, subscription: &Subscription) -> Self {
        let same_place =
            subscription.method.eq_ignore_ascii_case(&event.method) && subscription.path == event.path;
        if subscription.kind == SubscriptionType::Sync {
            Self::Synchronous
        } else if same_place {
            Self::Later { disabled: subscription.disabled.clone() }
        } else {
            Self::Elsewhere(format!("{} {}", subscription.method, subscription.path))
        }
    }

    const fn verdict(&self) -> &'static str {
        match self {
            Self::Elsewhere(_) => "other path",
            Self::Synchronous => "synchronous",
            Self::Later { .. } => "created later",
        }
    }

    fn explained(&self, event: &AcceptedEvent) -> String {
        match self {
            Self::Elsewhere(place) => {
                format!("It listens at {place}; this event was posted to {} {}.", event.method, event.path)
            }
            Self::Synchronous => "It answers emitters directly. The history has no record of its calls.".to_owned(),
            Self::Later { disabled: None } => {
                "It did not exist when the event was accepted. A replay delivers the event to it if its filter matches."
                    .to_owned()
            }
            Self::Later { disabled: Some(reason) } => {
                format!("It did not exist when the event was accepted, and it is disabled now: {reason}.")
            }
        }
    }
}

/// Returns a card for each subscription. `calls` are those of the event that the gateway still knows.
pub(crate) fn render(
    visitor: &Visitor,
    detail: &EventDetail,
    subscriptions: &[Subscription],
    default: Option<&RetryLimits>,
    calls: &[Call],
    now: OffsetDateTime,
) -> Markup {
    let EventDetail { event, deliveries } = detail;
    let mut deliveries: Vec<&Delivery> = deliveries.iter().collect();
    // The first delivery comes before its replays.
    deliveries.sort_by(|a, b| (&a.function_id, a.delivery_id).cmp(&(&b.function_id, b.delivery_id)));
    let routed = routed_type(&event.event_type);
    let without = subscriptions.iter().filter(|subscription| {
        subscription.event_type == routed
            && !deliveries.iter().any(|delivery| delivery.subscription_id == subscription.subscription_id)
    });
    let without: Vec<(&Subscription, Absence)> =
        without.map(|subscription| (subscription, Absence::of(event, subscription))).collect();
    html! {
        @if deliveries.is_empty() && without.is_empty() { (nobody(event, subscriptions)) }
        @for one in deliveries {
            @let subscription = subscriptions.iter().find(|known| known.subscription_id == one.subscription_id);
            (delivery(visitor, event, one, subscription, default, calls, now))
        }
        @for (subscription, absence) in &without {
            article .card {
                h3 { (show::text(&subscription.function_id)) " " span .chip .none { (absence.verdict()) } }
                p { (show::text(&absence.explained(event))) }
                @if matches!(absence, Absence::Later { disabled: None }) { (replay(visitor, event, &subscription.subscription_id)) }
            }
        }
    }
}

fn nobody(event: &AcceptedEvent, subscriptions: &[Subscription]) -> Markup {
    let known = subscriptions.iter().map(|subscription| subscription.event_type.as_str());
    let routed = routed_type(&event.event_type);
    let near = nearest(&routed, known.filter(|ty| *ty != routed));
    html! {
        p .empty {
            "No subscription matched this event when it was accepted, and none is for its type today."
            @if let Some(near) = near { " Functions subscribe to " code { (show::text(near)) } ": is the type misspelt?" }
        }
    }
}

fn delivery(
    visitor: &Visitor,
    event: &AcceptedEvent,
    one: &Delivery,
    subscription: Option<&Subscription>,
    default: Option<&RetryLimits>,
    calls: &[Call],
    now: OffsetDateTime,
) -> Markup {
    let space = visitor.gateway.space();
    let is_lost = one.state.loss().is_some() && one.discarded_at.is_none();
    html! {
        article .card {
            h3 {
                (show::text(&one.function_id)) " "
                span .chip .(show::class(one.state)) { (show::word(one.state)) }
                @if let Some(replay) = &one.replay { " " span .chip .none title=(show::text(replay)) { "replay" } }
                @if one.edited { " " span .chip .none { "edited" } }
                @if one.discarded_at.is_some() { " " span .chip .none { "discarded" } }
            }
            @match one.state {
                DeliveryState::Filtered => (mismatch(one.mismatch.as_ref())),
                DeliveryState::Pending => p { (waiting(one, now)) },
                _ => @if let Some(reason) = &one.reason { p .reason { (show::clipped(reason, 2_000)) } },
            }
            @if one.matched { (bar(event.accepted_at, one, now)) (attempts(one, calls, now)) }
            @match subscription {
                None => p .quiet { "The subscription has been deleted." },
                Some(subscription) if one.matched => p .quiet { "Retries: " (retries::in_words(subscription, default)) },
                Some(_) => {},
            }
            @if is_lost {
                div .actions {
                    form method="post" action=(place::in_space(space, &format!("/dead-letters/{}/retry", one.delivery_id))) {
                        (token(visitor)) (back(event)) button { "Retry now" }
                    }
                    a href=(place::in_space(space, &format!("/dead-letters/{}", one.delivery_id))) { "Edit before the retry" }
                }
            } @else if one.state == DeliveryState::Pending && !one.waits_for_earlier && one.next_attempt_at.is_some_and(|at| at > now) {
                div .actions {
                    form method="post" action=(place::in_space(space, &format!("/deliveries/{}/retry", one.delivery_id))) {
                        (token(visitor)) (back(event)) button { "Retry now" }
                    }
                }
            } @else if subscription.is_some() && one.matched {
                (replay(visitor, event, &one.subscription_id))
            }
        }
    }
}

/// Returns the fields that lead back to the event after an action.
fn back(event: &AcceptedEvent) -> Markup {
    html! {
        input type="hidden" name="event" value=(event.event_id);
        input type="hidden" name="source" value=(event.source);
        input type="hidden" name="type" value=(event.event_type);
    }
}

/// Returns the button that replays the event to one subscription.
fn replay(visitor: &Visitor, event: &AcceptedEvent, subscription: &str) -> Markup {
    let AcceptedEvent { event_id, source, event_type, .. } = event;
    html! {
        div .actions {
            form method="post" action=(place::event(visitor.gateway.space(), event_id, source, event_type, "/replay")) {
                (token(visitor))
                input type="hidden" name="subscription" value=(subscription);
                button .plain { "Replay to this function" }
            }
        }
    }
}

fn mismatch(mismatch: Option<&Mismatch>) -> Markup {
    let Some(Mismatch { clause, value, expected, .. }) = mismatch else {
        return html! { p { "The filter of the subscription does not match." } };
    };
    html! {
        p {
            @if clause == "$or" { "No alternative of the filter matches." }
            @else if let Some(value) = value { code { (show::text(clause)) } " is " code { (show::text(&value.to_string())) } "." }
            @else { "The event has no " code { (show::text(clause)) } "." }
            " The filter requires " code { (show::text(&expected.to_string())) } "."
        }
    }
}

fn waiting(one: &Delivery, now: OffsetDateTime) -> String {
    match one.next_attempt_at {
        _ if one.waits_for_earlier => "It waits for an earlier event with the same key.".to_owned(),
        Some(at) if at > now => format!("The next attempt is in {}.", show::span(show::between(now, at))),
        Some(at) => format!("It has been due for {}.", show::span(show::between(at, now))),
        None => "It is due now.".to_owned(),
    }
}

/// What a part of a delivery's time was spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Waiting,
    Running(AttemptOutcome),
    Backoff,
}

impl Part {
    const fn class(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Backoff => "backoff",
            Self::Running(AttemptOutcome::Delivered) => "delivered",
            Self::Running(AttemptOutcome::InFlight) => "running",
            Self::Running(AttemptOutcome::Failed | AttemptOutcome::Interrupted) => "failed",
        }
    }
}

/// Divides the time of a delivery into its parts, in order.
fn parts(accepted_at: OffsetDateTime, one: &Delivery, now: OffsetDateTime) -> Vec<(Part, Duration)> {
    let mut parts = Vec::new();
    // A replay or a redrive starts later than the event: what came before is not its time.
    let mut at = match one.attempts.first() {
        Some(first) if one.replay.is_some() => first.started_at,
        _ => accepted_at,
    };
    for attempt in &one.attempts {
        let kind = if attempt.number == 1 { Part::Waiting } else { Part::Backoff };
        parts.push((kind, show::between(at, attempt.started_at)));
        let is_running = attempt.outcome == AttemptOutcome::InFlight;
        let took = match attempt.duration {
            Some(took) => took,
            None if is_running => show::between(attempt.started_at, now),
            None => Duration::ZERO,
        };
        parts.push((Part::Running(attempt.outcome), took));
        at = attempt.started_at + took;
    }
    if one.state == DeliveryState::Pending {
        let until = one.next_attempt_at.unwrap_or(now).max(now);
        let kind = if one.attempts.is_empty() { Part::Waiting } else { Part::Backoff };
        parts.push((kind, show::between(at, until)));
    }
    parts
}

/// Draws the parts of a delivery's time. Short ones stay visible.
fn bar(accepted_at: OffsetDateTime, one: &Delivery, now: OffsetDateTime) -> Markup {
    let parts = parts(accepted_at, one, now);
    let total: f64 = parts.iter().map(|(_, length)| length.as_secs_f64()).sum();
    if parts.is_empty() {
        return html! {};
    }
    let widths: Vec<f64> = parts
        .iter()
        .map(|(kind, length)| {
            let share = if total > 0.0 { length.as_secs_f64() / total * WIDTH } else { 0.0 };
            if matches!(kind, Part::Running(_)) { share.max(THIN) } else { share }
        })
        .collect();
    let scale = WIDTH / widths.iter().sum::<f64>().max(1.0);
    let mut x = 0.0;
    let placed: Vec<(Part, Duration, f64, f64)> = parts
        .iter()
        .zip(&widths)
        .map(|((kind, length), width)| {
            let (start, width) = (x, width * scale);
            x += width;
            (*kind, *length, start, width)
        })
        .collect();
    let words = in_words(&parts);
    html! {
        svg .bar viewBox="0 0 1000 12" preserveAspectRatio="none" role="img" aria-label=(words) {
            @for (kind, length, x, width) in placed {
                rect .(kind.class()) x=(format!("{x:.1}")) y="0" width=(format!("{width:.1}")) height="12" { title { (show::span(length)) } }
            }
        }
        p .legend .quiet { (words) }
    }
}

/// Says how long a delivery waited, ran and backed off, without what took no time.
fn in_words(parts: &[(Part, Duration)]) -> String {
    let sum = |wanted: fn(Part) -> bool| -> Duration {
        parts.iter().filter(|(kind, _)| wanted(*kind)).map(|(_, length)| *length).sum()
    };
    let sums = [
        ("waiting", sum(|kind| kind == Part::Waiting)),
        ("running", sum(|kind| matches!(kind, Part::Running(_)))),
        ("backoff", sum(|kind| kind == Part::Backoff)),
    ];
    let taken = sums.iter().filter(|(name, sum)| *name == "running" || !sum.is_zero());
    taken.map(|(name, sum)| format!("{name} {}", show::span(*sum))).collect::<Vec<_>>().join(" · ")
}

fn attempts(one: &Delivery, calls: &[Call], now: OffsetDateTime) -> Markup {
    if one.attempts.is_empty() {
        return html! {};
    }
    let call_of = |number: u32| {
        calls.iter().find(|call| call.delivery_id == Some(one.delivery_id) && call.attempt == Some(number))
    };
    html! {
        ol .attempts {
            @for Attempt { number, started_at, duration, outcome, error } in &one.attempts {
                li value=(number) {
                    (show::listed(*started_at, now)) " "
                    span .outcome .(Part::Running(*outcome).class()) { (outcome_in_words(*outcome)) }
                    @if let Some(took) = duration { " after " (show::span(*took)) }
                    @if let Some(status) = call_of(*number).and_then(|call| call.status) { ", status " (status) }
                    @if let Some(error) = error { pre .error { (show::clipped(error, 2_000)) } }
                    @if let Some(call) = call_of(*number) { (logs::left(call)) }
                }
            }
        }
    }
}

const fn outcome_in_words(outcome: AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::InFlight => "in flight",
        AttemptOutcome::Delivered => "delivered",
        AttemptOutcome::Failed => "failed",
        AttemptOutcome::Interrupted => "interrupted by the end of the gateway",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> AcceptedEvent {
        let event = json!({"eventId": "1", "eventType": "a", "source": "/s", "method": "POST", "path": "/",
            "acceptedAt": "2026-01-31T12:00:00Z", "event": {}});
        serde_json::from_str(&event.to_string()).unwrap()
    }

    #[test]
    fn every_absence_has_its_reason() {
        let mut subscription = Subscription::asynchronous("a", "f");
        assert_eq!(Absence::of(&event(), &subscription), Absence::Later { disabled: None });
        subscription.disabled = Some("the function answered 410".to_owned());
        let disabled = Absence::of(&event(), &subscription);
        assert_eq!(
            disabled.explained(&event()),
            "It did not exist when the event was accepted, and it is disabled now: the function answered 410."
        );
        subscription.path = "/orders".to_owned();
        let elsewhere = Absence::of(&event(), &subscription);
        assert_eq!(
            elsewhere.explained(&event()),
            "It listens at POST /orders; this event was posted to POST /."
        );
        assert_eq!(Absence::of(&event(), &Subscription::http("POST", "/", "f")), Absence::Synchronous);
    }

    #[test]
    fn the_time_of_a_delivery_is_divided() {
        let delivery = json!({"deliveryId": 1, "subscriptionId": "s", "functionId": "f", "matched": true,
            "state": "pending", "nextAttemptAt": "2026-01-31T12:00:09Z", "attempts": [
                {"number": 1, "startedAt": "2026-01-31T12:00:01Z", "durationMs": 500, "outcome": "failed", "error": "x"},
                {"number": 2, "startedAt": "2026-01-31T12:00:03Z", "durationMs": 1000, "outcome": "failed", "error": "x"}]});
        let delivery: Delivery = serde_json::from_value(delivery).unwrap();
        let accepted_at = event().accepted_at;
        let failed = Part::Running(AttemptOutcome::Failed);
        let expected = [
            (Part::Waiting, 1_000),
            (failed, 500),
            (Part::Backoff, 1_500),
            (failed, 1_000),
            (Part::Backoff, 5_000),
        ];
        let found = parts(accepted_at, &delivery, accepted_at + time::Duration::seconds(5));
        assert_eq!(found, expected.map(|(kind, millis)| (kind, Duration::from_millis(millis))));
    }
}
