//! Finds an event by its id or by the beginning or end of its id.

use eg_sdk::EventGateway;
use eg_sdk::history::{EventDetail, EventFilter};

use super::history::failure;
use crate::exit::{Exit, Failure};

/// The number of events, newest first, that are searched for a part of an id.
const SEARCHED: usize = 10_000;

/// The maximum number of ids in a message.
const LISTED: usize = 5;

/// Returns the event with this id or, if there is none, the only event whose id begins or ends with it.
pub(super) async fn event(
    gateway: &EventGateway,
    given: &str,
    source: Option<&str>,
) -> Result<EventDetail, Failure> {
    if given.is_empty() {
        return Err(Failure::new(Exit::Usage, "an empty id names no event"));
    }
    let history = gateway.history();
    if let Some(found) = history.event(given, source).await.map_err(failure)? {
        return Ok(found);
    }
    let filter = EventFilter { source: source.map(str::to_owned), ..EventFilter::default() };
    let events = history.events(&filter, SEARCHED).await.map_err(failure)?;
    let ids: Vec<&str> = events.iter().map(|event| event.event_id.as_str()).collect();
    let found = history.event(only(given, &ids)?, source).await.map_err(failure)?;
    found.ok_or_else(|| unknown(given, ids.len()))
}

fn only<'a>(given: &str, ids: &[&'a str]) -> Result<&'a str, Failure> {
    let named = |id: &&str| id.starts_with(given) || id.ends_with(given);
    let mut found: Vec<&str> = ids.iter().copied().filter(named).collect();
    found.dedup();
    match found.as_slice() {
        [id] => Ok(id),
        [] => Err(unknown(given, ids.len())),
        several => {
            let more = if several.len() > LISTED { ", …" } else { "" };
            let listed = several[..several.len().min(LISTED)].join(", ");
            Err(Failure::new(Exit::Usage, format!("`{given}` may be any of {} events", several.len()))
                .hint(format!("write more of the id: {listed}{more}")))
        }
    }
}

fn unknown(given: &str, searched: usize) -> Failure {
    let message = match searched {
        0 => format!("no event `{given}`: the gateway has no events"),
        1 => format!("no event `{given}`: the id of the only event neither is, begins nor ends so"),
        SEARCHED => format!("no event `{given}`, and none of the newest {SEARCHED} begins or ends so"),
        _ => format!("no event `{given}`: no id is, begins or ends so"),
    };
    Failure::new(Exit::NotFound, message).hint("`cargo eg events` lists the newest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_only_one_id_has_is_enough() {
        let ids = ["0199-aa-f3ee", "0199-ab-0001", "order-1"];
        assert_eq!(only("0199-aa", &ids).unwrap(), "0199-aa-f3ee");
        assert_eq!(only("f3ee", &ids).unwrap(), "0199-aa-f3ee");
        assert_eq!(only("order", &ids).unwrap(), "order-1");
        assert!(only("0199", &ids).is_err());
        assert!(only("zz", &ids).is_err());
    }
}
