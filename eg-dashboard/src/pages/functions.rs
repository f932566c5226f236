//! The functions and their subscriptions: what triggers them, what their filters select, and how deliveries are retried.

use std::time::Duration;

use axum::response::Response;
use eg_sdk::config::{Function, Provider, Retry, RetryLimits, RetryProfile, Subscription, SubscriptionType};
use maud::{Markup, html};

use crate::failure::Failure;
use crate::frame::{Part, page};
use crate::visitor::Visitor;
use crate::{place, show};

/// `GET …/functions`
pub(crate) async fn list(visitor: Visitor) -> Result<Response, Failure> {
    let space = visitor.gateway.space();
    let gateway = &visitor.gateway;
    let (functions, subscriptions) = (gateway.functions(), gateway.subscriptions());
    let (mut functions, mut subscriptions) = tokio::try_join!(functions.list(), subscriptions.list())?;
    functions.sort_by(|a, b| a.function_id.cmp(&b.function_id));
    subscriptions
        .sort_by(|a, b| (&a.event_type, &a.method, &a.path).cmp(&(&b.event_type, &b.method, &b.path)));
    let body = html! {
        div .title { h1 { "Functions" } p .quiet { (show::count(functions.len(), "function")) ", " (show::count(subscriptions.len(), "subscription")) } }
        @if functions.is_empty() {
            p .empty { "No functions are registered in this space. " code { "cargo eg run" } " registers those of your services." }
        }
        @for function in &functions {
            (card(space, function, subscriptions.iter().filter(|one| one.function_id == function.function_id)))
        }
    };
    Ok(page(&visitor, Part::Functions, "Functions", &body))
}

fn card<'a>(
    space: &str,
    function: &Function,
    subscriptions: impl Iterator<Item = &'a Subscription>,
) -> Markup {
    let id = &function.function_id;
    let mut subscriptions = subscriptions.peekable();
    html! {
        article .card data-row {
            h2 {
                a href={ (place::in_space(space, "/events")) (place::query([("function", id.as_str())])) } { (show::text(id)) }
            }
            p .quiet { (target(&function.provider)) (limits(function)) }
            @if subscriptions.peek().is_none() { p { "No subscription: nothing calls it." } }
            @else {
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
                                td { (retry_in_words(subscription)) }
                            }
                        }
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

/// Returns how the deliveries of a subscription are retried.
pub(crate) fn retry_in_words(subscription: &Subscription) -> String {
    if subscription.kind == SubscriptionType::Sync {
        return "none: the emitter waits for the answer".to_owned();
    }
    match &subscription.retry {
        Some(Retry::Limits(limits)) => in_words(limits),
        Some(Retry::Profile(RetryProfile::EventBridge)) => {
            "as EventBridge: 185 attempts within 24 hours".to_owned()
        }
        _ => "the gateway's default".to_owned(),
    }
}

fn in_words(limits: &RetryLimits) -> String {
    let span = |millis: u64| show::span(Duration::from_millis(millis));
    let mut words = Vec::new();
    words.extend(limits.attempts.map(|attempts| show::count(attempts as usize, "attempt")));
    words.extend(limits.min_backoff_ms.map(|backoff| format!("the first backoff up to {}", span(backoff))));
    words.extend(limits.max_backoff_ms.map(|backoff| format!("each backoff up to {}", span(backoff))));
    words.extend(limits.max_age_ms.map(|age| format!("within {}", span(age))));
    if words.is_empty() {
        "the gateway's default".to_owned()
    } else {
        words.join(", ") + ", then a dead letter"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_policies_in_words() {
        let mut subscription = Subscription::asynchronous("a", "f");
        assert_eq!(retry_in_words(&subscription), "the gateway's default");
        let mut limits = RetryLimits::new();
        (limits.attempts, limits.max_age_ms) = (Some(5), Some(3_600_000));
        subscription.retry = Some(Retry::Limits(limits));
        assert_eq!(retry_in_words(&subscription), "5 attempts, within 60 min, then a dead letter");
        assert_eq!(
            retry_in_words(&Subscription::http("GET", "/", "f")),
            "none: the emitter waits for the answer"
        );
    }
}
