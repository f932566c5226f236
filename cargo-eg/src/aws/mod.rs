//! Connects to AWS: region, credentials, connections and repetition of all its clients. What they are called for is left to
//! `deploy` and the commands.

mod failures;
pub(crate) mod json;
pub(crate) mod s3;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

pub(crate) use self::failures::failure;
use crate::cli;
use crate::exit::{Exit, Failure};

/// What to do without valid credentials.
const LOG_IN: &str = "run `aws sso login`, or set AWS_PROFILE or AWS_ACCESS_KEY_ID";

/// How often a call is attempted that was throttled or lost, with a growing wait from the first one on.
const ATTEMPTS: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// Reads the AWS configuration and finds credentials. `region` is used if the command line names none; without it, the
/// configuration decides.
pub(crate) async fn connect(access: &cli::AwsAccess, region: Option<&str>) -> Result<SdkConfig, Failure> {
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST_WAIT);
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http).retry_config(retries);
    if let Some(region) = access.region.as_deref().or(region) {
        loader = loader.region(Region::new(region.to_owned()));
    }
    if let Some(profile) = &access.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(url) = &access.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let config = loader.load().await;
    if config.region().is_none() {
        return Err(Failure::new(Exit::Usage, "no AWS region is set")
            .hint("set it with --region, AWS_REGION or your AWS configuration"));
    }
    credentials(&config).await.map(|_| config)
}

/// Returns the region, which [`connect`] has made sure of.
pub(crate) fn region(config: &SdkConfig) -> String {
    config.region().map(ToString::to_string).unwrap_or_default()
}

/// Finds credentials. Some providers call AWS or run a program for this.
pub(crate) async fn credentials(config: &SdkConfig) -> Result<Credentials, Failure> {
    let found = match config.credentials_provider() {
        Some(provider) => provider.provide_credentials().await,
        None => Err(CredentialsError::not_loaded_no_source()),
    };
    found.map_err(|error| without_credentials(&error))
}

/// Who calls AWS.
#[derive(Debug)]
pub(crate) struct Caller {
    /// The number of the account.
    pub(crate) account: String,
    pub(crate) arn: String,
}

/// Asks AWS whose credentials these are.
pub(crate) async fn caller(config: &SdkConfig) -> Result<Caller, Failure> {
    let call = aws_sdk_sts::Client::new(config).get_caller_identity();
    let answer =
        call.send().await.map_err(|error| failure("find out whose the AWS credentials are", &error))?;
    Ok(Caller { account: answer.account.unwrap_or_default(), arn: answer.arn.unwrap_or_default() })
}

/// Returns the failure of credentials that were not found, or that their source does not give.
fn without_credentials(error: &CredentialsError) -> Failure {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            Failure::new(Exit::Credentials, "no AWS credentials were found")
        }
        error => Failure::new(
            Exit::Credentials,
            format!("cannot get the AWS credentials: {}", failures::root(error)),
        ),
    }
    .hint(LOG_IN)
}
