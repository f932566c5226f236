//! The trace of an event: everything from the first event, or the HTTP request, to the last function, as a tree with the time
//! of each step beside it. `crate::trace` finds the events.

use axum::response::Response;
use eg_sdk::EventGateway;
use eg_sdk::history::{Call, CallFilter};
use maud::{Markup, html};
use time::OffsetDateTime;

use super::{event, logs};
use crate::access::Id;
use crate::failure::Failure;
use crate::frame::{Part, page};
use crate::reading::Fields;
use crate::trace::{Branch, EVENTS, Node, Trace, ended};
use crate::visitor::Visitor;
use crate::{place, show};

/// The width of the time of a trace, in the units of its drawing.
const WIDTH: f64 = 1_000.0;

/// The shortest width of a step.
const THIN: f64 = 6.0;

/// The number of calls among which the request is sought.
const CALLS: usize = 10;

/// The time that the drawings show.
#[derive(Debug, Clone, Copy)]
struct Scale {
    start: OffsetDateTime,
    now: OffsetDateTime,
    seconds: f64,
}

/// `GET …/events/<id>/trace`
pub(crate) async fn show(visitor: Visitor, Id(id): Id<String>, query: Fields) -> Result<Response, Failure> {
    let space = visitor.gateway.space();
    let of = event::read(&visitor, &id, &query).await?;
    let trace = Trace::read(&visitor.gateway, of).await?;
    let request = match &trace.origin {
        Some(origin) => request(&visitor.gateway, origin).await?,
        None => None,
    };
    let now = OffsetDateTime::now_utc();
    let (start, end) = trace.span(now);
    let (start, end) = match &request {
        Some(call) => (start.min(call.started_at), end.max(call.started_at + call.duration)),
        None => (start, end),
    };
    let scale = Scale { start, now, seconds: (end - start).as_seconds_f64().max(0.001) };
    let body = html! {
        div .title { h1 { "Trace" } p .quiet { (show::span(show::between(start, end))) " from the first " (if request.is_some() { "request" } else { "event" }) " to the last result" } }
        @if trace.is_cut { p .notice { "The trace is incomplete: it has more than " (EVENTS) " events, a long chain of causes, or much else was accepted at the same time." } }
        ul .trace {
            @match &trace.origin {
                Some(origin) => li {
                    @match &request {
                        Some(call) => (asked(space, call, scale)),
                        None => div .step { span .name { span .chip .none { "request" } " " code title=(show::text(origin)) { (show::short(origin)) } " " span .quiet { "an HTTP request that was answered, or an event that is no longer kept" } } },
                    }
                    ul { @for root in &trace.roots { (node(space, root, &id, scale)) } }
                },
                None => @for root in &trace.roots { (node(space, root, &id, scale)) },
            }
        }
    };
    Ok(page(&visitor, Part::Events, "Trace", &body))
}

/// Returns the request that the trace began with, if the gateway still knows its call.
async fn request(gateway: &EventGateway, origin: &str) -> Result<Option<Call>, Failure> {
    let of_request = CallFilter { event: Some(origin.to_owned()), ..CallFilter::default() };
    let calls = logs::calls(gateway, &of_request, None, CALLS).await?.map(|page| page.calls);
    Ok(calls.unwrap_or_default().into_iter().find(|call| call.delivery_id.is_none()))
}

/// Shows the request that the trace began with.
fn asked(space: &str, call: &Call, scale: Scale) -> Markup {
    let of_request = place::query([("event", call.event_id.as_deref().unwrap_or_default())]);
    let class = if call.error.is_some() { "dead" } else { "delivered" };
    html! {
        div .step {
            span .name {
                span .chip .none { "request" } " "
                a href={ (place::in_space(space, "/logs")) (of_request) } { (show::text(&call.trigger)) } " "
                (show::text(&call.function_id)) " "
                @if let Some(status) = call.status { span .chip .(class) { (status) } }
            }
            (drawing(scale, class, call.started_at, call.started_at + call.duration))
            span .at { (show::span(call.duration)) }
        }
    }
}

fn node(space: &str, node: &Node, current: &str, scale: Scale) -> Markup {
    let event = &node.event;
    html! {
        li {
            div .step .event .current[event.event_id == current] {
                span .name {
                    a href=(place::event(space, &event.event_id, &event.source, &event.event_type, "")) { (show::text(&event.event_type)) }
                    " " span .quiet { (show::short(&event.event_id)) }
                }
                (drawing(scale, "event", event.accepted_at, event.accepted_at))
                span .at { "+" (show::span(show::between(scale.start, event.accepted_at))) }
            }
            @if !node.deliveries.is_empty() || !node.children.is_empty() {
                ul {
                    @for delivery in &node.deliveries { (branch(space, delivery, current, scale)) }
                    @for child in &node.children { (self::node(space, child, current, scale)) }
                }
            }
        }
    }
}

fn branch(space: &str, branch: &Branch, current: &str, scale: Scale) -> Markup {
    let delivery = &branch.delivery;
    let start = delivery.attempts.first().map(|first| first.started_at);
    let end = ended(delivery).unwrap_or(scale.now);
    html! {
        li {
            div .step {
                span .name {
                    (show::text(&delivery.function_id)) " " span .chip .(show::class(delivery.state)) { (show::word(delivery.state)) }
                    @if delivery.attempts.len() > 1 { " " span .quiet { (show::count(delivery.attempts.len(), "attempt")) } }
                }
                @if let Some(start) = start {
                    (drawing(scale, show::class(delivery.state), start, end))
                    span .at { (show::span(show::between(start, end))) }
                }
            }
            @if !branch.children.is_empty() { ul { @for child in &branch.children { (node(space, child, current, scale)) } } }
        }
    }
}

/// Draws a step within the time of the trace.
fn drawing(scale: Scale, class: &str, start: OffsetDateTime, end: OffsetDateTime) -> Markup {
    let at = |time: OffsetDateTime| {
        ((time - scale.start).as_seconds_f64() / scale.seconds).clamp(0.0, 1.0) * WIDTH
    };
    let x = at(start).min(WIDTH - THIN);
    let width = (at(end) - x).max(THIN);
    html! {
        svg .bar viewBox="0 0 1000 12" preserveAspectRatio="none" aria-hidden="true" {
            rect .(class) x=(format!("{x:.1}")) y="0" width=(format!("{width:.1}")) height="12" {}
        }
    }
}
