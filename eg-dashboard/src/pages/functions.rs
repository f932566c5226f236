//! The functions and their subscriptions: how often they are called, how long that takes and what fails; what triggers them, what
//! their filters select, and how deliveries are retried.

use std::time::Duration;

use axum::response::Response;
use eg_sdk::config::{Function, FunctionNotes, Provider, RetryLimits, Subscription, SubscriptionType};
use eg_sdk::history::{FunctionStatistics, LastFailure, SpaceStatistics};
use eg_sdk::{Error, EventGateway};
use maud::{Markup, html};
use time::OffsetDateTime;

use crate::failure::Failure;
use crate::frame::{Part, fragment, page};
use crate::reading::Fields;
use crate::retries;
use crate::visitor::Visitor;
use crate::{place, show};

/// Reads the recent figures of functions; `None` if the gateway is too old to have any.
pub(crate) async fn figures(gateway: &EventGateway) -> Result<Option<SpaceStatistics>, Error> {
    match gateway.function_statistics().await {
        Ok(statistics) => Ok(Some(statistics)),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `GET …/functions`. With `fragment`, only the list.
pub(crate) async fn list(visitor: Visitor, query: Fields) -> Result<Response, Failure> {
    let space = visitor.gateway.space();
    let gateway = &visitor.gateway;
    let (functions, subscriptions) = (gateway.functions(), gateway.subscriptions());
    let (mut functions, mut subscriptions, figures) =
        tokio::try_join!(functions.list(), subscriptions.list(), figures(gateway))?;
    functions.sort_by(|a, b| a.function_id.cmp(&b.function_id));
    subscriptions
        .sort_by(|a, b| (&a.event_type, &a.method, &a.path).cmp(&(&b.event_type, &b.method, &b.path)));
    let now = OffsetDateTime::now_utc();
    let listed = html! {
        @if functions.is_empty() {
            p .empty { "No functions are registered in this space. " code { "cargo eg run" } " registers those of your services." }
        } @else {
            table .functions {
                thead {
                    tr {
                        th { "Function" } th { "Triggers" } th .number { "Calls/min" } th .number { "Errors" }
                        th .number title="Of the last 200 calls, half were at most as long." { "p50" }
                        th .number title="Of the last 200 calls, 95 % were at most as long." { "p95" }
                        th .number { "Under way" } th .number { "Last call" }
                    }
                }
                tbody {
                    @for function in &functions {
                        (row(space, function, &subscriptions, figures.as_ref(), now))
                    }
                }
            }
        }
    };
    if query.get("fragment").is_some() {
        return Ok(fragment(&listed));
    }
    let body = html! {
        div .title {
            h1 { "Functions" }
            p .quiet {
                (show::count(functions.len(), "function")) ", " (show::count(subscriptions.len(), "subscription"))
                @if let Some(figures) = &figures { ". Calls and errors are those of the last " (window(figures.window)) "." }
            }
        }
        section #listing aria-label="Functions" data-live=(place::in_space(space, "/live")) { (listed) }
    };
    Ok(page(&visitor, Part::Functions, "Functions", &body))
}

/// Says which time figures cover.
fn window(window: Duration) -> String {
    match window.as_secs().div_ceil(60) {
        0 | 1 => "minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}

fn row(
    space: &str,
    function: &Function,
    subscriptions: &[Subscription],
    all: Option<&SpaceStatistics>,
    now: OffsetDateTime,
) -> Markup {
    let id = &function.function_id;
    let own = all.and_then(|all| all.functions.iter().find(|one| one.function_id == *id));
    let own_subscriptions = subscriptions.iter().filter(|one| one.function_id == *id);
    let groups = groups(own_subscriptions, all.map(|all| &all.default_retry));
    html! {
        tr data-row {
            th scope="row" {
                a href={ (place::in_space(space, "/events")) (place::query([("function", id.as_str())])) } { (show::text(id)) }
                @if own.is_some_and(|own| own.circuit_open) {
                    " " span .chip .dead title="Many different events failed. The gateway makes one attempt per second until one succeeds." { "circuit open" }
                }
                p .quiet {
                    (target(function)) (limits(function)) " · "
                    a href={ (place::in_space(space, "/logs")) (place::query([("function", id.as_str())])) } { "Logs" }
                }
            }
            td .triggers { (triggers(function, &groups)) }
            @if let (Some(all), Some(own)) = (all, own) { (numbers(function, own, all.window, now)) }
            @else { td {} td {} td {} td {} td {} td {} }
        }
        @if let Some(failure) = own.and_then(|own| own.last_failure.as_ref()) {
            tr .failure { td colspan="8" { (last_failure(space, failure, now)) } }
        }
    }
}

fn last_failure(space: &str, failure: &LastFailure, now: OffsetDateTime) -> Markup {
    let event = failure.event_id.as_deref().zip(failure.event_type.as_deref());
    html! {
        "Last failure " (show::ago(failure.at, now)) ", "
        @match event {
            Some((id, ty)) if ty == failure.trigger => {
                a href={ (place::in_space(space, "/events")) (place::query([("id", id), ("type", ty)])) } { (show::text(ty)) }
            },
            _ => (show::text(&failure.trigger)),
        }
        ": " span .reason { (show::text(&failure.error)) }
    }
}

/// Returns the cells with the figures of a function.
fn numbers(function: &Function, own: &FunctionStatistics, window: Duration, now: OffsetDateTime) -> Markup {
    let took = |length: Option<Duration>| match length {
        None => "–".to_owned(),
        Some(Duration::ZERO) => "<1 ms".to_owned(),
        Some(length) => show::span(length),
    };
    let under_way = match function.concurrency {
        Some(most) => format!("{} of {most}", own.under_way),
        None => own.under_way.to_string(),
    };
    html! {
        td .number data-label="Calls/min" { (show::rate(own.calls, window)) }
        td .number .bad[own.failures > 0] data-label="Errors" {
            (show::grouped(own.failures))
            @if own.failures > 0 { " " span .quiet { (show::percent(own.failures, own.calls)) } }
        }
        td .number data-label="p50" { (took(own.p50)) }
        td .number data-label="p95" { (took(own.p95)) }
        td .number data-label="Under way" { (under_way) }
        td .number data-label="Last call" { @match own.last_call_at { Some(at) => (show::ago(at, now)), None => "none" } }
    }
}

/// Subscriptions of a function that differ in nothing but what triggers them.
struct Group<'a> {
    first: &'a Subscription,
    triggers: Vec<Markup>,
    retries: String,
}

fn groups<'a>(
    subscriptions: impl Iterator<Item = &'a Subscription>,
    default: Option<&RetryLimits>,
) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for one in subscriptions {
        let retries = retries::in_words(one, default);
        let is_alike = |group: &&mut Group<'_>| {
            let first = group.first;
            group.retries == retries
                && (&first.filter, first.ordered, &first.disabled)
                    == (&one.filter, one.ordered, &one.disabled)
        };
        match groups.iter_mut().find(is_alike) {
            Some(group) => group.triggers.push(trigger(one)),
            None => groups.push(Group { first: one, triggers: vec![trigger(one)], retries }),
        }
    }
    groups
}

