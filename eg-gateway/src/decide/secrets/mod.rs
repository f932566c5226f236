//! Hides secrets from clients that read what the gateway stores, and puts them back when a client writes what it has read.
//! Functions get everything as it was sent.

mod functions;
mod marks;
mod members;
mod payloads;
mod requests;

use std::cell::LazyCell;
use std::collections::HashMap;

use eg_sdk::config::EventType;
use eg_sdk::history::Mismatch;
use eg_sdk::pattern;
use serde_json::value::RawValue;

use self::marks::Marks;
use self::members::Members;
use super::catalog::Catalog;
use super::event::Event;
pub(crate) use functions::{is_masked, is_plain, masked, unmask};

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

    /// Hides what a client that reads the event must not see, and adds to the mismatches of its deliveries the value that such a
    /// client sees.
    pub(crate) fn show<'m>(
        &mut self,
        event: &mut Box<RawValue>,
        mismatches: impl IntoIterator<Item = &'m mut Mismatch>,
    ) {
        self.hide(event);
        let event = LazyCell::new(|| readable(event));
        for mismatch in mismatches {
            let value = |event: &Event| pattern::value_at(&event.filterable(), &mismatch.path);
            mismatch.value = event.as_ref().and_then(value);
        }
    }

    /// Returns an event that a client has edited, with what is hidden in the stored one in place of masks.
    ///
    /// # Errors
    /// Names a mask that stands for no stored value.
    pub(crate) fn restored(
        &mut self,
        edited: Box<RawValue>,
        stored: &RawValue,
    ) -> Result<Box<RawValue>, String> {
        let unknown = |path: String| {
            format!("`{}` is masked, but the stored event has no value for it: replace `{MASK}`", &path[1..])
        };
        let mut read = edited.clone();
        let edited = requests::restored(&edited, stored).map_err(unknown)?.unwrap_or(edited);
        let restored = payloads::restored(&edited, stored, &mut |ty| self.marks(ty)).map_err(unknown)?;
        let restored = restored.unwrap_or(edited);
        // What is hidden of it later must be what the client has read as a mask.
        let mut shown = restored.clone();
        for event in [&mut read, &mut shown] {
            self.hide(event);
        }
        if shown.get() != read.get() {
            return Err(format!(
                "with this type, the event would show what was masked: keep the type of the stored event, or replace `{MASK}`"
            ));
        }
        Ok(restored)
    }
}

/// Reads an event in which secrets are hidden.
fn readable(event: &RawValue) -> Option<Event> {
    let mut members = Members::read(event)?;
    // Filters do not see it, and a mask is not base64.
    members.0.retain(|member| member.name != "data_base64");
    Event::read(members.write()?.get().to_owned().into()).ok()
}

/// The mask that clients read in place of a secret.
const MASK: &str = "*****";

fn is_mask(value: &RawValue) -> bool {
    serde_json::from_str::<String>(value.get()).is_ok_and(|text| text == MASK)
}
