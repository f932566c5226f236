//! Hides secrets from clients that read what the gateway stores, and puts them back when a client writes what it has read.
//! Functions get everything as it was sent.

mod functions;
mod members;
mod payloads;
mod requests;

use std::collections::HashMap;

use eg_sdk::config::EventType;
use eg_sdk::history::Mismatch;
use serde_json::value::RawValue;

use self::payloads::Marks;
use super::catalog::Catalog;
pub(crate) use functions::{is_plain, masked, unmask};

/// Returns whether a clause of a filter is about an attribute of the event.
fn is_attribute(clause: &str) -> bool {
    !clause.starts_with("data") && clause != "$or"
}

/// Hides what an event has for functions only: the credentials of HTTP requests, and the sensitive parts of payloads.
pub(crate) struct Veil<'a> {
    catalog: &'a Catalog,
    space: &'a str,
    /// The marks of the event types that it has met.
    marks: HashMap<String, Option<Marks>>,
}

impl<'a> Veil<'a> {
    /// Creates one for events of a space, by the schemas that its event types have now.
    pub(crate) fn new(catalog: &'a Catalog, space: &'a str) -> Self {
        Self { catalog, space, marks: HashMap::new() }
    }

    fn marks(&mut self, ty: &str) -> Option<Marks> {
        if let Some(known) = self.marks.get(ty) {
            return known.clone();
        }
        let found = self.catalog.table::<EventType>().get(self.space, ty);
        let marks = found.and_then(|ty| ty.schema()).and_then(Marks::of);
        self.marks.insert(ty.to_owned(), marks.clone());
        marks
    }

    /// Hides what a client that reads the event must not see.
    pub(crate) fn hide(&mut self, event: &mut Box<RawValue>) {
        if let Some(hidden) = requests::hidden(event) {
            *event = hidden;
        }
        if let Some(hidden) = payloads::hidden(event, &mut |ty| self.marks(ty)) {
            *event = hidden;
        }
    }

    /// Hides the value that did not match the filter of a subscription, if it is sensitive. `ty` is the type of the event.
    pub(crate) fn hide_mismatch(&mut self, ty: &str, mismatch: &mut Mismatch) {
        let Some(marks) = self.marks(ty) else { return };
        let is_sensitive = match mismatch.clause.strip_prefix("data.") {
            Some(path) => marks.hides(&path.split('.').collect::<Vec<_>>()),
            None => !is_attribute(&mismatch.clause),
        };
        if is_sensitive && mismatch.value.is_some() {
            mismatch.value = Some(MASK.into());
        }
    }

    /// Returns an event that a client has edited, with what is hidden in the stored one in place of masks.
    pub(crate) fn restored(&mut self, edited: Box<RawValue>, stored: &RawValue) -> Box<RawValue> {
        let edited = requests::restored(&edited, stored).unwrap_or(edited);
        payloads::restored(&edited, stored, &mut |ty| self.marks(ty)).unwrap_or(edited)
    }
}

/// The mask that clients read in place of a secret.
const MASK: &str = "*****";
