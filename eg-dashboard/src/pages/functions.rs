//! The functions and their subscriptions: how often they are called, how long that takes and what fails; what triggers them, what
//! their filters select, and how deliveries are retried.

use std::time::Duration;

use axum::response::Response;
use eg_sdk::config::{Function, Provider, RetryLimits, Subscription};
use eg_sdk::history::{FunctionStatistics, SpaceStatistics};
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
    let cards = html! {
        @if functions.is_empty() {
            p .empty { "No functions are registered in this space. " code { "cargo eg run" } " registers those of your services." }
        }
        @for function in &functions {
            (card(space, function, subscriptions.iter().filter(|one| one.function_id == function.function_id), figures.as_ref(), now))
        }
    };
    if query.get("fragment").is_some() {
        return Ok(fragment(&cards));
    }
    let body = html! {
        div .title {
            h1 { "Functions" }
            p .quiet {
                (show::count(functions.len(), "function")) ", " (show::count(subscriptions.len(), "subscription"))
                @if let Some(figures) = &figures { ". Calls and errors are those of the last " (window(figures.window)) "." }
            }
        }
        section #listing aria-label="Functions" data-live=(place::in_space(space, "/live")) { (cards) }
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

fn card<'a>(
    space: &str,
    function: &Function,
    subscriptions: impl Iterator<Item = &'a Subscription>,
    all: Option<&SpaceStatistics>,
    now: OffsetDateTime,
) -> Markup {
    let id = &function.function_id;
    let mut subscriptions = subscriptions.peekable();
    let own = all.and_then(|all| all.functions.iter().find(|one| one.function_id == *id));
    let default = all.map(|all| &all.default_retry);
    html! {
        article .card data-row {
            h2 {
                a href={ (place::in_space(space, "/events")) (place::query([("function", id.as_str())])) } { (show::text(id)) }
                @if own.is_some_and(|own| own.circuit_open) {
                    " " span .chip .dead title="Many different events failed. The gateway makes one attempt per second until one succeeds." { "circuit open" }
                }
            }
            p .quiet { (target(&function.provider)) (limits(function)) }
            @if let (Some(all), Some(own)) = (all, own) { (numbers(space, function, own, all.window, now)) }
            @if subscriptions.peek().is_none() { p { "No subscription: nothing calls it." } }
            @else { (table(subscriptions, default)) }
        }
    }
}

/// Shows the figures of a function.
fn numbers(
    space: &str,
    function: &Function,
    own: &FunctionStatistics,
    window: Duration,
    now: OffsetDateTime,
) -> Markup {
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
        dl .figures {
            div { dt { "Calls per min" } dd { (show::rate(own.calls, window)) } }
            div .bad[own.failures > 0] {
                dt { "Errors" }
                dd { (show::grouped(own.failures)) @if own.failures > 0 { " " span .quiet { (show::percent(own.failures, own.calls)) } } }
            }
            div { dt title="Of the last 200 calls, half were at most as long." { "p50" } dd { (took(own.p50)) } }
            div { dt title="Of the last 200 calls, 95 % were at most as long." { "p95" } dd { (took(own.p95)) } }
            div { dt { "Under way" } dd { (under_way) } }
            div { dt { "Last call" } dd { @match own.last_call_at { Some(at) => (show::ago(at, now)), None => "none" } } }
        }
        @if let Some(failure) = &own.last_failure {
            p .failure {
                "Last failure " (show::ago(failure.at, now)) ", for "
                a href={ (place::in_space(space, "/events")) (place::query([("id", failure.event_id.as_str()), ("type", failure.event_type.as_str())])) } { (show::text(&failure.event_type)) }
                ": " span .reason { (show::text(&failure.error)) }
            }
        }
    }
}

fn table<'a>(subscriptions: impl Iterator<Item = &'a Subscription>, default: Option<&RetryLimits>) -> Markup {
    html! {
        table .subscriptions {
            thead { tr { th { "Trigger" } th { "Filter" } th { "Retries" } } }
            tbody {
                @for subscription in subscriptions {
                    tr {
                        td {
                            (trigger(subscription))
                            @if let Some(reason) = &subscription.disabled {
                                " " span .chip .dead { "disabled" } " " span .quiet { (show::text(reason)) }
                            }
                            @if subscription.ordered { " " span .chip .none { "ordered" } }
                        }
                        td { @if let Some(filter) = &subscription.filter { code { (show::text(&filter.to_string())) } } }
                        td { (retries::in_words(subscription, default)) }
                    }
                }
            }
        }
    }
}

/// Returns where the gateway calls a function.
fn target(provider: &Provider) -> String {
    match provider {
        Provider::Http { url } => format!("HTTP at {}", show::text(url)),
        Provider::AwsLambda { arn, .. } => format!("Lambda {}", show::text(arn)),
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
