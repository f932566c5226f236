//! Finds the event that a beginning or an end of its id means.

use serde_json::value::RawValue;

use super::client::History;
use super::view;
use crate::exit::{Exit, Failure};

/// How many of the newest events are looked at for a part of an id.
const LOOKED_AT: usize = 10_000;

/// How many ids a message lists.
const LISTED: usize = 5;

/// The event with this id or, if there is none, the only one whose id begins or ends so.
pub(crate) async fn event(
    history: &History,
    given: &str,
    source: Option<&str>,
) -> Result<Box<RawValue>, Failure> {
    if given.is_empty() {
        return Err(Failure::new(Exit::Usage, "an empty id means no event"));
    }
    let query: Vec<_> = source.map(|source| ("source", source.to_owned())).into_iter().collect();
    if let Some(found) = history.get(&["events", given], &query).await? {
        return Ok(found);
    }
    let events = history.events(&query, LOOKED_AT).await?;
    let id = only(given, &events)?;
    let found = history.get(&["events", id], &query).await?;
    found.ok_or_else(|| unknown(given, events.len()))
}

fn only<'a>(given: &str, events: &'a [view::Event]) -> Result<&'a str, Failure> {
    let mut ids: Vec<&str> = events
        .iter()
        .map(|event| event.event_id.as_str())
        .filter(|id| id.starts_with(given) || id.ends_with(given))
        .collect();
    ids.dedup();
    match ids.as_slice() {
        [id] => Ok(id),
        [] => Err(unknown(given, events.len())),
        several => {
            let more = if several.len() > LISTED { ", …" } else { "" };
            let listed = several[..several.len().min(LISTED)].join(", ");
            Err(Failure::new(Exit::Usage, format!("`{given}` may be any of {} events", several.len()))
                .hint(format!("write more of the id: {listed}{more}")))
        }
    }
}

fn unknown(given: &str, looked_at: usize) -> Failure {
    let message = match looked_at {
        0 => format!("no event `{given}`: the gateway has no events"),
        1 => format!("no event `{given}`: the id of the only event neither is, begins nor ends so"),
        LOOKED_AT => format!("no event `{given}`, and none of the newest {LOOKED_AT} begins or ends so"),
        _ => format!("no event `{given}`: no id is, begins or ends so"),
    };
    Failure::new(Exit::NotFound, message).hint("`cargo eg events` lists the newest")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(ids: &[&str]) -> Vec<view::Event> {
        let event = |id: &&str| view::Event {
            event_id: (*id).to_owned(),
            event_type: "a.b".to_owned(),
            source: "/s".to_owned(),
            subject: None,
            method: "POST".to_owned(),
            path: "/".to_owned(),
            accepted_at: String::new(),
            event: serde_json::from_str("{}").unwrap(),
        };
        ids.iter().map(event).collect()
    }

    #[test]
    fn a_part_that_only_one_id_has_is_enough() {
        let events = events(&["0199-aa-f3ee", "0199-ab-0001", "order-1"]);
        assert_eq!(only("0199-aa", &events).unwrap(), "0199-aa-f3ee");
        assert_eq!(only("f3ee", &events).unwrap(), "0199-aa-f3ee");
        assert_eq!(only("order", &events).unwrap(), "order-1");
        assert!(only("0199", &events).is_err());
        assert!(only("zz", &events).is_err());
    }
}
