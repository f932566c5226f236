//! What marks an event as replayed.

use eg_sdk::CloudEvent;

/// The extension that names the replay.
const REPLAY: &str = "replay";

/// The event with the name of its replay. What cannot be read as an event passes as it is.
pub(crate) fn marked(json: Vec<u8>, replay: Option<&str>) -> Vec<u8> {
    let Some(replay) = replay else { return json };
    let marked = CloudEvent::from_json(&json).ok().map(|event| event.with_extension(REPLAY, replay));
    marked.and_then(|event| event.to_json().ok()).unwrap_or(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replays_are_marked() {
        for (json, replay, expected) in [
            (
                r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"b":1.50,"a":2}}"#,
                Some("r1"),
                true,
            ),
            (r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#, None, false),
            ("no event", Some("r1"), false),
        ] {
            let marked = String::from_utf8(marked(json.as_bytes().to_vec(), replay)).unwrap();
            assert_eq!(marked != json, expected, "{marked}");
            assert_eq!(marked.contains(r#""replay":"r1""#), expected, "{marked}");
            assert_eq!(marked.contains(r#"{"b":1.50,"a":2}"#), json.contains("1.50"), "{marked}");
        }
    }
}
