//! One event: its attributes and payload, what happened for each subscription, and what can be done with it. `matrix` renders
//! the deliveries.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use eg_grammar::printable;
use eg_sdk::CloudEvent;
use eg_sdk::history::{AcceptedEvent, CallFilter, DeliveryState, EventDetail};
use maud::{Markup, html};
use serde_json::Value;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use uuid::Uuid;

use super::functions::figures;
use super::{logs, matrix, notice, rust_test, tree};
use crate::Dashboard;
use crate::access::Id;
use crate::failure::Failure;
use crate::frame::{Part, fragment, page, token};
use crate::reading::Fields;
use crate::visitor::Visitor;
use crate::{command, place, show};

/// The maximum length of an event whose text a page contains, in bytes.
pub(crate) const SHOWN: usize = 256 * 1024;

/// The number of calls of the event whose answers and logs are shown.
const CALLS: usize = 500;

/// The extensions that say where an event comes from. An event that is sent again comes from the visitor.
const ORIGIN: [&str; 5] = ["hops", "causationid", "replay", "traceparent", "tracestate"];

/// Reads the event that a page is about.
pub(crate) async fn read(visitor: &Visitor, id: &str, query: &Fields) -> Result<EventDetail, Failure> {
    let found = visitor.gateway.history().event(id, query.get("source"), query.get("type")).await?;
    found.ok_or_else(|| {
        Failure::NotFound(format!(
            "The gateway has no event with the id `{}` in this space. It keeps events for as long as its retention says.",
            show::text(id)
        ))
    })
}

/// `GET …/events/<id>`. With `fragment`, only the deliveries.
pub(crate) async fn show(
    State(app): State<Arc<Dashboard>>,
    visitor: Visitor,
    Id(id): Id<String>,
    query: Fields,
) -> Result<Response, Failure> {
    let space = visitor.gateway.space();
    let (detail, (subscriptions, figures, calls)) = tokio::try_join!(read(&visitor, &id, &query), async {
        let (subscriptions, gateway) = (visitor.gateway.subscriptions(), &visitor.gateway);
        let of_event = CallFilter { event: Some(id.clone()), ..CallFilter::default() };
        let calls = logs::calls(gateway, &of_event, None, CALLS);
        Ok::<_, Failure>(tokio::try_join!(subscriptions.list(), figures(gateway), calls)?)
    })?;
    let now = OffsetDateTime::now_utc();
    let default = figures.map(|figures| figures.default_retry);
    let calls = calls.map(|page| page.calls).unwrap_or_default();
    let deliveries = matrix::render(&visitor, &detail, &subscriptions, default.as_ref(), &calls, now);
    if query.get("fragment").is_some() {
        return Ok(fragment(&deliveries));
    }
    let event = &detail.event;
    let unfinished = detail
        .deliveries
        .iter()
        .any(|delivery| matches!(delivery.state, DeliveryState::Pending | DeliveryState::InFlight));
    let live = unfinished.then(|| place::in_space(space, "/live"));
    let body = html! {
        div .title {
            h1 { (show::text(&event.event_type)) }
            div .actions {
                a .button .plain href=(place::event(space, &event.event_id, &event.source, &event.event_type, "/trace")) { "Trace" }
                form method="post" action=(place::event(space, &event.event_id, &event.source, &event.event_type, "/replay")) {
                    (token(&visitor)) button { "Replay to all" }
                }
            }
        }
        (notice(&query))
        div .columns {
            section aria-labelledby="about" {
                h2 #about { "Event" }
                (attributes(event, now))
                (payload(space, event))
                (again(&visitor, &app.options.events_url, event))
            }
            section aria-labelledby="deliveries" {
                h2 #deliveries { "Deliveries" }
                div #listing data-live=[live] { (deliveries) }
            }
        }
    };
    Ok(page(&visitor, Part::Events, &event.event_type, &body))
}

/// `GET …/events/<id>/raw`: the event for download, in which sensitive values are masked, too.
pub(crate) async fn raw(visitor: Visitor, Id(id): Id<String>, query: Fields) -> Result<Response, Failure> {
    let detail = read(&visitor, &id, &query).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"event.json\"")),
    ];
    Ok((headers, detail.event.event.get().to_owned()).into_response())
}

