//! The kinds of resources: their names in the Config API and what identifies a resource. `client` sends them.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Cors, EventType, Function, Subscription};

/// A kind of resource of the Config API.
pub trait Resource: Serialize + DeserializeOwned + sealed::Sealed {
    /// The collection's name in URLs, for example `eventtypes`.
    const COLLECTION: &'static str;
    /// The member of a list answer that contains the resources, for example `eventTypes`.
    const LIST: &'static str;
    /// The name in messages, for example `event type`.
    const KIND: &'static str;

    /// Whether ids are percent-encoded already, as those that contain a path are.
    const ENCODED: bool;

    /// Identifies the resource in its collection, and in messages before the gateway assigns an id.
    fn id(&self) -> &str;

    /// Identifies the resource in URLs: its id, or the id that the gateway derives from its other fields.
    fn key(&self) -> Cow<'_, str>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! resource {
    ($type:ident, $collection:literal, $list:literal, $kind:literal, $id:ident $(, $derived:ident)?; $encoded:literal) => {
        impl sealed::Sealed for $type {}
        impl Resource for $type {
            const COLLECTION: &'static str = $collection;
            const LIST: &'static str = $list;
            const KIND: &'static str = $kind;
            const ENCODED: bool = $encoded;

            fn id(&self) -> &str {
                &self.$id
            }

            fn key(&self) -> Cow<'_, str> {
                $(if self.$id.is_empty() {
                    return Cow::Owned(self.$derived());
                })?
                Cow::Borrowed(&self.$id)
            }
        }
    };
}

resource!(EventType, "eventtypes", "eventTypes", "event type", name; false);
resource!(Function, "functions", "functions", "function", function_id; false);
resource!(Subscription, "subscriptions", "subscriptions", "subscription", subscription_id, derived_id; false);
resource!(Cors, "cors", "cors", "CORS configuration", cors_id, derived_id; true);
