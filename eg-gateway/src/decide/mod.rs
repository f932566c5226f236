//! Makes every decision of the gateway, as plain functions: no I/O, no tokio, no clock, no randomness. Callers pass
//! everything that a decision needs as parameters.

pub(crate) mod access;
pub(crate) mod arrival;
pub(crate) mod authorize;
pub(crate) mod body;
pub(crate) mod breaker;
pub(crate) mod catalog;
pub(crate) mod changes;
pub(crate) mod classify;
pub(crate) mod condition;
pub(crate) mod cors;
pub(crate) mod delivery;
pub(crate) mod envelope;
pub(crate) mod event;
pub(crate) mod fields;
pub(crate) mod gate;
pub(crate) mod headers;
pub(crate) mod intake;
pub(crate) mod lanes;
pub(crate) mod pattern;
pub(crate) mod place;
pub(crate) mod policy;
pub(crate) mod put_events;
pub(crate) mod refusal;
pub(crate) mod reply;
pub(crate) mod retry;
pub(crate) mod router;
pub(crate) mod routes;
pub(crate) mod rules;
pub(crate) mod share;
pub(crate) mod snapshot;
pub(crate) mod system;
pub(crate) mod system_arrivals;
pub(crate) mod targets;
pub(crate) mod trace;
