//! Keeps the schemas of the running application's events in the state directory, so that `cargo eg emit` can check a
//! payload without building anything. Checking is left to `check`.

use std::fs;
use std::io;
use std::path::Path;

use eg_sdk::manifest::{EventSchema, Function, Manifest};

use super::private;

/// The file in the state directory.
const FILE: &str = "schemas.json";

/// Writes the schemas of these services to the state directory at `state`. Of the functions that receive a type, only those
/// that subscribe to it are kept: others read it from requests or queues, so an emitted event does not reach them.
pub(crate) fn write<'a>(state: &Path, services: impl IntoIterator<Item = &'a Manifest>) -> io::Result<()> {
    let events: Vec<EventSchema> = services.into_iter().flat_map(subscribed).collect();
    private::write(&state.join(FILE), &serde_json::to_vec(&events)?)
}

/// Returns the schemas of a service's events, with subscribers as the only receivers.
fn subscribed(manifest: &Manifest) -> impl Iterator<Item = EventSchema> {
    manifest.events.iter().cloned().map(|mut event| {
        let subscribes =
            |function: &Function| function.events().any(|trigger| trigger.event_type == event.ty);
        event.received_by.retain(|id| {
            manifest.functions.iter().any(|function| function.id == *id && subscribes(function))
        });
        event
    })
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
        let function = |id: &str, trigger: &Value| json!({"name": id, "id": id, "source": "main.rs:1", "triggers": [trigger], "emits": []});
        let subscription =
            json!({"eventType": "user.created", "mode": "async", "method": "POST", "path": "/"});
        let functions = json!([
            function("emails-welcome", &subscription),
            function("emails-send", &json!({"queue": "users"})),
        ]);
        let manifest = |service: &str, events: Value| -> Manifest {
            let manifest =
                json!({"service": service, "version": "1", "functions": functions, "events": events});
            serde_json::from_value(manifest).unwrap()
        };
        let event = |emitted_by: &[&str], received_by: &[&str]| json!({"type": "user.created", "schema": {}, "emittedBy": emitted_by, "receivedBy": received_by});
        let users = manifest("users", json!([event(&["users-create"], &[])]));
        let received = event(&[], &["emails-send", "emails-welcome"]);
        let emails = manifest("emails", json!([received, {"type": "b", "schema": {}}]));
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
