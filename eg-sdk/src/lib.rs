//! CloudEvents, typed events, and the Event Gateway client, for every program that emits or receives events. Leaves
//! running functions to `eg-runtime` and routing to `eg-gateway`.
//!
//! | I want to … | use |
//! |---|---|
//! | tie a serde type to an event type | [`Event`], `#[derive(Event)]` |
//! | say what JSON an event is | [`schema`], `#[derive(Schema)]` for the types in it |
//! | read or build an event | [`CloudEvent`] |
//! | emit events, ask a sync subscriber, configure a gateway | `EventGateway` (feature `client`) |
//! | test code that emits | `EventGateway::recording` |
//! | list events, deliveries and dead letters, replay, follow the live feed | `EventGateway::history` (feature `history`), types in `history` (feature `wire`) |
//! | handle the gateway's errors by their code | `errors` |
//! | name functions and subscriptions in code | [`config`] |
//! | take events as HTTP messages, or batches of them | `http` (feature `http`), [`CloudEvent`] as an axum extractor (feature `axum`) |
//! | store and emit in one go, and handle each event once | `outbox` (feature `outbox`) |
//! | read what a service's binary says about its functions | `manifest` (feature `manifest`) |
//! | carry a trace along | [`TraceContext`] |
//! | put events on an event bus of AWS, or read them there | [`eventbridge`]; set `EVENT_BUS` (feature `eventbridge`) |
//!
//! ```
//! use eg_sdk::{CloudEvent, Event};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, Event)]
//! #[event("user.created")]
//! struct UserCreated { id: String, email: String }
//!
//! let event = CloudEvent::new("/services/users", UserCreated { id: "10".into(), email: "d@disney.com".into() });
//! let bytes = event.encode()?.to_json()?;
//!
//! let received: CloudEvent<UserCreated> = CloudEvent::from_json(&bytes)?.decode()?;
//! assert_eq!(received.ty(), "user.created");
//! assert_eq!(received.data.email, "d@disney.com");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "axum")]
mod axum;
mod batch;
mod cause;
#[cfg(feature = "client")]
mod client;
mod cloud_event;
pub mod config;
mod convert;
mod data;
#[cfg(any(feature = "client", feature = "wire"))]
pub mod errors;
mod event;
mod event_set;
pub mod eventbridge;
#[cfg(feature = "wire")]
pub mod history;
#[cfg(feature = "http")]
pub mod http;
mod invalid;
#[cfg(feature = "manifest")]
pub mod manifest;
mod media;
mod members;
#[cfg(any(feature = "client", feature = "wire"))]
mod names;
#[cfg(feature = "outbox")]
pub mod outbox;
#[cfg(feature = "pattern")]
pub mod pattern;
mod rules;
pub mod schema;
#[cfg(feature = "client")]
mod settings;
mod structured;
mod trace;

#[cfg(feature = "axum")]
pub use crate::axum::EventRejection;
pub use cause::EventIdentity;
#[cfg(feature = "client")]
pub use client::{Answer, Collection, Error, EventGateway, Receipt, Recorder, RetryPolicy, TransportError};
#[cfg(feature = "history")]
pub use client::{DeadLetters, Feed, FeedEvent, History, Jobs};
pub use cloud_event::{CloudEvent, SpecVersion};
#[cfg(feature = "client")]
pub use config::Resource;
pub use data::{Data, DataError, FromData, IntoData};
/// The names of the extensions that the gateway, this crate and `eg-runtime` read and write.
pub use eg_grammar::extension;
pub use eg_grammar::{Verdict, is_event_type};
/// Ties a serde type to an event type: `#[derive(Event)] #[event("user.created")]`.
///
/// `source = "…"` overrides the source that events of this type are emitted with. The type gets its [`Schema`] too;
/// `schema = false` leaves that out. `answer = Price` makes the event a [`Question`], whose answer is of this type.
#[cfg(feature = "derive")]
pub use eg_macros::SdkEvent as Event;
/// Describes the JSON of a type, for the schemas of the events that contain it; see [`schema`].
#[cfg(feature = "derive")]
pub use eg_macros::SdkSchema as Schema;
pub use event::{Event, IntoCloudEvent, Question};
pub use event_set::{Contains, EventSet};
pub use invalid::InvalidEvent;
#[cfg(any(feature = "client", feature = "wire"))]
pub use names::UnknownName;
pub use schema::Schema;
#[cfg(feature = "client")]
pub use settings::{EventBus, Settings};
/// Timestamps of events.
pub use time::OffsetDateTime;
pub use trace::TraceContext;

#[cfg(all(doctest, feature = "client", feature = "derive"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// Items for the other crates of the project and for macro expansions. Not part of the public API.
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "eventbridge")]
    pub use crate::client::Queue;
    #[cfg(feature = "client")]
    pub use crate::client::{Connection, Connections, HttpClient, HttpError, RequestBody, Unanswered};
    #[cfg(feature = "secrets")]
    pub use crate::client::{Secrets, Unread};
    // The gateway finds CORS configurations by their escaped ids.
    pub use crate::config::ids::escape_segment;
    // The traits without the derive macros of the same names, which `eg-runtime` exports itself.
    pub use crate::event::Event as EventTrait;
    pub use crate::members::Members;
    pub use crate::schema::Schema as SchemaTrait;
    // The items that expansions of the derive macros name.
    pub use crate::schema::{Field, Part, Presence, Shape};
    use crate::{CloudEvent, InvalidEvent};

    /// Reads an event from parsed members, like [`CloudEvent::from_json`], for callers that have already looked at
    /// the members.
    ///
    /// # Errors
    /// As for [`CloudEvent::from_json`].
    pub fn event(members: Members<'_>) -> Result<CloudEvent, InvalidEvent> {
        CloudEvent::from_members(members)
    }
}
