//! Reads the body of `POST /users`: a profile, a registration or an account, distinguished by its fields. Stores
//! nothing.

use registration_events::email_address;
use serde::Deserialize;
use serde_json::Value;

use crate::users::{Profile, Registrant};

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
    /// The fields of an account.
    user: Option<Value>,
}

/// The three forms.
#[derive(Debug, PartialEq)]
pub(crate) enum Posted {
    /// A user with an id and a full name.
    Profile(Profile),
    /// A user who registers with an email address and gets a session.
    Registration(Registrant),
    /// A user who is created, without a session: `{"user": {"name", "email"}}`.
    Account(Registrant),
}

/// Why a form is refused.
#[derive(Debug, PartialEq)]
pub(crate) enum Refusal {
    /// A profile lacks a field.
    MissingField,
    /// A registration or an account has no valid email address.
    EmailRequired,
    /// The name in a registration or an account is not text.
    NameNotText,
}

impl Form {
    /// Decides which form this is. A form with an id, a first name or a last name is a profile, one with a user is an
    /// account.
    pub(crate) fn read(self) -> Result<Posted, Refusal> {
        let Self { id, first_name, last_name, email, name, user } = self;
        if let Some(user) = user {
            return registrant(user.get("email"), user.get("name")).map(Posted::Account);
        }
        if id.is_none() && first_name.is_none() && last_name.is_none() {
            return registrant(email.as_ref(), name.as_ref()).map(Posted::Registration);
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

fn registrant(email: Option<&Value>, name: Option<&Value>) -> Result<Registrant, Refusal> {
    let email = email.and_then(Value::as_str).and_then(email_address).ok_or(Refusal::EmailRequired)?;
    match name {
        None | Some(Value::Null | Value::String(_)) => Ok(Registrant { email, name: name.and_then(text) }),
        Some(_) => Err(Refusal::NameNotText),
    }
}

/// Returns the trimmed text, or `None` if it is blank.
fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
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
    fn the_fields_tell_the_forms_apart() {
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

    /// The only command in the README of the original application.
    #[test]
    fn a_user_in_an_envelope_is_an_account() {
        let account = Registrant { email: "your@email.com".to_owned(), name: Some("Your Name".to_owned()) };
        let user = json!({"name": "Your Name", "email": "Your@email.com"});
        check(&json!({ "user": user }), &Ok(Posted::Account(account)));
        for user in
            [json!({"name": "Your Name"}), json!({"email": "your"}), json!("your@email.com"), json!([])]
        {
            check(&json!({"user": user, "email": "your@email.com"}), &Err(Refusal::EmailRequired));
        }
    }

    #[test]
    fn registrations_have_an_address() {
        let registration = |email: &str, name: Option<&str>| {
            Ok(Posted::Registration(Registrant { email: email.to_owned(), name: name.map(str::to_owned) }))
        };
        check(&json!({"email": " Donald@Disney.COM "}), &registration("donald@disney.com", None));
        check(&json!({"email": "d@x", "name": " Donald "}), &registration("d@x", Some("Donald")));
        for none in [Value::Null, json!("")] {
            check(&json!({"email": "d@x.org", "name": none}), &registration("d@x.org", None));
        }
        for name in [json!(7), json!(["Donald"]), json!({"first": "Donald"})] {
            let form = json!({"email": "d@x.org", "name": name});
            check(&form, &Err(Refusal::NameNotText));
            check(&json!({ "user": form }), &Err(Refusal::NameNotText));
        }
        for form in [
            json!({}),
            json!({"email": "donald"}),
            json!({"email": 7}),
            json!({"email": ["d@x.org"], "name": "Donald"}),
        ] {
            check(&form, &Err(Refusal::EmailRequired));
        }
    }
}
