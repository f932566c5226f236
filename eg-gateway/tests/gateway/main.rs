//! The gateway through its public interfaces: real sockets, a real store, real processes.

#![allow(
    clippy::unwrap_used,
    reason = "clippy takes only functions marked #[test] for tests, not their helpers"
)]
#![allow(clippy::disallowed_methods, reason = "tests watch the real clock for their deadlines")]

mod authorizers;
#[cfg(feature = "aws")]
mod aws;
mod backup;
mod bounds;
mod calls;
mod cloud_events;
mod config_api;
mod corruption;
mod cors;
mod crash;
mod crash_work;
mod delivery;
mod deployment;
#[cfg(target_os = "linux")]
mod disk;
mod edge;
mod events_api;
mod fairness;
mod flow;
mod framing;
mod history;
mod jobs;
mod lambda;
mod local_ports;
mod metrics;
mod openapi;
#[cfg(feature = "otlp")]
mod otlp;
mod outbound;
mod policies;
#[cfg(feature = "postgres")]
mod postgres;
mod process;
mod put_events;
mod readme;
mod room;
mod routes;
mod secrets;
mod spaces;
mod statistics;
mod streams;
mod support;
mod system_events;
mod takeover;
mod targets;
mod tls;
mod webhooks;
mod wire;
