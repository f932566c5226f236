//! Tools that the tests of this crate share: applications, gateways, polling.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod app;
pub(crate) mod gateway;
pub(crate) mod load;
pub(crate) mod shell;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Returns the path of an example of this package. Examples are built together with the tests, into a folder next to
/// them.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is missing: `cargo build -p cargo-eg --examples` makes it", path.display());
    path
}

/// Returns a client for `http:` URLs. reqwest requires a cryptography provider as soon as any crate enables its TLS.
pub(crate) fn http() -> reqwest::Client {
    // Fails if another test of this process was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// Connections for AWS's SDKs.
pub(crate) fn http_of_aws() -> aws_sdk_cloudwatchlogs::config::SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_http()
}

/// How long anything except a build may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `ready` returns true.
pub(crate) async fn eventually(what: &str, ready: impl FnMut() -> bool) {
    eventually_within(PATIENCE, what, ready).await;
}

pub(crate) async fn eventually_within(patience: Duration, what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !ready() {
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
