//! Keeps the schemas of the running application's events in the state directory, so that `cargo eg emit` can check a
//! payload without building anything. Checking is left to `check`.

use std::fs;
use std::io;
use std::path::Path;

use eg_sdk::manifest::{EventSchema, Manifest};

/// The file in the state directory.
const FILE: &str = "schemas.json";

/// Writes the schemas of these services to the state directory at `state`.
pub(crate) fn write<'a>(state: &Path, services: impl IntoIterator<Item = &'a Manifest>) -> io::Result<()> {
    let events: Vec<&EventSchema> = services.into_iter().flat_map(|manifest| &manifest.events).collect();
    fs::write(state.join(FILE), serde_json::to_vec(&events)?)
}

/// Reads the schemas of an event type from the state directory at `state`: those of the functions that receive it or, if
/// there are none, of those that emit it. Returns none if they cannot be read.
pub(crate) fn read(state: &Path, ty: &str) -> Vec<EventSchema> {
    let text = fs::read(state.join(FILE)).unwrap_or_default();
    let mut events: Vec<EventSchema> = serde_json::from_slice(&text).unwrap_or_default();
    events.retain(|event| event.ty == ty);
    if events.iter().any(|event| !event.received_by.is_empty()) {
        events.retain(|event| !event.received_by.is_empty());
    }
    events
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn receivers_decide_what_an_event_is() {
        let manifest = |service: &str, events: Value| -> Manifest {
            let manifest = json!({"service": service, "version": "1", "functions": [], "events": events});
            serde_json::from_value(manifest).unwrap()
        };
        let event = |emitted_by: &[&str], received_by: &[&str]| json!({"type": "user.created", "schema": {}, "emittedBy": emitted_by, "receivedBy": received_by});
        let users = manifest("users", json!([event(&["users-create"], &[])]));
        let emails =
            manifest("emails", json!([event(&[], &["emails-welcome"]), {"type": "b", "schema": {}}]));
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path(), "user.created").is_empty());
        write(folder.path(), [&users]).unwrap();
        assert_eq!(read(folder.path(), "user.created")[0].emitted_by, ["users-create"]);
        write(folder.path(), [&users, &emails]).unwrap();
        let found = read(folder.path(), "user.created");
        assert_eq!((found.len(), &found[0].received_by[..]), (1, &["emails-welcome".to_owned()][..]));
        assert!(read(folder.path(), "other").is_empty());
    }
}
