//! Ids of events that follow from others.

use eg_sdk::CloudEvent;
use uuid::Uuid;

/// Identifies an event.
#[derive(Debug, Clone)]
pub struct Identity {
    source: String,
    id: String,
}

/// Derives ids.
pub trait Derived {
    /// Returns what identifies the event.
    fn identity(&self) -> Identity;
    /// Gives the event an id that follows from `cause`.
    #[must_use]
    fn caused_by(self, cause: &Identity) -> Self;
}

impl<T> Derived for CloudEvent<T> {
    fn identity(&self) -> Identity {
        Identity { source: self.source().to_owned(), id: self.id().to_owned() }
    }

    fn caused_by(self, cause: &Identity) -> Self {
        let name = [&*cause.source, &*cause.id, self.source(), self.ty()].join("\n");
        self.with_id(Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string())
    }
}
