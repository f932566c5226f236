//! Converts CloudEvents to events of Amazon EventBridge and back. Calls no service.
//!
//! By default ([`DetailFormat::Payload`]) rules match on the application's own payload:
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
//! EventBridge assigns its own id to every event and may deliver it more than once; `ce.id` stays the same.
//! [`CloudEvent::from_eventbridge`](crate::CloudEvent::from_eventbridge) restores the event.
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

/// The default maximum size of an event in bytes (see [`Entry::size`]): 1 MiB, EventBridge's limit since January
/// 2026.
pub const MAX_EVENT_BYTES: usize = 1_048_576;
/// The maximum number of events in a `PutEvents` call.
pub const MAX_ENTRIES: usize = 10;

/// The member of `detail` with the attributes for which EventBridge has no field.
const CE: &str = "ce";
