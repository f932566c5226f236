//! Writes an event as a test in Rust, for `eg_runtime::testing`.

use eg_grammar::printable_json;

/// The maximum length of an event in a test, in bytes.
const LONGEST: usize = 16 * 1024;

/// Returns a test that delivers an event of this type to an app; `None` if the event is too long for one. `event` is its JSON.
pub(crate) fn of(ty: &str, event: &str) -> Option<String> {
    if event.len() > LONGEST {
        return None;
    }
    let (name, event) = (name(ty), printable_json(event));
    let marks = "#".repeat(marks(&event));
    Some(format!(
        "#[tokio::test]
async fn {name}_is_handled() -> Result<(), eg_runtime::Error> {{
    use eg_runtime::testing::{{Outcome, TestApp}};
    use eg_runtime::{{App, CloudEvent}};

    let event = r{marks}\"{event}\"{marks};
    let app = TestApp::new(App::new())?;
    let deliveries = app.deliver(CloudEvent::from_json(event.as_bytes())?).await?;
    assert!(!deliveries.is_empty());
    for delivery in deliveries {{
        assert_eq!(delivery.outcome, Outcome::Done, \"{{}}\", delivery.function);
    }}
    Ok(())
}}
"
    ))
}

/// Returns an identifier for a type: `user_created` for `user.created`.
fn name(ty: &str) -> String {
    let words = ty.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name = words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_");
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("event_{name}") }
}

/// Returns how many `#` a raw string with this text needs: more than follow any quote in it.
fn marks(text: &str) -> usize {
    let after = |quote: &str| quote.len() - quote.trim_start_matches('#').len();
    text.split('"').skip(1).map(after).max().unwrap_or_default() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identifiers() {
        for (ty, expected) in [
            ("user.created", "user_created"),
            ("Object Created", "object_created"),
            ("a-b..c", "a_b_c"),
            ("1.x", "event_1_x"),
            ("größe", "gr_e"),
            ("日本", "event_"),
        ] {
            assert_eq!(name(ty), expected);
        }
    }

    /// `eg-runtime` runs this test.
    #[test]
    fn the_test_is_the_one_that_is_run() {
        let event = r##"{"id":"1","specversion":"1.0","type":"user.created","source":"/s","data":{"name":"\"# Donald"}}"##;
        let run = include_str!("../../../eg-runtime/tests/goldens/copied_event.rs");
        assert_eq!(of("user.created", event).unwrap(), run);
    }

    #[test]
    fn no_event_ends_its_string() {
        for (text, expected) in [("{}", 1), (r#"{"a":1}"#, 1), (r##"{"a":"b"#}"##, 2), ("\"###\"#", 4)] {
            assert_eq!(marks(text), expected, "{text}");
        }
        assert!(of("a", &"x".repeat(20_000)).is_none());
    }
}
