//! Tools that the tests of this crate share: applications, gateways, polling.
#![allow(dead_code, unused_imports, reason = "each user takes its part")]

pub(crate) mod app;
pub(crate) mod aws;
pub(crate) mod gateway;
pub(crate) mod load;
pub(crate) mod shell;
pub(crate) mod stack;
pub(crate) mod terminal;

pub(crate) use eg_tests::{example, http, until as eventually, until_within as eventually_within};

/// Connections for AWS's SDKs.
pub(crate) fn http_of_aws() -> aws_sdk_cloudwatchlogs::config::SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_http()
}
