//! CloudEvents as events of Amazon EventBridge, both ways. Decides and converts; calls no service.
//!
//! By default ([`DetailFormat::Payload`]) rules match on what the application knows:
//!
//! | CloudEvent | EventBridge |
//! |---|---|
//! | `type` | `DetailType` |
//! | `source` | `Source` |
//! | `time` | `Time`, whole seconds |
//! | `data`, a JSON object | `Detail` |
//! | all else: `id`, exact `time`, `subject`, `datacontenttype`, `dataschema`, extensions | member `ce` of `Detail` |
//! | extension `traceparent` | also `TraceHeader` |
//!
//! EventBridge gives every event an id of its own and may deliver it more than once; `ce.id` stays the same.
//! [`CloudEvent::from_eventbridge`](crate::CloudEvent::from_eventbridge) puts the event together again.
//!
//! ```
//! use eg_sdk::{CloudEvent, eventbridge::{DetailFormat, Entry}};
//! use serde_json::json;
//!
//! let event = CloudEvent::of_type("user.created", "/users", json!({"id": 10})).with_id("1").with_time(None);
//! let entry = Entry::new(event.encode()?, DetailFormat::Payload)?;
//! assert_eq!(entry.detail_type, "user.created");
//! assert_eq!(entry.detail, r#"{"id":10,"ce":{"specversion":"1.0","id":"1","datacontenttype":"application/json"}}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "eventbridge")]
mod chunks;
mod entry;
mod envelope;
mod limits;

#[cfg(feature = "eventbridge")]
pub(crate) use chunks::chunks;
pub use entry::{DetailFormat, Entry};
pub use limits::EntryError;

/// What an event may count at most by default, in bytes (see [`Entry::size`]): 1 MiB, the limit of EventBridge
/// since January 2026.
pub const MAX_EVENT_BYTES: usize = 1_048_576;
/// How many events one `PutEvents` call takes.
pub const MAX_ENTRIES: usize = 10;

/// The member of `detail` that holds the attributes which EventBridge has no field for.
const CE: &str = "ce";
