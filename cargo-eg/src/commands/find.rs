//! Finds an event by its id, or by the beginning or end of its id. If several events match, it reports how to name one.

use eg_sdk::EventGateway;
use eg_sdk::history::{AcceptedEvent, EventDetail, EventFilter};

use super::history::failure;
use crate::cli;
use crate::console::text::{clock, columns, count};
use crate::exit::{Exit, Failure};

/// The number of events, newest first, that are searched for a part of an id.
const SEARCHED: usize = 10_000;

/// The maximum number of different ids in a message.
const LISTED: usize = 5;

/// The maximum number of events with one id that are compared.
const SAME_ID: usize = 100;

/// The hint for an id that leads to no event.
const LISTED_BY: &str = "`cargo eg events` lists the newest events with their ids";

/// An event as the command line names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    /// Its id, or the beginning or end of it.
    pub(super) id: &'a str,
    pub(super) source: Option<&'a str>,
    pub(super) ty: Option<&'a str>,
}

impl<'a> From<&'a cli::OneEvent> for Named<'a> {
    fn from(one: &'a cli::OneEvent) -> Self {
        Self { id: &one.event, source: one.source.as_deref(), ty: one.ty.as_deref() }
    }
}

/// Returns the event with this id or, if there is none, the only event whose id begins or ends with it. `command` is the
/// command that the user entered, for the message that lists several events with the same id.
pub(super) async fn event(
    gateway: &EventGateway,
    command: &str,
    named: Named<'_>,
) -> Result<EventDetail, Failure> {
    let Named { id, source, ty } = named;
    if id.is_empty() {
        return Err(Failure::new(Exit::Usage, "the id is empty").hint(LISTED_BY));
    }
    let history = gateway.history();
    let [source, ty] = [source, ty].map(|given| given.map(str::to_owned));
    let any = EventFilter { source, ty, ..EventFilter::default() };
    let exact = EventFilter { id: Some(id.to_owned()), ..any.clone() };
    let mut found = history.events(&exact, SAME_ID).await.map_err(failure)?;
    if found.is_empty() {
        let events = history.events(&any, SEARCHED).await.map_err(failure)?;
        let searched = events.len();
        found = events.into_iter().filter(|event| is_part(id, &event.event_id)).collect();
        if found.is_empty() {
            return Err(unknown(id, searched, any.is_empty()));
        }
    }
    let one = only(command, id, &found)?;
    let detail = history.event(&one.event_id, Some(&one.source), Some(&one.event_type)).await;
    let detail = detail.map_err(failure)?.ok_or_else(|| deleted(&one.event_id))?;
    if found.len() > 1 {
        let same = count(found.len(), "event");
        eprintln!("{same} have this id, source and type; this is the newest");
    }
    Ok(detail)
}

/// Whether `given` is the beginning or the end of an id.
pub(super) fn is_part(given: &str, id: &str) -> bool {
    id.starts_with(given) || id.ends_with(given)
}

/// Returns the newest of these events. Fails if they differ in id, source or type.
fn only<'a>(command: &str, given: &str, found: &'a [AcceptedEvent]) -> Result<&'a AcceptedEvent, Failure> {
    let identity = |event: &'a AcceptedEvent| (&event.event_id, &event.source, &event.event_type);
    let mut different: Vec<&AcceptedEvent> = Vec::new();
    for event in found {
        if different.iter().all(|known| identity(known) != identity(event)) {
            different.push(event);
        }
    }
    if let [one] = different.as_slice() {
        return Ok(one);
    }
    let message = format!("`{given}` matches {}", count(different.len(), "event"));
    Err(Failure::new(Exit::Usage, message).hint(distinction(command, &different)))
}

