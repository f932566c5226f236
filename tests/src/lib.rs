//! Tools for the end-to-end tests: start, watch and stop real programs. The tests themselves are in `tests/`.

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

/// How long a test waits for something before it fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long a test waits for something that may have to be compiled first.
pub const PATIENCE_TO_BUILD: Duration = Duration::from_secs(900);

/// Calls `ask` until it returns a value.
///
/// # Panics
/// If there is none within [`PATIENCE`]. The message contains `what`.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl FnMut() -> F) -> T {
    eventually_within(PATIENCE, what, ask).await
}

/// Calls `ask` until it returns a value.
///
/// # Panics
/// If there is none within `patience`. The message contains `what`.
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

/// Returns a client for plain requests.
///
/// # Panics
/// If the client cannot be created, which does not depend on the environment.
#[must_use]
pub fn http() -> reqwest::Client {
    // When it is built together with the gateway, reqwest has TLS enabled and requires a cryptography provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}
