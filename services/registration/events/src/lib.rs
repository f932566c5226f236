//! The event types that the services share, so that no service depends on another. No event contains a session token,
//! because events are stored, logged and shown.

mod address;

pub use address::email_address;

use eg_sdk::Event;
use serde::{Deserialize, Serialize};

/// A user registered with an email address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("user.registered")]
pub struct UserRegistered {
    /// The user's id.
    pub id: String,
    /// The email address, in lower case.
    pub email: String,
    /// The user's name, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A user was stored: a profile with first and last name, or an account with a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("user.created")]
#[serde(rename_all = "camelCase")]
pub struct UserCreated {
    /// The user's id.
    pub id: String,
    /// The first name, in a profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// The last name, in a profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// The name, in an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The email address.
    pub email: String,
}

/// A user clicked an element of the page. Its source is the page, although a service emits it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("user.clicked", source = "/web")]
pub struct UserClicked {
    /// The clicked element, for example `homepage.button.event-driven`.
    pub target: String,
    /// The id of the user who clicked.
    pub user: String,
}

/// A user's picture was analyzed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("user.annotated")]
pub struct UserAnnotated {
    /// The user's id.
    pub id: String,
    /// The user's email address.
    pub email: String,
    /// What the picture shows, best guess first; empty if there is no picture.
    pub entities: Vec<String>,
}

/// An email was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("email.sent")]
pub struct EmailSent {
    /// The recipient's user id, if the recipient is a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The recipient's email address.
    pub email: String,
    /// The recipient's name, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The subject line.
    pub subject: String,
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::{Value, json};

    use super::*;

    /// Other programs read these payloads: changing a key breaks subscribers.
    #[track_caller]
    fn check<E: Event + Serialize>(event: &E, ty: &str, payload: &Value) {
        assert_eq!((E::TYPE, &serde_json::to_value(event).unwrap()), (ty, payload));
    }

    #[test]
    fn payloads_on_the_wire() {
        let text = str::to_owned;
        let registered = UserRegistered { id: text("1"), email: text("d@x.org"), name: None };
        check(&registered, "user.registered", &json!({"id": "1", "email": "d@x.org"}));
        let named = UserRegistered { name: Some(text("Donald")), ..registered };
        check(&named, "user.registered", &json!({"id": "1", "email": "d@x.org", "name": "Donald"}));
        let account = UserCreated {
            id: text("1"),
            first_name: None,
            last_name: None,
            name: Some(text("Donald Duck")),
            email: text("d@x.org"),
        };
        check(&account, "user.created", &json!({"id": "1", "name": "Donald Duck", "email": "d@x.org"}));
        let (first_name, last_name) = (Some(text("Donald")), Some(text("Duck")));
        check(
            &UserCreated { first_name, last_name, name: None, ..account },
            "user.created",
            &json!({"id": "1", "firstName": "Donald", "lastName": "Duck", "email": "d@x.org"}),
        );
        check(
            &UserClicked { target: text("homepage.button.event-driven"), user: text("1") },
            "user.clicked",
            &json!({"target": "homepage.button.event-driven", "user": "1"}),
        );
        check(
            &UserAnnotated { id: text("1"), email: text("d@x.org"), entities: vec![text("Duck")] },
            "user.annotated",
            &json!({"id": "1", "email": "d@x.org", "entities": ["Duck"]}),
        );
        let sent = EmailSent { id: None, email: text("d@x.org"), name: None, subject: text("Welcome!") };
        check(&sent, "email.sent", &json!({"email": "d@x.org", "subject": "Welcome!"}));
        check(
            &EmailSent { id: Some(text("1")), ..sent },
            "email.sent",
            &json!({"id": "1", "email": "d@x.org", "subject": "Welcome!"}),
        );
    }
}
