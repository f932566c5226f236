//! Identities of events, and the ids of events that follow from others. Leaves setting the cause of what is emitted
//! to the client.

use std::sync::Arc;

use eg_grammar::extension::CAUSATION_ID;
use uuid::{Builder, Uuid, uuid};

use crate::{CloudEvent, rules};

/// The namespace of derived ids.
const NAMESPACE: Uuid = uuid!("5b1f0e7e-2f0c-5d0a-9d55-6a3c1c3f8a11");

/// Identifies an event: its `source`, its `id`, and its `type`. Clones are cheap.
///
/// Converts from `&CloudEvent<T>`, so that functions which take an identity take a reference to an event too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EventIdentity(Arc<Attributes>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Attributes {
    source: String,
    id: String,
    ty: String,
}

impl EventIdentity {
    /// Returns the event's `source`.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Returns the event's `id`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Returns the event's `type`.
    #[must_use]
    pub fn ty(&self) -> &str {
        &self.0.ty
    }
}

impl<T> From<&CloudEvent<T>> for EventIdentity {
    fn from(event: &CloudEvent<T>) -> Self {
        let [source, id, ty] = [event.source(), event.id(), event.ty()].map(str::to_owned);
        Self(Arc::new(Attributes { source, id, ty }))
    }
}

impl From<&EventIdentity> for EventIdentity {
    fn from(identity: &EventIdentity) -> Self {
        identity.clone()
    }
}

impl<T> CloudEvent<T> {
    /// Returns what identifies the event, for use after its payload has been moved out.
    #[must_use]
    pub fn identity(&self) -> EventIdentity {
        self.into()
    }

    /// Makes this event follow from `cause`: its `id` is derived from the cause, and `causationid` names the cause.
    ///
    /// An event gets the same id each time it is derived from the same cause. If a function is called again with an
    /// event that it has handled, it emits the same event again, and the gateway recognizes the duplicate.
    ///
    /// Set `source` and `type` first: the id is the UUIDv5, in the namespace `5b1f0e7e-2f0c-5d0a-9d55-6a3c1c3f8a11`, of
    /// the JSON array `[cause's source, cause's id, source, type]`. For several events of one type that follow from one
    /// cause, use [`caused_by_as`](Self::caused_by_as).
    ///
    /// ```
    /// # use eg_sdk::CloudEvent;
    /// let order = CloudEvent::of_type("order.placed", "/shop", ()).with_id("order-1");
    /// let bill = || CloudEvent::of_type("bill.sent", "/bills", ()).caused_by(&order);
    /// assert_eq!(bill().id(), "af5022b8-1569-5647-8e65-247b77fd30cb");
    /// assert_eq!(bill().id(), bill().id());
    /// assert_eq!(bill().cause(), Some("order-1"));
    /// ```
    #[must_use]
    pub fn caused_by(self, cause: impl Into<EventIdentity>) -> Self {
        self.derived(&cause.into(), None)
    }

    /// Like [`caused_by`](Self::caused_by), for one of several events of one type that follow from one cause. `part`
    /// tells them apart, for example the id of the ordered item; it becomes the fifth element of the array.
    #[must_use]
    pub fn caused_by_as(self, cause: impl Into<EventIdentity>, part: &str) -> Self {
        self.derived(&cause.into(), Some(part))
    }

    fn derived(self, cause: &EventIdentity, part: Option<&str>) -> Self {
        let names = [Some(cause.source()), Some(cause.id()), Some(self.source()), Some(self.ty()), part];
        let names: Vec<&str> = names.into_iter().flatten().collect();
        let name = serde_json::to_vec(&names).expect("text is JSON");
        let event = self.with_id(name_based(&name).to_string());
        if is_valid_cause(cause.id()) { event.with_cause(cause.id()) } else { event }
    }
}

/// Whether an event may name the one with this id as its cause. An id of CloudEvents 0.1 may contain characters that no
/// attribute may contain in 1.0.
pub(crate) fn is_valid_cause(id: &str) -> bool {
    rules::check_string(CAUSATION_ID, id).is_ok()
}

/// Returns the UUIDv5 of `name` (RFC 9562, section 5.5).
fn name_based(name: &[u8]) -> Uuid {
    let mut hash = sha1_smol::Sha1::new();
    hash.update(NAMESPACE.as_bytes());
    hash.update(name);
    let digest = hash.digest().bytes();
    let mut first = [0; 16];
    first.copy_from_slice(&digest[..16]);
    Builder::from_sha1_bytes(first).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(source: &str, ty: &str) -> CloudEvent<()> {
        CloudEvent::of_type(ty, source, ()).with_id("1")
    }

    /// The expected ids are those of Python's `uuid.uuid5(namespace, json.dumps([…], separators=(",", ":")))`.
    #[test]
    fn derived_ids_follow_the_documented_rule() {
        let order = event("/shop", "order.placed").with_id("order-1");
        let bill = || event("/bills", "bill.sent");
        for (derived, expected) in [
            (bill().caused_by(&order), "af5022b8-1569-5647-8e65-247b77fd30cb"),
            (bill().caused_by(order.identity()), "af5022b8-1569-5647-8e65-247b77fd30cb"),
            (bill().caused_by_as(&order, "item-7"), "325926ae-1ea1-598d-83fc-c0a5280245ab"),
        ] {
            assert_eq!(derived.id(), expected);
            assert_eq!(derived.cause(), Some("order-1"));
        }
    }

    #[test]
    fn each_cause_source_type_and_part_has_an_id_of_its_own() {
        let cause = event("/a", "t");
        let ids = [
            event("/s", "t").caused_by(&cause),
            event("/s", "t").caused_by(event("/b", "t").identity()),
            event("/s", "t").caused_by(&event("/a", "t").with_id("2")),
            event("/r", "t").caused_by(&cause),
            event("/s", "u").caused_by(&cause),
            event("/s", "t").caused_by_as(&cause, ""),
            event("/s", "t").caused_by_as(&cause, "x"),
        ]
        .map(|event| event.id().to_owned());
        let different: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(different.len(), ids.len(), "{ids:?}");
    }

    #[test]
    fn an_id_that_no_attribute_may_hold_is_not_named() {
        let derived = event("/s", "t").caused_by(&event("/a", "t").with_id("line\nbreak"));
        assert_eq!(derived.cause(), None);
    }
}
