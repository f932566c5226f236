//! Finds an event by its id or by the beginning or end of its id, and tells apart events that have the same id.

use eg_sdk::EventGateway;
use eg_sdk::history::{AcceptedEvent, EventDetail, EventFilter};

use super::history::failure;
use crate::console::text::{clock, columns, count};
use crate::exit::{Exit, Failure};

/// The number of events, newest first, that are searched for a part of an id.
const SEARCHED: usize = 10_000;

/// The maximum number of different ids in a message.
const LISTED: usize = 5;

/// The maximum number of events with one id that are told apart.
const SAME_ID: usize = 100;

/// An event as the command line names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    /// Its id, or the beginning or end of it.
    pub(super) id: &'a str,
    pub(super) source: Option<&'a str>,
    pub(super) ty: Option<&'a str>,
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
        return Err(Failure::new(Exit::Usage, "an empty id names no event"));
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
            return Err(unknown(id, searched));
        }
    }
    let one = only(command, id, &found)?;
    let detail = history.event(&one.event_id, Some(&one.source), Some(&one.event_type)).await;
    // Retention may have deleted it meanwhile.
    let detail = detail.map_err(failure)?.ok_or_else(|| unknown(id, found.len()))?;
    if found.len() > 1 {
        let same = count(found.len(), "event");
        eprintln!("{same} with this id, source and type were accepted; this is the newest");
    }
    Ok(detail)
}

/// Whether `given` is the beginning or the end of an id.
pub(super) fn is_part(given: &str, id: &str) -> bool {
    id.starts_with(given) || id.ends_with(given)
}

/// Returns the newest of these events, unless they differ in id, source or type.
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
    let message = format!("`{given}` may be any of {}", count(different.len(), "event"));
    Err(Failure::new(Exit::Usage, message).hint(distinction(command, &different)))
}

/// Says how the user can name one of these events, which differ.
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
        return format!("write more of the id: {}{more}", ids.join(", "));
    }
    let row = |event: &&AcceptedEvent| {
        let same_source = different.iter().filter(|other| other.source == event.source).count() > 1;
        let ty = if same_source { format!(" --type {}", event.event_type) } else { String::new() };
        let name = format!("    cargo eg {command} {} --source {}{ty}", event.event_id, event.source);
        [name, event.event_type.clone(), clock(event.accepted_at)]
    };
    let rows: Vec<_> = different.iter().map(row).collect();
    format!("they have the same id; name one of them:\n{}", columns(&rows).trim_end())
}

fn unknown(given: &str, searched: usize) -> Failure {
    let message = match searched {
        0 => format!("no event `{given}`: the gateway has no such events"),
        1 => format!("no event `{given}`: the id of the only event neither is, begins nor ends so"),
        SEARCHED => format!("no event `{given}`, and none of the newest {SEARCHED} begins or ends so"),
        _ => format!("no event `{given}`: no id is, begins or ends so"),
    };
    Failure::new(Exit::NotFound, message).hint("`cargo eg events` lists the newest")
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
    fn events_with_one_id_are_all_listed_with_what_tells_them_apart() {
        check(
            &[
                ("1", "/emails", "email.sent"),
                ("1", "/users", "user.created"),
                ("1", "/users", "user.changed"),
            ],
            "they have the same id; name one of them:\n    \
             cargo eg show 1 --source /emails                     email.sent    2026-01-31 12:00:00.000\n    \
             cargo eg show 1 --source /users --type user.created  user.created  2026-01-31 12:00:00.000\n    \
             cargo eg show 1 --source /users --type user.changed  user.changed  2026-01-31 12:00:00.000",
        );
    }

    #[test]
    fn events_with_different_ids_need_more_of_the_id() {
        check(&[("1x", "/s", "t"), ("2x", "/s", "t"), ("2x", "/r", "t")], "write more of the id: 1x, 2x");
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
