//! What calls of AWS's services have in common: Signature Version 4, and which failures pass. Knows no service.

use std::fmt;
use std::time::{Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{Method, Request};

use super::http::{Failed, Http, Reply};
use super::retry::{Failure, Repeat};
use super::url::Url;
use super::{Error, RequestBody};
use crate::config::{Aws, Secret};

/// An operation of a service.
#[derive(Debug)]
pub(super) struct Operation {
    /// The name of the service in signatures.
    pub(super) service: &'static str,
    pub(super) method: Method,
    /// The headers that are signed, too.
    pub(super) headers: &'static [(&'static str, &'static str)],
}

/// Signs with fixed credentials: Lambda sets them once for each execution environment.
#[derive(Clone)]
pub(super) struct Signer {
    credentials: Credentials,
    region: String,
}

impl Signer {
    /// Returns `None` if the credentials are incomplete.
    pub(super) fn new(aws: &Aws, region: String) -> Option<Self> {
        let text = |secret: &Secret| secret.expose().to_owned();
        let id = aws.aws_access_key_id.as_ref().map(text)?;
        let key = aws.aws_secret_access_key.as_ref().map(text)?;
        let token = aws.aws_session_token.as_ref().map(text);
        Some(Self { credentials: Credentials::new(id, key, token, None, "environment"), region })
    }

    /// Creates a signed request. Returns the reason if the URL or the credentials cannot be used.
    pub(super) fn sign(
        &self,
        operation: &Operation,
        url: &Url,
        body: &Bytes,
    ) -> Result<Request<RequestBody>, String> {
        let Operation { service, method, headers } = operation;
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|e| e.to_string())?
            .into();
        let address = url.to_string();
        let body_to_sign = SignableBody::Bytes(body);
        let request = SignableRequest::new(method.as_str(), &address, headers.iter().copied(), body_to_sign)
            .map_err(|e| e.to_string())?;
        let (signature, _) = sign(request, &params).map_err(|e| e.to_string())?.into_parts();
        let mut builder = Request::builder().method(method).uri(url.target());
        for (name, value) in headers.iter().copied().chain(signature.headers()) {
            builder = builder.header(name, value);
        }
        builder.body(RequestBody::from(body.clone())).map_err(|e| e.to_string())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("region", &self.region).finish_non_exhaustive()
    }
}

/// Sends a call until it succeeds or the policy gives up. `action` is for errors, as in "send a message".
///
/// # Errors
/// If AWS refuses the call, or does not answer.
pub(super) async fn call(
    http: &Http,
    signer: &Signer,
    operation: &Operation,
    url: &Url,
    body: &Bytes,
    action: &str,
) -> Result<Reply, Error> {
    let started = Instant::now();
    let mut attempt = 1;
    loop {
        let sent = match signer.sign(operation, url, body) {
            Ok(request) => http.exchange(request, action, url, http.time_left(attempt, started)).await,
            Err(reason) => Err(Failed {
                error: Error::Answer { action: action.to_owned(), url: url.to_string(), reason },
                failure: Failure::Status { status: 200, retry_after: None },
            }),
        };
        let failed = match sent.map_err(no_gateway) {
            Ok(reply) => return Ok(reply),
            Err(failed) => failed,
        };
        let wait =
            may_pass(&failed).then(|| http.wait(attempt, started, failed.failure.retry_after())).flatten();
        let Some(wait) = wait else { return Err(failed.error) };
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}

/// Returns the region in `arn:partition:service:region:account:…`.
pub(super) fn region_of(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:")?.split(':').nth(2).filter(|region| !region.is_empty())
}

/// Returns whether a call that failed may succeed later.
pub(super) fn may_pass(failed: &Failed) -> bool {
    failed.failure.is_transient(Repeat::Harmless) || is_throttled(&failed.error)
}

/// Returns whether an entry or a call that failed with `code` may succeed later.
pub(super) fn is_transient(code: &str) -> bool {
    ["Throttling", "Internal", "ServiceUnavailable", "RequestTimeout", "RequestThrottled", "TooManyRequests"]
        .into_iter()
        .any(|transient| code.starts_with(transient))
}

/// Returns whether AWS throttled the whole call, which it reports with status 400.
fn is_throttled(error: &Error) -> bool {
    match error {
        Error::Refused { message, .. } => is_transient(message),
        _ => false,
    }
}

/// Rewords the errors that describe a gateway for a service of AWS.
pub(super) fn no_gateway(failed: Failed) -> Failed {
    match failed.error {
        Error::Unreachable { action, url, source } => {
            Failed { error: Error::NoAnswer { action, url, source }, ..failed }
        }
        error => Failed { error, ..failed },
    }
}