fn attributes(event: &AcceptedEvent, now: OffsetDateTime) -> Markup {
    let parsed = CloudEvent::from_json(event.event.get().as_bytes()).ok();
    let place = format!("{} {}", event.method, event.path);
    html! {
        dl .facts {
            div { dt { "id" } dd { code { (show::text(&event.event_id)) } } }
            div { dt { "source" } dd { (show::text(&event.source)) } }
            @if let Some(subject) = &event.subject { div { dt { "subject" } dd { (show::text(subject)) } } }
            div { dt { "accepted" } dd { (show::moment(event.accepted_at)) " " span .quiet { (show::ago(event.accepted_at, now)) } } }
            @if place != "POST /" { div { dt { "posted to" } dd { code { (show::text(&place)) } } } }
            @if let Some(parsed) = &parsed {
                @if let Some(media_type) = parsed.datacontenttype() { div { dt { "content type" } dd { (show::text(media_type)) } } }
                @if let Some(schema) = parsed.dataschema() { div { dt { "schema" } dd { (show::text(schema)) } } }
                @for (name, value) in parsed.extensions() {
                    div { dt { (show::text(name)) } dd { (extension(value)) } }
                }
            }
        }
    }
}

fn extension(value: &Value) -> String {
    match value {
        Value::String(text) => show::text(text),
        other => show::text(&other.to_string()),
    }
}

/// The payload of an event.
#[derive(serde::Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    data_base64: Option<&'a RawValue>,
}

fn payload(space: &str, event: &AcceptedEvent) -> Markup {
    let text = event.event.get();
    let raw = place::event(space, &event.event_id, &event.source, &event.event_type, "/raw");
    let payload = serde_json::from_str::<Payload<'_>>(text).ok();
    html! {
        h3 { "Payload" }
        @if event.damaged {
            p .notice .bad { "This event does not match its checksum, so the gateway does not deliver it. Below is what the store still has." }
        }
        @match payload {
            Some(Payload { data: Some(data), .. }) => (tree::tree(data)),
            Some(Payload { data_base64: Some(data), .. }) => pre .raw { "(base64) " (show::clipped(data.get(), 4_000)) },
            Some(_) => p .quiet { "The event has no payload." },
            None => pre .raw { (show::clipped(text, 4_000)) },
        }
        details {
            summary { "Raw event" }
            @if text.len() <= SHOWN {
                pre .raw data-copy { (show::json(&tree::indented(text))) }
            } @else {
                p { "The event is " (show::grouped(text.len() as u64)) " bytes long." }
            }
            p { a href=(raw) download { "Download" } }
        }
    }
}

/// Returns the ways to send the event again: edited, and as commands.
fn again(visitor: &Visitor, events_url: &str, event: &AcceptedEvent) -> Markup {
    let space = visitor.gateway.space();
    // Only what was posted to the root is an event that somebody emitted; other paths are those of requests.
    let is_emitted = event.method == "POST" && event.path == "/" && !event.damaged;
    let Some(fresh) = fresh(event.event.get()).filter(|fresh| is_emitted && fresh.len() <= SHOWN) else {
        return html! {};
    };
    let id = place::event(space, &event.event_id, &event.source, &event.event_type, "/resend");
    html! {
        details {
            summary { "Edit and resend" }
            form .stacked method="post" action=(id) {
                (token(visitor))
                label for="event" { "A new event with this content. It gets a new id and time." }
                textarea #event name="event" rows="16" spellcheck="false" required { (tree::indented(&fresh)) }
                button { "Send as a new event" }
            }
        }
        @if let Some(test) = rust_test::of(&event.event_type, &with_id(&fresh)) {
            details {
                summary { "As a Rust test" }
                p .quiet { "A test of the service that handles the event. Give the app the states of the service." }
                pre data-copy { (test) }
            }
        }
        details {
            summary { "As a command" }
            pre data-copy { (command::curl(events_url, space, &with_id(&fresh))) }
            @if let Some(command) = cargo_eg(space, &fresh) { pre data-copy { (command) } }
        }
    }
}

/// Returns the JSON of an event without what makes it this event: id, time, and where it comes from.
fn fresh(event: &str) -> Option<String> {
    let tree::Members(members) = serde_json::from_str(event).ok()?;
    let kept = members
        .iter()
        .filter(|(name, _)| !["id", "time"].contains(&name.as_str()) && !ORIGIN.contains(&name.as_str()));
    let kept: Vec<String> =
        kept.map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), value.get())).collect();
    Some(show::json(&format!("{{{}}}", kept.join(","))))
}