/// Returns a hint on how to name one of these events, which differ.
fn distinction(command: &str, different: &[&AcceptedEvent]) -> String {
    let mut ids: Vec<&str> = Vec::new();
    for event in different {
        if !ids.contains(&event.event_id.as_str()) {
            ids.push(&event.event_id);
        }
    }
    if ids.len() > 1 {
        let more = if ids.len() > LISTED { ", …" } else { "" };
        ids.truncate(LISTED);
        return format!("write more of the id; it matches {}{more}", ids.join(", "));
    }
    let row = |event: &&AcceptedEvent| {
        let same_source = different.iter().filter(|other| other.source == event.source).count() > 1;
        let ty = if same_source { format!(" --type {}", event.event_type) } else { String::new() };
        let name = format!("    cargo eg {command} {} --source {}{ty}", event.event_id, event.source);
        [name, event.event_type.clone(), clock(event.accepted_at)]
    };
    let rows: Vec<_> = different.iter().map(row).collect();
    format!("they have the same id; add the source or the type:\n{}", columns(&rows).trim_end())
}

/// Returns the failure for an id that none of the `searched` events has: all events, or those of one source or type.
fn unknown(given: &str, searched: usize, all: bool) -> Failure {
    let reason = match (searched, all) {
        (0, true) => "the gateway has stored no events".to_owned(),
        (0, false) => "no events have this source and type".to_owned(),
        (SEARCHED, _) => format!("no id among the newest {SEARCHED} events begins or ends with it"),
        _ => "no id begins or ends with it".to_owned(),
    };
    Failure::new(Exit::NotFound, format!("no event `{given}`: {reason}")).hint(LISTED_BY)
}

/// Returns the failure for an event that retention deleted after it was found.
fn deleted(id: &str) -> Failure {
    Failure::new(Exit::NotFound, format!("event `{id}` was deleted meanwhile"))
        .hint("the gateway deletes events after its retention period")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn events(events: &[(&str, &str, &str)]) -> Vec<AcceptedEvent> {
        let event = |(id, source, ty): &(&str, &str, &str)| {
            let event = json!({
                "eventId": id, "source": source, "eventType": ty, "method": "POST", "path": "/",
                "acceptedAt": "2026-01-31T12:00:00Z", "event": {},
            });
            serde_json::from_str(&event.to_string()).unwrap()
        };
        events.iter().map(event).collect()
    }

    #[track_caller]
    fn check(found: &[(&str, &str, &str)], expected: &str) {
        let found = events(found);
        assert!(only("show", "x", &found).is_err());
        assert_eq!(distinction("show", &found.iter().collect::<Vec<_>>()), expected);
    }

    #[test]
    fn events_with_one_id_are_listed_with_their_sources_and_types() {
        check(
            &[
                ("1", "/emails", "email.sent"),
                ("1", "/users", "user.created"),
                ("1", "/users", "user.changed"),
            ],
            "they have the same id; add the source or the type:\n    \
             cargo eg show 1 --source /emails                     email.sent    2026-01-31 12:00:00.000\n    \
             cargo eg show 1 --source /users --type user.created  user.created  2026-01-31 12:00:00.000\n    \
             cargo eg show 1 --source /users --type user.changed  user.changed  2026-01-31 12:00:00.000",
        );
    }

    #[test]
    fn events_with_different_ids_need_more_of_the_id() {
        check(
            &[("1x", "/s", "t"), ("2x", "/s", "t"), ("2x", "/r", "t")],
            "write more of the id; it matches 1x, 2x",
        );
    }

    #[test]
    fn the_newest_of_equal_events_counts() {
        let found = events(&[("1", "/s", "t"), ("1", "/s", "t")]);
        assert!(std::ptr::eq(only("show", "1", &found).unwrap(), &raw const found[0]));
    }

    #[test]
    fn parts_of_an_id_are_its_beginning_and_its_end() {
        for (part, expected) in [("0199-aa", true), ("f3ee", true), ("aa", false), ("", true)] {
            assert_eq!(is_part(part, "0199-aa-f3ee"), expected, "{part}");
        }
    }
}
