//! Tools of the end-to-end tests: real programs, started, watched and ended. Tests nothing itself.

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

pub mod app;
pub mod moto;
pub mod program;
pub mod python;
pub mod runtime_api;
pub mod shop;
pub mod subscriber;

use std::future::Future;
use std::time::{Duration, Instant};

/// How long anything awaited may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long what may have to compile first may take.
pub const PATIENCE_TO_BUILD: Duration = Duration::from_secs(900);

/// Asks until there is an answer.
///
/// # Panics
/// When there is none within [`PATIENCE`]; the message says what was awaited.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl FnMut() -> F) -> T {
    eventually_within(PATIENCE, what, ask).await
}

/// Asks until there is an answer.
///
/// # Panics
/// When there is none within `patience`; the message says what was awaited.
pub async fn eventually_within<T, F: Future<Output = Option<T>>>(
    patience: Duration,
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A client for plain requests.
///
/// # Panics
/// When it cannot be made, which depends on nothing outside.
#[must_use]
pub fn http() -> reqwest::Client {
    // Built in one go with the gateway, reqwest can do TLS and insists on being told with which cryptography.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}
