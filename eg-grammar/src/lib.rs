//! Holds the rules that macros, runtime, gateway and command line share: which names, routes, schedules, durations, sizes
//! and statuses are valid, and what they mean. It has no clock, no I/O and no wire format; callers report the mistakes.
//!
//! | subject | items |
//! |---|---|
//! | event types, functions, services, queues, streams | [`check_event_type`], [`routed_type`], [`check_function_name`], [`check_service_name`], [`QueueName`], [`StreamKind`] |
//! | routes | [`Path`], [`Segment`], [`Spelling`], [`Method`], [`Routes`], [`Unrouted`] |
//! | schedules | [`Schedule`] |
//! | durations, sizes and numbers | [`parse_duration`], [`parse_size`], [`Bound`], [`limits`] |
//! | nesting of JSON | [`is_nested_deeper`], [`is_too_deep`], [`too_deep`] |
//! | the mark before text | [`without_bom`], [`text_without_bom`] |
//! | sources and buses of EventBridge, numbers in patterns | [`is_of_aws`], [`check_sources`], [`is_exact`] |
//! | HTTP answers | [`Verdict`], [`retry_after`] |
//! | when failed deliveries are retried | [`DeliveryPolicy`], [`DeliveryLimits`], [`Redelivery`] |
//! | CloudEvents extensions | [`extension`] |
//! | HTTP headers: names of the gateway's, values as text | [`header`] |
//! | environment variables of deployed programs, references to secrets | [`variable`], [`SecretReference`] |
//! | AWS regions: partition and domain | [`region`] |
//! | WebSocket APIs: event types, stage, size of messages | [`websocket`] |
//! | CORS | [`cors`] |
//! | requests of web pages to local ports | [`OwnNames`], [`Visit`], [`Foreign`] |
//! | misspelt words | [`nearest`], [`did_you_mean`] |
//! | text for terminals and shells | [`printable`], [`printable_lines`], [`printable_json`], [`shell_word`] |
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod bom;
mod bound;
mod bus;
mod cidr;
mod civil;
pub mod cors;
mod depth;
mod duration;
pub mod extension;
pub mod header;
pub mod limits;
mod method;
mod mistake;
mod name;
mod number;
mod path;
mod printable;
mod queue;
mod redelivery;
pub mod region;
mod retry_after;
mod routes;
mod schedule;
mod screening;
mod secret;
mod size;
mod stream;
mod suggest;
pub mod variable;
mod verdict;
pub mod websocket;
mod wildcard;

pub use bom::{text_without_bom, without_bom};
pub use bound::Bound;
pub use bus::{check_sources, is_of_aws};
pub use cidr::Cidr;
pub use depth::{is_nested_deeper, is_too_deep, too_deep};
pub use duration::parse_duration;
pub use method::Method;
pub use mistake::Mistake;
pub use name::{
    EVENT_RECEIVED, HTTP_REQUEST, LEGACY_FUNCTION_ERROR, SYSTEM_PREFIX, check_event_type,
    check_function_name, check_service_name, is_event_type, is_function_name, is_resource_name,
    is_system_event_type, routed_type,
};
pub use number::is_exact;
pub use path::{Path, Segment, Spelling};
pub use printable::{printable, printable_json, printable_lines, shell_word};
pub use queue::{BatchMistake, FIFO_SUFFIX, QueueName, check_batch, is_fifo};
pub use redelivery::{DeliveryLimits, DeliveryPolicy, Redelivery};
pub use retry_after::retry_after;
pub use routes::{Route, Routes, Unrouted};
pub use schedule::Schedule;
pub use screening::{Foreign, OwnNames, Visit};
pub use secret::SecretReference;
pub use size::parse_size;
pub use stream::{StreamKind, check_stream};
pub use suggest::{did_you_mean, list, nearest};
pub use verdict::Verdict;
pub use wildcard::Wildcard;
