//! The events that `users` and `emails` exchange. Types only: neither service depends on the other.

use eg_sdk::Event;
use serde::{Deserialize, Serialize};

/// Somebody has registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("user.created")]
#[serde(rename_all = "camelCase")]
pub struct UserCreated {
    /// The id the user was registered with.
    pub id: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Where to write to.
    pub email: String,
}

/// An e-mail has left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("email.sent")]
#[serde(rename_all = "camelCase")]
pub struct EmailSent {
    /// The user it went to.
    pub user_id: String,
    /// The address it went to.
    pub to: String,
    /// Its subject line.
    pub subject: String,
}
