//! Tools for the end-to-end tests: start, watch and stop real programs. The tests themselves are in `tests/`.

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

pub mod app;
pub mod axe;
pub mod browser;
pub mod moto;
pub mod postgres;
pub mod program;
pub mod python;
pub mod runtime_api;
pub mod shop;
pub mod subscriber;
pub mod templates;
pub mod visits;
pub mod webdriver;

use std::future::Future;
use std::path::PathBuf;
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

/// Waits until `ready` returns true.
///
/// # Panics
/// If that takes longer than [`PATIENCE`]. The message contains `what`.
pub async fn until(what: &str, ready: impl FnMut() -> bool) {
    until_within(PATIENCE, what, ready).await;
}

/// Waits until `ready` returns true.
///
/// # Panics
/// If that takes longer than `patience`. The message contains `what`.
pub async fn until_within(patience: Duration, what: &str, mut ready: impl FnMut() -> bool) {
    eventually_within(patience, what, || std::future::ready(ready().then_some(()))).await;
}

/// Returns the path of an example of the tested package. Cargo builds examples together with the tests, into a folder
/// next to them.
///
/// # Panics
/// If the example has not been built.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let target = test.ancestors().nth(2).expect("tests are two levels below");
    let path = target.join("examples").join(name);
    assert!(path.exists(), "{} is missing: build it with `cargo build --examples`", path.display());
    path
}

/// Returns a client for plain requests.
///
/// # Panics
/// If the client cannot be created, which does not depend on the environment.
#[must_use]
pub fn http() -> reqwest::Client {
    http_with(reqwest::redirect::Policy::default())
}

/// Returns a client for plain requests that follows redirects as `policy` says.
///
/// # Panics
/// If the client cannot be created, which does not depend on the environment.
#[must_use]
pub fn http_with(policy: reqwest::redirect::Policy) -> reqwest::Client {
    // When it is built together with the gateway, reqwest has TLS enabled and requires a cryptography provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().redirect(policy).build().expect("a client without special needs")
}
