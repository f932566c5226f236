//! Calls functions of the `awslambda` provider through the Invoke API, with AWS's own client.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::{
    BehaviorVersion, Config, Credentials, Region, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_sdk_lambda::error::{DisplayErrorContext, ProvideErrorMetadata as _, SdkError};
use aws_sdk_lambda::operation::invoke::InvokeError;
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use bytes::Bytes;
use eg_sdk::config::Aws;
use tokio::sync::OnceCell;

use super::CallError;
use crate::decide::delivery::{self, Failure};

/// Calls Lambda functions. Makes clients and looks for credentials only when the first call needs them.
pub(super) struct LambdaCaller {
    endpoint: Option<String>,
    http: OnceCell<SharedHttpClient>,
    /// The default credential chain; asked for at most once.
    environment: OnceCell<SdkConfig>,
    clients: Mutex<HashMap<Aws, Client>>,
}

impl LambdaCaller {
    pub(super) fn new(endpoint: Option<String>) -> Self {
        Self { endpoint, http: OnceCell::new(), environment: OnceCell::new(), clients: Mutex::default() }
    }

    pub(super) async fn call(&self, arn: &str, aws: &Aws, event: Bytes) -> Result<Bytes, CallError> {
        let client = self.client(aws).await;
        let invoke = client.invoke().function_name(arn).payload(Blob::new(event));
        let output = invoke.send().await.map_err(|e| refused(&e))?;
        let payload = output.payload.map(|payload| Bytes::from(payload.into_inner())).unwrap_or_default();
        match output.function_error {
            None => Ok(payload),
            Some(error) => Err(CallError::Failed(delivery::of_lambda_error(&error, &payload))),
        }
    }

    /// The client for a region and its keys.
    async fn client(&self, aws: &Aws) -> Client {
        let known = self.clients.lock().unwrap_or_else(PoisonError::into_inner).get(aws).cloned();
        if let Some(client) = known {
            return client;
        }
        let http = self.http().await;
        let mut config = match keys(aws) {
            Some(keys) => {
                Config::builder().behavior_version(BehaviorVersion::latest()).credentials_provider(keys)
            }
            None => {
                let load =
                    || aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone()).load();
                aws_sdk_lambda::config::Builder::from(self.environment.get_or_init(load).await)
            }
        }
        .http_client(http)
        .region(Region::new(aws.region.clone()))
        // The engine tries again, by its own schedule and with a record of each attempt.
        .retry_config(RetryConfig::disabled())
        // A function may think for minutes before the first byte of its answer.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(endpoint) = &self.endpoint {
            config = config.endpoint_url(endpoint);
        }
        let client = Client::from_conf(config.build());
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).insert(aws.clone(), client.clone());
        client
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

/// The function's own keys; only both together count.
fn keys(aws: &Aws) -> Option<Credentials> {
    let (id, secret) = aws.aws_access_key_id.as_ref().zip(aws.aws_secret_access_key.as_ref())?;
    let token = aws.aws_session_token.as_ref().map(|token| token.expose().to_owned());
    Some(Credentials::new(id.expose(), secret.expose(), token, None, "function provider"))
}

fn refused(error: &SdkError<InvokeError>) -> CallError {
    let Some(service) = error.as_service_error() else {
        return CallError::retry(DisplayErrorContext(error).to_string());
    };
    let (code, message) = (service.code().unwrap_or("unknown error"), service.message().unwrap_or_default());
    let text = format!("{code}: {message}");
    match code {
        "AccessDeniedException" | "UnrecognizedClientException" | "ExpiredTokenException" => {
            CallError::AccessDenied { code: code.to_owned(), message: message.to_owned() }
        }
        // The event itself is what Lambda does not take, and it will not change.
        "RequestTooLargeException" | "InvalidRequestContentException" | "UnsupportedMediaTypeException" => {
            CallError::Failed(Failure::Reject(text))
        }
        _ => CallError::retry(text),
    }
}
