//! Tests the public interface of eg-sdk. They are one binary, because linking is slow. `cargo test -p eg-sdk
//! --all-features` runs all of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod conversion;
mod eventbridge_format;
mod events;
mod trace;

#[cfg(feature = "axum")]
mod extractor;
#[cfg(feature = "http")]
mod http_modes;
#[cfg(feature = "http")]
mod properties;

#[cfg(feature = "client")]
mod batch;
#[cfg(all(feature = "client", feature = "derive"))]
mod client;
#[cfg(feature = "client")]
mod config_api;
#[cfg(feature = "eventbridge")]
mod connections;
#[cfg(feature = "eventbridge")]
mod event_bus;
#[cfg(feature = "history")]
mod history;
#[cfg(all(feature = "derive", feature = "outbox"))]
mod outbox;
#[cfg(all(feature = "client", feature = "derive"))]
mod recording;
#[cfg(feature = "client")]
mod retries;
#[cfg(feature = "derive")]
mod schema;
#[cfg(any(feature = "axum", feature = "client"))]
#[cfg_attr(not(feature = "client"), allow(dead_code, reason = "only the client needs scripted answers"))]
mod server;
#[cfg(feature = "eventbridge")]
mod signature;

/// Generates `few` cases, or the number in `PROPTEST_CASES`.
fn cases(few: u32) -> proptest::test_runner::Config {
    let asked = std::env::var("PROPTEST_CASES").ok();
    proptest::test_runner::Config::with_cases(asked.map_or(few, |cases| cases.parse().unwrap()))
}
