//! The events that the services exchange. Types only: no service depends on another.

use eg_sdk::Event;
use serde::{Deserialize, Serialize};

/// Somebody has registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("user.created")]
pub struct UserCreated {
    /// The id the user was registered with.
    pub id: String,
    /// Where to write to.
    pub email: String,
}
