//! What the tests of this crate share: applications, gateways, polling.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod app;
pub(crate) mod gateway;
pub(crate) mod load;
pub(crate) mod shell;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// An example of this package. Examples are built with the tests and lie beside them.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is missing: `cargo build -p cargo-eg --examples` makes it", path.display());
    path
}

/// A client for `http:` URLs. reqwest wants a provider of cryptography as soon as any crate turns on its TLS.
pub(crate) fn http() -> reqwest::Client {
    // Fails when another test of this process was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// Connections for AWS's SDKs.
pub(crate) fn http_of_aws() -> aws_sdk_cloudwatchlogs::config::SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_http()
}

/// How long anything may take that is no build.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `ready` says so.
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
