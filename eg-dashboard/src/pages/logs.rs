//! The log: the last calls of functions, with what each printed and answered. The gateway that made the calls keeps them in memory.

use axum::response::Response;
use eg_sdk::history::{Call, CallFilter, CallPage};
use eg_sdk::{Error, EventGateway};
use maud::{Markup, html};
use time::OffsetDateTime;

use crate::failure::Failure;
use crate::frame::{Part, fragment, page};
use crate::reading::Fields;
use crate::visitor::Visitor;
use crate::{place, show};

/// The length of a page.
const LENGTH: usize = 100;

/// The maximum number of characters of what a call printed or answered; the gateway keeps as many bytes.
const TEXT: usize = 4_096;

/// Reads a page of calls; `None` if the gateway is too old to keep any.
pub(crate) async fn calls(
    gateway: &EventGateway,
    filter: &CallFilter,
    before: Option<i64>,
    limit: usize,
) -> Result<Option<CallPage>, Error> {
    match gateway.history().calls(filter, before, limit).await {
        Ok(page) => Ok(Some(page)),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `GET …/logs`. With `fragment`, only the list.
pub(crate) async fn list(visitor: Visitor, query: Fields) -> Result<Response, Failure> {
    let gateway = &visitor.gateway;
    let space = gateway.space();
    let filter = CallFilter {
        function: query.get("function").map(str::to_owned),
        event: query.get("event").map(str::to_owned),
        text: query.get("text").map(str::to_owned),
    };
    let before = query.before()?;
    let found = calls(gateway, &filter, before, LENGTH).await?;
    let listed = listing(space, &filter, before, found.as_ref());
    if query.get("fragment").is_some() {
        return Ok(fragment(&listed));
    }
    let functions = gateway.functions().list().await?;
    let mut names: Vec<&str> = functions.iter().map(|function| function.function_id.as_str()).collect();
    names.sort_unstable();
    let live = before.is_none().then(|| place::in_space(space, "/live"));
    let body = html! {
        div .title {
            h1 { "Logs" }
            div .live #live hidden[true] { button .plain #pause aria-pressed="false" { "Pause" } span #state role="status" {} }
        }
        (filters(&visitor, &filter, &names))
        button #new hidden { "New calls" }
        section #listing aria-label="Calls" data-live=[live] { (listed) }
    };
    Ok(page(&visitor, Part::Logs, "Logs", &body))
}

fn filters(visitor: &Visitor, filter: &CallFilter, functions: &[&str]) -> Markup {
    let CallFilter { function, event, text } = filter;
    html! {
        form .filters.few role="search" aria-label="Filter calls" {
            // A key that only reads gets neither logs nor answers, so there is nothing to search.
            @if !visitor.reads_only {
                label { span { "Text" } input name="text" value=(text.as_deref().unwrap_or_default()) autocomplete="off" spellcheck="false"; }
            }
            label {
                span { "Function" }
                input name="function" value=(function.as_deref().unwrap_or_default()) list="functions" autocomplete="off" spellcheck="false";
            }
            label { span { "Event id" } input name="event" value=(event.as_deref().unwrap_or_default()) autocomplete="off" spellcheck="false"; }
            button { "Filter" }
            @if *filter != CallFilter::default() { a href="?" { "Clear" } }
            datalist #functions { @for name in functions { option value=(name) {} } }
        }
    }
}

/// Returns the list and the links to other pages.
fn listing(space: &str, filter: &CallFilter, before: Option<i64>, found: Option<&CallPage>) -> Markup {
    let Some(CallPage { calls, next, .. }) = found.filter(|page| page.kept > 0) else {
        return html! {
            p .empty { "This gateway keeps no calls. Start it with " code { "--recent-calls 1000" } " to see here what functions printed and answered." }
        };
    };
    let now = OffsetDateTime::now_utc();
    html! {
        @if calls.is_empty() {
            p .empty { @if *filter == CallFilter::default() { "No function has been called since the gateway started." } @else { "No calls match." } }
        }
        @if !calls.is_empty() { div .calls { @for call in calls { (row(space, call, now)) } } }
        nav .pages aria-label="Pages" {
            @if before.is_some() { a href=(address(space, filter, None)) { "Newest" } }
            @if let Some(next) = next { a rel="next" href=(address(space, filter, Some(*next))) { "Older" } }
        }
    }
}

/// Returns the address of a page of these calls, from the newest one on or before a later one.
fn address(space: &str, filter: &CallFilter, before: Option<i64>) -> String {
    let before = before.map(|before| before.to_string());
    let fields = [
        ("text", filter.text.as_deref()),
        ("function", filter.function.as_deref()),
        ("event", filter.event.as_deref()),
        ("before", before.as_deref()),
    ];
    let query = place::query(fields.map(|(name, value)| (name, value.unwrap_or_default())));
    place::in_space(space, &format!("/logs{query}"))
}

fn row(space: &str, call: &Call, now: OffsetDateTime) -> Markup {
    let of_function = CallFilter { function: Some(call.function_id.clone()), ..CallFilter::default() };
    html! {
        article .call data-row {
            p .head {
                span .when { (show::listed(call.started_at, now)) } " "
                a href=(address(space, &of_function, None)) { (show::text(&call.function_id)) } " "
                span .quiet {
                    // A synchronous call has no event in the history.
                    @match call.event_id.as_deref().filter(|_| call.delivery_id.is_some()) {
                        Some(id) => a href={ (place::in_space(space, "/events")) (place::query([("id", id)])) } { (show::text(&call.trigger)) },
                        None => (show::text(&call.trigger)),
                    }
                    @if let Some(number) = call.attempt.filter(|number| *number > 1) { ", attempt " (number) }
                } " "
                span .chip .(if call.error.is_some() { "dead" } else { "delivered" }) { (verdict(call)) } " "
                span .quiet { (show::span(call.duration)) }
            }
            @if let Some(error) = &call.error { pre .error { (show::clipped(error, TEXT)) } }
            (left(call))
        }
    }
}

fn verdict(call: &Call) -> String {
    match (call.status, &call.error) {
        (Some(status), _) => status.to_string(),
        (None, Some(_)) => "failed".to_owned(),
        (None, None) => "done".to_owned(),
    }
}

/// Shows what a call printed and answered.
pub(super) fn left(call: &Call) -> Markup {
    let answer = call.answer.as_deref().filter(|answer| !matches!(answer.trim(), "" | "null"));
    html! {
        @if let Some(printed) = call.printed() { pre .printed aria-label="printed" { (show::clipped(&printed, TEXT)) } }
        @if let Some(answer) = answer {
            details {
                summary { "Answer" }
                pre { (show::clipped(answer, TEXT)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn call(members: &Value) -> Call {
        let mut call = json!({"callId": 1, "functionId": "f", "trigger": "user.created",
            "startedAt": "2026-01-31T12:00:00Z", "durationMs": 1});
        call.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        serde_json::from_value(call).unwrap()
    }

    #[test]
    fn a_call_has_a_verdict() {
        for (members, expected) in [
            (json!({}), "done"),
            (json!({"status": 201}), "201"),
            (json!({"error": "boom"}), "failed"),
            (json!({"error": "boom", "status": 503}), "503"),
        ] {
            assert_eq!(verdict(&call(&members)), expected, "{members}");
        }
    }

    #[test]
    fn only_what_says_something_is_shown() {
        for (members, expected) in [
            (json!({"answer": "null"}), ""),
            (json!({"log": "START RequestId: 1\n"}), ""),
            (json!({"log": "hi\n"}), "<pre class=\"printed\" aria-label=\"printed\">hi</pre>"),
            (json!({"answer": "<b>"}), "<details><summary>Answer</summary><pre>&lt;b&gt;</pre></details>"),
        ] {
            assert_eq!(left(&call(&members)).into_string(), expected, "{members}");
        }
    }
}
