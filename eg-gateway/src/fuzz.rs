//! What the fuzz targets of `tests/fuzz` run: the parts of the gateway that read what clients write, each with what must hold
//! for any input. The feature `fuzz` adds it.

use std::fmt::Debug;

use serde::Serialize;
use serde_json::{Value, json};

use crate::decide::event::Event;
use crate::decide::refusal::Refusal;
use crate::decide::rules;
use crate::decide::targets::PrivateTargets;
use crate::server::framing::Framing;
use eg_sdk::pattern::Pattern;

/// Reads the requests on a connection. Wherever the bytes are cut into pieces, the same requests end at the same places. The
/// first byte says how large the pieces are.
pub fn framing(input: &[u8]) {
    let Some((size, bytes)) = input.split_first() else { return };
    let size = usize::from(*size).max(1);
    let (mut whole, mut pieces) = (Framing::default(), Framing::default());
    let read = whole.look(bytes);
    let mut at = 0;
    let mut read_in_pieces = Ok(());
    for piece in bytes.chunks(size) {
        if let Err((good, wrong)) = pieces.look(piece) {
            read_in_pieces = Err((at + good, wrong));
            break;
        }
        at += piece.len();
    }
    assert_eq!(read, read_in_pieces, "in pieces of {size}");
    match read {
        Ok(()) => assert_eq!(whole.open_head(), pieces.open_head(), "in pieces of {size}"),
        Err((good, _)) => assert!(good < bytes.len(), "the wrong byte is one of those that were read"),
    }
}

/// Reads a filter and matches an event against it: the first line is the filter, the rest is the event. A filter that the
/// gateway takes means the same when it is read again, and as the only alternative of an `$or`.
pub fn filter(input: &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == b'\n');
    let (filter, event) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(filter) = serde_json::from_slice::<Value>(filter) else { return };
    let pattern = match Pattern::read(&filter) {
        Ok(pattern) => pattern,
        Err(reason) => return assert!(!reason.is_empty()),
    };
    let again = serde_json::from_str(&filter.to_string()).expect("what was written can be read");
    assert_eq!(Pattern::read(&again).as_ref(), Ok(&pattern), "{filter}");
    let Ok(event) = Event::read(event.to_vec().into()) else { return };
    let event = event.filterable();
    let matches = pattern.check(&event);
    if let Err(mismatch) = &matches {
        serde_json::to_string(mismatch).expect("the clause that does not match is JSON");
    }
    // One level more may be too deep.
    if let Ok(either) = Pattern::read(&json!({ "$or": [filter, { "id": [""] }] })) {
        let has_no_id = event.to_value()["id"] == "";
        assert_eq!(either.check(&event).is_ok(), matches.is_ok() || has_no_id, "{filter}");
    }
}

/// Reads the bodies of changes of the Config API. What the gateway takes, it takes again as it shows it, and what it refuses,
/// it refuses with a reason.
pub fn rules(input: &[u8]) {
    let space = "default";
    same("event type", input, |body| rules::event_type(space, None, body));
    same("subscription", input, |body| rules::subscription(space, body));
    same("CORS configuration", input, |body| rules::cors(space, body));
    let function = |body: &[u8]| rules::function(space, None, body, &PrivateTargets::all());
    // The gateway shows no secrets, so a function cannot be read again from what it shows.
    if let Err(refusal) = function(input) {
        assert!(!refusal.to_string().is_empty());
    }
}

/// Checks that a resource is the same after it was shown and read again.
fn same<T: Debug + PartialEq + Serialize>(
    kind: &str,
    body: &[u8],
    read: impl Fn(&[u8]) -> Result<T, Refusal>,
) {
    match read(body) {
        Ok(resource) => {
            let shown = serde_json::to_vec(&resource).expect("a resource is JSON");
            assert_eq!(read(&shown).ok().as_ref(), Some(&resource), "{kind}");
        }
        Err(refusal) => assert!(!refusal.to_string().is_empty(), "{kind}"),
    }
}
