//! The rule for ids from outside, the same for all services, and how an id is written in an event's subject.

use std::borrow::Cow;

/// The maximum length of an id in bytes.
const LONGEST: usize = 128;

/// Why an id is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// It is empty.
    #[error("`{0}` is empty")]
    Empty(&'static str),
    /// It is too long.
    #[error("`{0}` is longer than {LONGEST} bytes")]
    Long(&'static str),
    /// It contains a control character.
    #[error("`{0}` contains a control character")]
    Control(&'static str),
}

/// Checks an id from outside, which becomes part of keys and of event subjects. `name` is the field's, for the message.
///
/// # Errors
/// If the id is empty, longer than 128 bytes, or contains a control character.
pub fn check_id(name: &'static str, id: &str) -> Result<(), BadId> {
    if id.is_empty() {
        return Err(BadId::Empty(name));
    }
    if id.len() > LONGEST {
        return Err(BadId::Long(name));
    }
    if id.contains(char::is_control) {
        return Err(BadId::Control(name));
    }
    Ok(())
}

/// Returns the id as a segment of a subject, where `/` separates segments.
pub(crate) fn segment(id: &str) -> Cow<'_, str> {
    if id.contains(['/', '%']) { id.replace('%', "%25").replace('/', "%2F").into() } else { id.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_text_without_control_characters() {
        for id in ["a", "a/b", "o'brien", "item-1' OR '1'='1", "🦆", &"x".repeat(128)] {
            assert_eq!(check_id("customerId", id), Ok(()), "{id}");
        }
        for (id, message) in [
            ("", "`customerId` is empty"),
            (&*"x".repeat(129), "`customerId` is longer than 128 bytes"),
            ("a\nb", "`customerId` contains a control character"),
            ("\0", "`customerId` contains a control character"),
        ] {
            assert_eq!(check_id("customerId", id).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn segments_are_kept_apart() {
        for (id, expected) in
            [("customer-1", "customer-1"), ("a/b", "a%2Fb"), ("a%2Fb", "a%252Fb"), ("o'b", "o'b")]
        {
            assert_eq!(segment(id), expected);
        }
    }
}
