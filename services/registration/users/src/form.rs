//! Reads the body of `POST /users`: a profile or a registration, distinguished by its fields. Stores nothing.

use serde::Deserialize;
use serde_json::Value;

use crate::users::{Profile, Registrant};

/// The maximum length of an email address in bytes (RFC 5321, 4.5.3.1.3, without the angle brackets).
const LONGEST_EMAIL: usize = 254;

/// A posted user. The values are checked here rather than by serde, because clients of the original expect other
/// messages.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Form {
    id: Option<Value>,
    first_name: Option<Value>,
    last_name: Option<Value>,
    email: Option<Value>,
    name: Option<Value>,
}

/// The two forms.
#[derive(Debug, PartialEq)]
pub(crate) enum Posted {
    /// A user with an id and a full name.
    Profile(Profile),
    /// A user who registers with an email address.
    Registration(Registrant),
}

/// Why a form is refused.
#[derive(Debug, PartialEq)]
pub(crate) enum Refusal {
    /// A profile lacks a field.
    MissingField,
    /// A registration has no valid email address.
    EmailRequired,
}

impl Form {
    /// Decides which form this is. A form with an id, a first name or a last name is a profile.
    pub(crate) fn read(self) -> Result<Posted, Refusal> {
        let Self { id, first_name, last_name, email, name } = self;
        if id.is_none() && first_name.is_none() && last_name.is_none() {
            let email = email.as_ref().and_then(text).and_then(|email| normalised(&email));
            let email = email.ok_or(Refusal::EmailRequired)?;
            return Ok(Posted::Registration(Registrant { email, name: name.as_ref().and_then(text) }));
        }
        let field = |value: Option<Value>| value.as_ref().and_then(text).ok_or(Refusal::MissingField);
        Ok(Posted::Profile(Profile {
            id: field(id)?,
            first_name: field(first_name)?,
            last_name: field(last_name)?,
            email: field(email)?,
        }))
    }
}

/// Returns the trimmed text, or `None` if it is blank.
fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Returns the address in lower case if it is plausible: exactly one `@` with text on both sides, and no space. Does
/// not check that the mailbox exists.
fn normalised(email: &str) -> Option<String> {
    let (local, domain) = email.split_once('@')?;
    let sound = !local.is_empty()
        && !domain.is_empty()
        && !domain.contains('@')
        && email.len() <= LONGEST_EMAIL
        && !email.contains(|c: char| c.is_whitespace() || c.is_control());
    sound.then(|| email.to_lowercase())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(form: &Value, expected: &Result<Posted, Refusal>) {
        assert_eq!(Form::deserialize(form).unwrap().read(), *expected, "{form}");
    }

    #[test]
    fn the_fields_tell_the_two_forms_apart() {
        let donald = Profile {
            id: "10".to_owned(),
            first_name: "Donald".to_owned(),
            last_name: "Duck".to_owned(),
            email: "Donald@Disney.com".to_owned(),
        };
        let full =
            json!({"id": "10", "firstName": "Donald", "lastName": "Duck", "email": "Donald@Disney.com"});
        check(&full, &Ok(Posted::Profile(donald)));
        for field in ["id", "firstName", "lastName", "email"] {
            for broken in [Value::Null, json!(""), json!("  "), json!(7)] {
                let mut form = full.clone();
                form[field] = broken;
                check(&form, &Err(Refusal::MissingField));
            }
        }
        for lone in ["id", "firstName", "lastName"] {
            check(&json!({lone: "x", "email": "d@x.org"}), &Err(Refusal::MissingField));
        }
    }

    #[test]
    fn addresses_are_normalised_or_refused() {
        let registration = |email: &str, name: Option<&str>| {
            Ok(Posted::Registration(Registrant { email: email.to_owned(), name: name.map(str::to_owned) }))
        };
        check(&json!({"email": " Donald@Disney.COM "}), &registration("donald@disney.com", None));
        check(&json!({"email": "d@x", "name": " Donald "}), &registration("d@x", Some("Donald")));
        check(&json!({"email": "o'brien+x@x.org", "name": ""}), &registration("o'brien+x@x.org", None));
        let longest = format!("{}@x.org", "d".repeat(248));
        check(&json!({ "email": longest }), &registration(&longest, None));
        for email in ["", " ", "donald", "@x.org", "d@", "d@x@y", "d d@x.org", "d@x.org\nBcc: all@x.org"] {
            check(&json!({ "email": email }), &Err(Refusal::EmailRequired));
        }
        check(&json!({"email": format!("d{longest}")}), &Err(Refusal::EmailRequired));
        check(&json!({"email": 7}), &Err(Refusal::EmailRequired));
        check(&json!({"email": ["d@x.org"], "name": "Donald"}), &Err(Refusal::EmailRequired));
        check(&json!({}), &Err(Refusal::EmailRequired));
    }
}
