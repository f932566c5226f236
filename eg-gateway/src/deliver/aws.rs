//! What all clients of AWS share: connections, credentials, and how errors are read. Calls nothing itself.

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

use super::CallError;
use crate::decide::delivery::Failure;

/// Connections and credentials, made only when the first call needs them.
#[derive(Debug, Default)]
pub(super) struct Shared {
    http: OnceCell<SharedHttpClient>,
    /// The default credential chain; asked for at most once.
    environment: OnceCell<SdkConfig>,
}

impl Shared {
    /// The settings of a client for a region and its keys.
    pub(super) async fn config(&self, aws: &Aws, endpoint: Option<&str>) -> SdkConfig {
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
        .http_client(http)
        .region(Region::new(aws.region.clone()))
        // The engine tries again, by its own schedule and with a record of each attempt.
        .retry_config(RetryConfig::disabled())
        // A function may think for minutes before the first byte of its answer.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(endpoint) = endpoint {
            config = config.endpoint_url(endpoint);
        }
        config.build()
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
    known: Mutex<HashMap<(Aws, Option<String>), C>>,
}

impl<C: Clone> Clients<C> {
    /// `endpoint` takes the place of the region's.
    pub(super) fn new(shared: &Arc<Shared>, endpoint: Option<String>) -> Self {
        Self { shared: Arc::clone(shared), endpoint, known: Mutex::default() }
    }

    /// The client for a region and its keys, made by `make` if need be. `own` is the endpoint to use unless another was
    /// set for all.
    pub(super) async fn get(&self, aws: &Aws, own: Option<String>, make: fn(&SdkConfig) -> C) -> C {
        let key = (aws.clone(), self.endpoint.clone().or(own));
        if let Some(client) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned() {
            return client;
        }
        let client = make(&self.shared.config(aws, key.1.as_deref()).await);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, client.clone());
        client
    }
}

/// The function's own keys; only both together count.
fn keys(aws: &Aws) -> Option<Credentials> {
    let (id, secret) = aws.aws_access_key_id.as_ref().zip(aws.aws_secret_access_key.as_ref())?;
    let token = aws.aws_session_token.as_ref().map(|token| token.expose().to_owned());
    Some(Credentials::new(id.expose(), secret.expose(), token, None, "function provider"))
}

/// Codes by which AWS refuses the caller, not the call.
const DENIED: [&str; 7] = [
    "AccessDeniedException",
    "UnrecognizedClientException",
    "ExpiredTokenException",
    "AccessDenied",
    "ExpiredToken",
    "InvalidClientTokenId",
    "InvalidSignatureException",
];

/// What a failed call means. `permanent` are the codes by which the service says that it will never take this event.
pub(super) fn refused<E>(error: &SdkError<E>, permanent: &[&str]) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + Debug + 'static,
{
    let Some(service) = error.as_service_error() else {
        return CallError::retry(DisplayErrorContext(error).to_string());
    };
    let (code, message) = (service.code().unwrap_or("unknown error"), service.message().unwrap_or_default());
    let text = format!("{code}: {message}");
    if DENIED.contains(&code) {
        CallError::AccessDenied { code: code.to_owned(), message: message.to_owned() }
    } else if permanent.contains(&code) {
        CallError::Failed(Failure::Reject(text))
    } else {
        CallError::retry(text)
    }
}
