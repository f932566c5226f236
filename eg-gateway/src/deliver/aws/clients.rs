//! Holds what all AWS clients share: connections, credentials and the interpretation of errors. `lambda` and
//! `streams` make the calls.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::{
    Credentials, SharedCredentialsProvider, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_sdk_lambda::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use eg_sdk::config::Aws;
use tokio::sync::OnceCell;
use url::Url;

use crate::decide::targets::PrivateTargets;
use crate::deliver::CallError;
use crate::outbound::resolve::{Resolver, blocked};

/// Connections and credentials, created when the first call needs them.
#[derive(Debug)]
pub(super) struct Shared {
    /// For endpoints set by AWS or by the operator.
    http: OnceCell<SharedHttpClient>,
    /// For endpoints set in the configuration of a function: connects only to allowed addresses.
    careful: OnceCell<SharedHttpClient>,
    allowed: Arc<PrivateTargets>,
    /// The default credential chain, loaded at most once.
    environment: OnceCell<SdkConfig>,
}

/// Where a client sends its requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Endpoint {
    /// The endpoint of the service in the region.
    Regional,
    /// The endpoint that the operator of the gateway set.
    Set(String),
    /// The endpoint in the configuration of the function.
    Named(String),
}

impl Shared {
    pub(super) fn new(allowed: &Arc<PrivateTargets>) -> Self {
        let allowed = Arc::clone(allowed);
        Self { http: OnceCell::new(), careful: OnceCell::new(), allowed, environment: OnceCell::new() }
    }

    /// Returns the settings of a client for a region and its keys.
    async fn config(&self, aws: &Aws, endpoint: &Endpoint) -> SdkConfig {
        let http = self.http().await;
        let mut config = match keys(aws) {
            Some(keys) => SdkConfig::builder()
                .behavior_version(BehaviorVersion::latest())
                .credentials_provider(SharedCredentialsProvider::new(keys)),
            None => {
                let load =
                    || aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone()).load();
                self.environment.get_or_init(load).await.to_builder()
            }
        }
        .http_client(match endpoint {
            Endpoint::Named(_) => self.careful().await,
            Endpoint::Regional | Endpoint::Set(_) => http,
        })
        .region(Region::new(aws.region.clone()))
        // The engine retries on its own schedule and records each attempt.
        .retry_config(RetryConfig::disabled())
        // A function may run for minutes before it sends the first byte of its answer.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Endpoint::Set(url) | Endpoint::Named(url) = endpoint {
            config = config.endpoint_url(url);
        }
        config.build()
    }

    async fn careful(&self) -> SharedHttpClient {
        let build = || async {
            aws_smithy_http_client::Builder::new()
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .build_with_resolver(Resolver::new(&self.allowed))
        };
        self.careful.get_or_init(build).await.clone()
    }

    async fn http(&self) -> SharedHttpClient {
        let build = || async {
            aws_smithy_http_client::Builder::new()
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .build_https()
        };
        self.http.get_or_init(build).await.clone()
    }
}

/// The clients of one service, by region, keys and endpoint.
#[derive(Debug)]
pub(super) struct Clients<C> {
    shared: Arc<Shared>,
    endpoint: Option<String>,
    known: Mutex<HashMap<(Aws, Endpoint), C>>,
}

impl<C: Clone> Clients<C> {
    /// `endpoint` replaces that of the region.
    pub(super) fn new(shared: &Arc<Shared>, endpoint: Option<String>) -> Self {
        Self { shared: Arc::clone(shared), endpoint, known: Mutex::default() }
    }

    /// Returns the client for a region and its keys, created by `make` if it does not exist.
    pub(super) async fn get(&self, aws: &Aws, make: fn(&SdkConfig) -> C) -> C {
        let endpoint = self.endpoint.clone().map_or(Endpoint::Regional, Endpoint::Set);
        self.at(aws, endpoint, make).await
    }

    /// Returns the client for a function that names its endpoint in `url`, unless the operator set one for all
    /// functions.
    pub(super) async fn get_at(
        &self,
        aws: &Aws,
        url: Url,
        make: fn(&SdkConfig) -> C,
    ) -> Result<C, CallError> {
        if self.endpoint.is_some() {
            return Ok(self.get(aws, make).await);
        }
        // The client resolves names; an address must be checked here.
        self.shared.allowed.check_host(url.host_str().unwrap_or_default())?;
        Ok(self.at(aws, Endpoint::Named(url.origin().ascii_serialization()), make).await)
    }

    async fn at(&self, aws: &Aws, endpoint: Endpoint, make: fn(&SdkConfig) -> C) -> C {
        let key = (aws.clone(), endpoint);
        if let Some(client) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned() {
            return client;
        }
        let client = make(&self.shared.config(aws, &key.1).await);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, client.clone());
        client
    }
}

/// Returns the function's own keys, if both are set.
fn keys(aws: &Aws) -> Option<Credentials> {
    let (id, secret) = aws.aws_access_key_id.as_ref().zip(aws.aws_secret_access_key.as_ref())?;
    let token = aws.aws_session_token.as_ref().map(|token| token.expose().to_owned());
    Some(Credentials::new(id.expose(), secret.expose(), token, None, "function provider"))
}

/// Interprets a failed call. `permanent` are the codes with which the service refuses an event for good.
pub(super) fn refused<E, R>(error: &SdkError<E, R>, permanent: &[&str]) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + Debug + 'static,
    R: Debug + 'static,
{
    let Some(service) = error.as_service_error() else {
        let unreachable = || CallError::retry(DisplayErrorContext(error).to_string());
        return blocked(error).map_or_else(unreachable, CallError::from);
    };
    let (code, message) = (service.code().unwrap_or("unknown error"), service.message().unwrap_or_default());
    CallError::of_aws(code, message, permanent)
}
