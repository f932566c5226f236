//! Decides how many events one request may bring, and how much of the store's attention an event takes. The writer runs
//! all of a request's rows in one transaction, and everybody else waits for it.

use eg_grammar::without_bom;
use serde::de::IgnoredAny;

use super::arrival::NewEvent;

/// Maximum number of rows that one batch may write: one for each event, and one for each of its deliveries. The writer
/// takes about 25 ms for so many.
pub(crate) const ROWS: usize = 5_000;

/// The number of rows, and of bytes, that cost the writer as much as a request with one small event.
const ROWS_PER_EVENT: usize = 8;
const BYTES_PER_EVENT: usize = 4 * 1024;

/// The places for events that wait for the store, each of weight 1.
pub(crate) const PLACES: usize = 2048;

/// The highest weight. With more, a batch would never find room beside other events.
const HEAVIEST: usize = 512;

/// The length of the shortest valid event in JSON.
const SHORTEST: usize = 50;

/// A batch is too large to be accepted as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooMany {
    #[error("the batch has {0} events, and {ROWS} are allowed: send several batches")]
    Events(usize),
    #[error("the {0} events of the batch and their deliveries are more than {ROWS}: send smaller batches")]
    Rows(usize),
}

/// Checks the number of events in the JSON of a batch, before they are read.
pub(crate) fn check_events(json: &[u8]) -> Result<(), TooMany> {
    if json.len() / SHORTEST <= ROWS {
        return Ok(());
    }
    // Who reads the events finds what is wrong with other JSON.
    let events =
        serde_json::from_slice::<Vec<IgnoredAny>>(without_bom(json)).map_or(0, |events| events.len());
    if events > ROWS { Err(TooMany::Events(events)) } else { Ok(()) }
}

/// Returns the number of rows that the events take, with the system events about them.
pub(crate) fn rows(events: &[NewEvent]) -> usize {
    events.iter().flat_map(NewEvent::with_notices).map(|event| 1 + event.intakes.len()).sum()
}

/// Returns what writing the events costs, compared with a request with one small event.
pub(crate) fn weight(events: &[NewEvent]) -> usize {
    let all = events.iter().flat_map(NewEvent::with_notices);
    let bytes: usize = all.map(|event| event.event.json().len()).sum();
    (1 + rows(events) / ROWS_PER_EVENT + bytes / BYTES_PER_EVENT).min(HEAVIEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_have_a_maximum() {
        let event =
            |id| format!("{{\"specversion\":\"1.0\",\"id\":\"{id}\",\"source\":\"/\",\"type\":\"t\"}}");
        for (events, expected) in [(1, Ok(())), (ROWS, Ok(())), (ROWS + 1, Err(TooMany::Events(ROWS + 1)))] {
            let events: Vec<String> = (0..events).map(event).collect();
            let json = format!("\u{feff} [{}] ", events.join(","));
            assert_eq!(check_events(json.as_bytes()), expected);
        }
        assert_eq!(
            check_events("[x".repeat(ROWS * SHORTEST).as_bytes()),
            Ok(()),
            "the reader says what is wrong"
        );
    }
}