/// Adds a new id to the JSON of an event that has none.
fn with_id(fresh: &str) -> String {
    let rest = fresh.strip_prefix('{').unwrap_or_default();
    let comma = if rest.starts_with('}') { "" } else { "," };
    format!("{{\"id\":\"{}\"{comma}{rest}", Uuid::now_v7())
}

/// Returns the event that a visitor has written: as it is, with a new id and time.
///
/// # Errors
/// Returns what is wrong with it.
pub(crate) fn written(text: &str) -> Result<CloudEvent, String> {
    let members: serde_json::Map<String, Value> =
        serde_json::from_str(text).map_err(|error| format!("The event is not a JSON object: {error}."))?;
    if members.contains_key("id") || members.contains_key("time") {
        return Err("Leave out `id` and `time`: a new event gets new ones.".to_owned());
    }
    if text.contains("\"*****\"") {
        return Err("The event has a mask, `*****`, in place of a sensitive value: write a value.".to_owned());
    }
    // The text and not the parsed members, which would change numbers.
    let event = CloudEvent::from_json(with_id(text.trim()).as_bytes());
    let event = event.map_err(|error| format!("This is not an event: {error}."))?;
    Ok(event.with_time(OffsetDateTime::now_utc()))
}

/// Returns the command that sends an event with `cargo eg emit`; `None` if the event has what the command cannot say.
fn cargo_eg(space: &str, fresh: &str) -> Option<String> {
    let tree::Members(members) = serde_json::from_str(fresh).ok()?;
    let known = ["specversion", "type", "source", "subject", "datacontenttype", "data"];
    if !members.iter().all(|(name, _)| known.contains(&name.as_str())) {
        return None;
    }
    let get = |name: &str| members.iter().find(|(known, _)| known == name).map(|(_, value)| value.get());
    let text = |name: &str| get(name).and_then(|value| serde_json::from_str::<String>(value).ok());
    let is_odd = |text: &String| matches!(printable(text), Cow::Owned(_));
    if known.iter().filter_map(|name| text(name)).any(|text| is_odd(&text)) {
        return None;
    }
    if text("datacontenttype").is_some_and(|media_type| media_type != "application/json") {
        return None;
    }
    let (ty, source, subject) = (text("type")?, text("source")?, text("subject"));
    let mut words = vec!["emit", "--event", &ty, "--source", &source];
    if let Some(subject) = &subject {
        words.extend(["--subject", subject]);
    }
    words.extend(["--data", get("data")?]);
    Some(command::cargo_eg(space, &words))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"specversion":"1.0","id":"1","source":"/s","type":"user.created","time":"2026-01-31T12:00:00Z","hops":2,"data":{"n":1.00,"name":"it's"}}"#;

    #[test]
    fn an_event_that_is_sent_again_is_a_new_one_with_the_same_payload() {
        let fresh = fresh(EVENT).unwrap();
        assert_eq!(
            fresh,
            r#"{"specversion":"1.0","source":"/s","type":"user.created","data":{"n":1.00,"name":"it's"}}"#
        );
        let event = written(&fresh).unwrap();
        assert_eq!((event.ty(), event.source(), event.hops()), ("user.created", "/s", 0));
        assert_ne!(event.id(), "1");
        assert_eq!(event.payload().as_ref(), br#"{"n":1.00,"name":"it's"}"#);
    }

    #[test]
    fn mistakes_in_events_are_explained() {
        for (text, beginning) in [
            ("", "The event is not a JSON object"),
            ("[1]", "The event is not a JSON object"),
            (EVENT, "Leave out `id` and `time`"),
            (r#"{"specversion":"1.0","source":"/s"}"#, "This is not an event: "),
            ("{}", "This is not an event: "),
        ] {
            let mistake = written(text).unwrap_err();
            assert!(mistake.starts_with(beginning), "{text}: {mistake}");
        }
    }

    #[test]
    fn the_command_sends_the_event_again() {
        let fresh = fresh(EVENT).unwrap();
        assert_eq!(
            cargo_eg("default", &fresh).unwrap(),
            r#"cargo eg emit --event user.created --source /s --data '{"n":1.00,"name":"it'\''s"}'"#
        );
        assert_eq!(cargo_eg("a b", &fresh).unwrap().matches("--space 'a b'").count(), 1);
        let odd = fresh.replace("\"data\"", "\"partitionkey\":\"k\",\"data\"");
        assert_eq!(cargo_eg("default", &odd), None, "the command has no option for extensions");
    }
}
