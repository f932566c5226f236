//! The events that the services exchange. Services share only these types; none depends on another.

use eg_sdk::Event;
use serde::{Deserialize, Serialize};

/// A user has registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event("user.created")]
pub struct UserCreated {
    /// The user's id.
    pub id: String,
    /// The user's email address.
    pub email: String,
}
