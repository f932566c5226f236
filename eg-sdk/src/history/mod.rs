//! The types of the gateway's history API in their wire format: events, deliveries, dead letters, replays, jobs,
//! accounting, recent figures and the live feed. The gateway produces them; the calls are methods of
//! [`EventGateway`](crate::EventGateway)
//! (feature `history`).
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/spaces/<space>/events` with an [`EventFilter`] | [`EventPage`] |
//! | `GET /v1/spaces/<space>/events/<id>` | [`EventDetail`] |
//! | `POST /v1/spaces/<space>/deliveries/<id>/retry` | [`Redriven`] |
//! | `GET /v1/spaces/<space>/dead-letters` | [`DeadLetterPage`] |
//! | `GET /v1/spaces/<space>/dead-letters/<id>` | [`DeadLetter`] |
//! | `POST /v1/spaces/<space>/dead-letters/<id>/redrive` with a [`RedriveRequest`] or no body | [`Redriven`] |
//! | `POST /v1/spaces/<space>/dead-letters/redrive` | [`Redriven`] |
//! | `DELETE /v1/spaces/<space>/dead-letters` | [`Discarded`] |
//! | `POST /v1/spaces/<space>/replays` with a [`ReplayRequest`] | [`Replay`] |
//! | `GET /v1/spaces/<space>/jobs` | [`JobPage`] |
//! | `GET /v1/spaces/<space>/jobs/<id>` | [`Job`] |
//! | `POST /v1/spaces/<space>/jobs/<id>/cancel` or `/resume` | [`Job`] |
//! | `GET /v1/spaces/<space>/access` | [`Access`] |
//! | `GET /v1/spaces/<space>/calls` with a [`CallFilter`] | [`CallPage`] |
//! | `GET /v1/spaces/<space>/statistics` | [`SpaceStatistics`] |
//! | `GET /v1/accounting` | [`Accounting`] |
//! | `GET /v1/statistics` | [`GatewayStatistics`] |
//! | `GET /v1/feed` | server-sent events, each a [`FeedEntry`] |
//!
//! Times are RFC 3339 in UTC; durations are whole milliseconds in members whose names end in `Ms`. Newer gateways may
//! add members.

mod access;
mod accounting;
mod calls;
mod dead_letters;
mod deliveries;
mod events;
mod feed;
mod jobs;
mod millis;
mod moment;
mod replays;
mod statistics;

pub use access::Access;
pub use accounting::{Accounting, Tally};
pub use calls::{Call, CallFilter, CallPage};
pub use dead_letters::{DeadLetter, DeadLetterPage, Discarded, RedriveRequest, Redriven};
pub use deliveries::{Attempt, AttemptOutcome, Delivery, DeliveryCounts, DeliveryState, Loss};
pub use events::{AcceptedEvent, EventDetail, EventFilter, EventPage};
pub use feed::{Activity, DeliveryOutcome, FeedEntry};
pub use jobs::{Job, JobKind, JobPage, JobState};
pub use moment::{NoTime, parse_time};

pub use crate::pattern::Mismatch;
pub use replays::{Replay, ReplayRequest};
pub use statistics::{FunctionStatistics, GatewayStatistics, LastFailure, Minute, SpaceStatistics};
