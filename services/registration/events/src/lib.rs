//! The event types that the services share. Contains types only, so that no service depends on another.

use eg_sdk::Event;
use serde::{Deserialize, Serialize};

/// A user registered with an email address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("user.registered")]
pub struct UserRegistered {
    /// The user's id.
    pub id: String,
    /// The session that identifies the user's clicks.
    pub session: String,
    /// The email address, in lower case.
    pub email: String,
    /// The user's name, if given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A user's profile was stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("user.created")]
#[serde(rename_all = "camelCase")]
pub struct UserCreated {
    /// The user's id.
    pub id: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// The email address.
    pub email: String,
}

/// A user clicked an element of the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("user.clicked")]
pub struct UserClicked {
    /// The clicked element, for example `homepage.button.event-driven`.
    pub target: String,
    /// The session from the user's registration.
    pub session: String,
}

/// A user's picture was analyzed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("user.annotated")]
pub struct UserAnnotated {
    /// The user's email address.
    pub email: String,
    /// What the picture shows, best guess first; empty if there is no picture.
    pub entities: Vec<String>,
}

/// An email was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("email.sent")]
pub struct EmailSent {
    /// The recipient's user id.
    pub id: String,
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
        let registered =
            UserRegistered { id: text("1"), session: text("s"), email: text("d@x.org"), name: None };
        check(&registered, "user.registered", &json!({"id": "1", "session": "s", "email": "d@x.org"}));
        let named = UserRegistered { name: Some(text("Donald")), ..registered };
        check(
            &named,
            "user.registered",
            &json!({"id": "1", "session": "s", "email": "d@x.org", "name": "Donald"}),
        );
        check(
            &UserCreated {
                id: text("1"),
                first_name: text("Donald"),
                last_name: text("Duck"),
                email: text("d@x.org"),
            },
            "user.created",
            &json!({"id": "1", "firstName": "Donald", "lastName": "Duck", "email": "d@x.org"}),
        );
        check(
            &UserClicked { target: text("homepage.button.event-driven"), session: text("s") },
            "user.clicked",
            &json!({"target": "homepage.button.event-driven", "session": "s"}),
        );
        check(
            &UserAnnotated { email: text("d@x.org"), entities: vec![text("Duck")] },
            "user.annotated",
            &json!({"email": "d@x.org", "entities": ["Duck"]}),
        );
        check(
            &EmailSent { id: text("1"), email: text("d@x.org"), name: None, subject: text("Welcome!") },
            "email.sent",
            &json!({"id": "1", "email": "d@x.org", "subject": "Welcome!"}),
        );
    }
}
