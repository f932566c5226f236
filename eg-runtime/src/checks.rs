//! Checks of event types that only the compiler can make, in constants of the macro expansions: a failed check is an error
//! at the user's type. `eg-macros` makes all checks that need no types.

use eg_sdk::__private::EventTrait as Event;
use eg_sdk::schema::Writer;

/// Returns the event type of `E`.
#[must_use]
pub const fn event_type<E: Event>() -> &'static str {
    E::TYPE
}

/// Checks the event types that an argument may emit, or to which the function subscribes by a type.
///
/// # Panics
/// If one of them is no event type that the gateway routes.
#[track_caller]
pub const fn check_types(types: &[&str]) {
    let mut i = 0;
    while i < types.len() {
        check(types[i]);
        i += 1;
    }
}

/// Checks that the function subscribes to the event type whose payload an argument decodes.
///
/// # Panics
/// If it does not.
#[track_caller]
pub const fn check_received(payload: Option<&str>, subscribed: &[&str]) {
    let Some(payload) = payload else { return };
    check(payload);
    let mut i = 0;
    while i < subscribed.len() {
        if equal(subscribed[i], payload) {
            return;
        }
        i += 1;
    }
    if let [first, ..] = subscribed {
        refuse(&[
            "this argument takes the payload of `",
            payload,
            "`, but the function subscribes to `",
            first,
            "`: use the type of `",
            first,
            "`, or also subscribe to `",
            payload,
            "`",
        ]);
    }
}

#[track_caller]
const fn check(event_type: &str) {
    if !eg_grammar::is_event_type(event_type) {
        refuse(&["the event type \"", event_type, "\" is invalid: use letters, digits, `.`, `-` and `_`"]);
    }
}

/// Fails with a message that is given in parts.
#[track_caller]
const fn refuse(parts: &[&str]) -> ! {
    Message::new().add(parts).fail()
}

/// A message of a failed check, because constants cannot format. Parts that do not fit are left out.
pub(crate) struct Message {
    bytes: [u8; 800],
    length: usize,
}

impl Message {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; 800], length: 0 }
    }

    pub(crate) const fn add(&mut self, parts: &[&str]) -> &mut Self {
        let mut i = 0;
        while i < parts.len() && self.length + parts[i].len() <= self.bytes.len() {
            let (_, rest) = self.bytes.split_at_mut(self.length);
            let mut writer = Writer::new(rest);
            self.length += writer.raw(parts[i]).len();
            i += 1;
        }
        self
    }

    #[track_caller]
    pub(crate) const fn fail(&self) -> ! {
        match std::str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(message) => panic!("{}", message),
            Err(_) => panic!("an event type is invalid"),
        }
    }
}

/// Compares strings, because `==` is not available in constants yet.
pub(crate) const fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}