/// Says what calls a function, and how what fails is retried.
fn triggers(function: &Function, groups: &[Group<'_>]) -> Markup {
    let notes = FunctionNotes::of(function);
    let beside: Vec<(&str, &String)> = (notes.schedules.iter().map(|schedule| ("", schedule)))
        .chain(notes.queues.iter().map(|queue| ("queue ", queue)))
        .chain(notes.streams.iter().map(|stream| ("", stream)))
        .collect();
    html! {
        @if groups.is_empty() && beside.is_empty() { p { "No subscription: nothing calls it." } }
        @for Group { first, triggers, retries } in groups {
            p {
                @for (at, trigger) in triggers.iter().enumerate() { @if at > 0 { ", " } (trigger) }
                @if let Some(reason) = &first.disabled {
                    " " span .chip .dead { "disabled" } " " span .quiet { (show::text(reason)) }
                }
                @if first.ordered { " " span .chip .none { "ordered" } }
                @if let Some(filter) = &first.filter { br; span .quiet { "where " } code { (show::text(&filter.to_string())) } }
                @if first.kind == SubscriptionType::Async { br; span .quiet { (retries) } }
            }
        }
        @for (kind, name) in beside { p { (kind) code { (show::text(name)) } } }
    }
}

/// Returns where the gateway calls a function.
fn target(function: &Function) -> String {
    match &function.provider {
        Provider::Http { url } => format!("HTTP at {}", show::text(url)),
        Provider::Webhook { url, .. } => format!("webhook at {}", show::text(url)),
        Provider::AwsLambda { arn, .. } => {
            // The name is in front of it already.
            let account = arn.strip_suffix(&format!(":function:{}", function.function_id));
            format!("Lambda {}", show::text(account.unwrap_or(arn)))
        }
        Provider::AwsKinesis { stream_name, .. } => format!("Kinesis stream {}", show::text(stream_name)),
        Provider::AwsFirehose { delivery_stream_name, .. } => {
            format!("Firehose stream {}", show::text(delivery_stream_name))
        }
        Provider::AwsSqs { queue_url, .. } => format!("SQS queue {}", show::text(queue_url)),
        _ => "another provider".to_owned(),
    }
}

fn limits(function: &Function) -> String {
    let timeout = function.timeout.map(|seconds| format!(", at most {seconds} s per call"));
    let concurrency = function.concurrency.map(|most| format!(", at most {most} at once"));
    format!("{}{}", timeout.unwrap_or_default(), concurrency.unwrap_or_default())
}

fn trigger(subscription: &Subscription) -> Markup {
    let place = format!("{} {}", subscription.method, subscription.path);
    html! {
        @if subscription.event_type == "http.request" { code { (show::text(&place)) } }
        @else {
            (show::text(&subscription.event_type))
            @if place != "POST /" { " at " code { (show::text(&place)) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_figures_in_words() {
        for (seconds, expected) in [(0, "minute"), (60, "minute"), (61, "2 minutes"), (870, "15 minutes")] {
            assert_eq!(window(Duration::from_secs(seconds)), expected);
        }
    }
}
