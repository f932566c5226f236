//! HTTP exchanges with the gateway, repeated according to the retry policy. Knows neither events nor resources.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use eg_grammar::extension::{TRACEPARENT, TRACESTATE};
use eg_grammar::header::{CONFLICTS, DUPLICATES};
#[cfg(feature = "history")]
use futures_util::StreamExt as _;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use serde::Deserialize;

use super::Error;
#[cfg(feature = "history")]
use super::connection::Arriving;
use super::connection::RequestBody;
use super::retry::{Failure, Repeat, RetryPolicy};
#[cfg(feature = "history")]
use super::transport::Dial;
use super::transport::{Transport, TransportError};
use super::url::Url;
use crate::TraceContext;
use crate::config::Secret;
use crate::errors::{ErrorBody, ErrorCode};

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("eg-sdk/", env!("CARGO_PKG_VERSION")));

/// Sends requests. Connects lazily, so that a cold start does not pay for connections.
#[derive(Debug, Clone)]
pub(super) struct Http {
    transport: Arc<Transport>,
    pub(super) timeout: Duration,
    pub(super) retry: RetryPolicy,
    pub(super) access_key: Option<Secret>,
}

/// A completed exchange.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) content_type: Option<String>,
    pub(super) body: Bytes,
    /// Whether an emitted event had been accepted before.
    pub(super) has_duplicates: bool,
    /// Whether events with other payloads had them.
    pub(super) has_conflicts: bool,
}

impl Reply {
    /// Returns the error for a caller to whom this reply means that the gateway did not do what was asked.
    pub(super) fn refusal(&self, action: &str, url: &Url) -> Error {
        refusal(self.status, &self.body, action, url)
    }
}

/// A request to send.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// For error messages: ``emit event `user.created` ``.
    pub(super) action: String,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) content_type: &'a str,
    pub(super) body: Option<Bytes>,
    pub(super) trace: Option<&'a TraceContext>,
    pub(super) repeat: Repeat,
}

/// A failed attempt: the error for the caller, and the facts for the retry decision.
pub(super) struct Failed {
    pub(super) error: Error,
    pub(super) failure: Failure,
}

impl Http {
    pub(super) fn new(access_key: Option<Secret>) -> Self {
        Self {
            transport: Arc::default(),
            timeout: Duration::from_secs(30),
            retry: RetryPolicy::default(),
            access_key,
        }
    }

    /// Opens connections with `dial` from now on.
    #[cfg(feature = "history")]
    pub(super) fn dial(&mut self, dial: Dial) {
        self.transport = Arc::new(Transport::over(dial));
    }

    /// Sends `call` until it succeeds or the policy gives up. The policy's time limit counts from `started`.
    pub(super) async fn send(&self, call: &Call<'_>, started: Instant) -> Result<Reply, Error> {
        let mut attempt = 1;
        loop {
            let failed = match self.attempt(call, self.time_left(attempt, started)).await {
                Ok(reply) => return Ok(reply),
                Err(failed) => failed,
            };
            let wait = Some(failed.failure)
                .filter(|failure| failure.is_transient(call.repeat))
                .and_then(|failure| self.wait(attempt, started, failure.retry_after()));
            let Some(wait) = wait else { return Err(failed.error) };
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// Returns the time limit of attempt number `attempt`.
    pub(super) fn time_left(&self, attempt: u32, started: Instant) -> Duration {
        match attempt {
            1 => self.timeout,
            _ => self.timeout.min(self.retry.total.saturating_sub(started.elapsed())),
        }
    }

    /// Returns how long to wait after a transient failure.
    pub(super) fn wait(
        &self,
        attempt: u32,
        started: Instant,
        retry_after: Option<Duration>,
    ) -> Option<Duration> {
        self.retry.wait(attempt, started.elapsed(), retry_after, fastrand::f64())
    }

    async fn attempt(&self, call: &Call<'_>, timeout: Duration) -> Result<Reply, Failed> {
        self.exchange(self.request(call), &call.action, &call.url, timeout).await
    }

    /// Returns the request of a call without the headers that all requests have.
    fn request(&self, call: &Call<'_>) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::from(call.body.clone().unwrap_or_default()));
        *request.method_mut() = call.method.clone();
        let mut set = |name: HeaderName, value: &str| {
            // A key that is not a valid header value cannot be a gateway's key.
            if let Ok(value) = HeaderValue::from_str(value) {
                request.headers_mut().insert(name, value);
            }
        };
        if call.body.is_some() {
            set(header::CONTENT_TYPE, call.content_type);
        }
        if let Some(key) = &self.access_key {
            set(header::AUTHORIZATION, &format!("bearer {}", key.expose()));
        }
        if let Some(trace) = call.trace {
            set(HeaderName::from_static(TRACEPARENT), trace.traceparent());
            if let Some(state) = trace.tracestate() {
                set(HeaderName::from_static(TRACESTATE), state);
            }
        }
        request
    }

    /// Sends `call` once and returns the body of the answer while it is still arriving.
    #[cfg(feature = "history")]
    pub(super) async fn begin(
        &self,
        call: &Call<'_>,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Result<Arriving, Failed> {
        let mut request = common(self.request(call));
        request.headers_mut().extend(headers);
        let begun = self.transport.begin(request, &call.url, self.timeout).await;
        let response = begun.map_err(|source| unreachable(&call.action, &call.url, source))?;
        let (parts, body) = response.into_parts();
        if parts.status == StatusCode::OK {
            return Ok(body);
        }
        // An error is a short text, of which the beginning is enough.
        let text = match body.into_future().await {
            (Some(Ok(text)), _) => text,
            _ => Bytes::new(),
        };
        Err(refused(&parts, &text, &call.action, &call.url))
    }

    /// Sends one request and reads the whole answer.
    pub(super) async fn exchange(
        &self,
        request: Request<RequestBody>,
        action: &str,
        url: &Url,
        timeout: Duration,
    ) -> Result<Reply, Failed> {
        let sent = self.transport.send(common(request), url, timeout).await;
        let response = sent.map_err(|source| unreachable(action, url, source))?;
        let (parts, body) = response.into_parts();
        if parts.status.is_client_error() || parts.status.is_server_error() {
            return Err(refused(&parts, &body, action, url));
        }
        let content_type = text(&parts.headers, "content-type").map(str::to_owned);
        let has = |name| parts.headers.contains_key(name);
        let (has_duplicates, has_conflicts) = (has(DUPLICATES), has(CONFLICTS));
        Ok(Reply { status: parts.status, content_type, body, has_duplicates, has_conflicts })
    }
}

/// Adds the headers that all requests have.
fn common(mut request: Request<RequestBody>) -> Request<RequestBody> {
    let headers = request.headers_mut();
    headers.insert(header::USER_AGENT, USER_AGENT);
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    request
}

fn unreachable(action: &str, url: &Url, source: TransportError) -> Failed {
    Failed {
        failure: if source.is_connect() { Failure::NotConnected } else { Failure::NoAnswer },
        error: Error::Unreachable { action: action.to_owned(), url: url.to_string(), source },
    }
}

fn refused(parts: &Parts, body: &[u8], action: &str, url: &Url) -> Failed {
    let status = parts.status.as_u16();
    let later = text(&parts.headers, "retry-after")
        .and_then(|value| eg_grammar::retry_after(value, SystemTime::now()));
    Failed {
        failure: Failure::Status { status, retry_after: later },
        error: refusal(parts.status, body, action, url),
    }
}

fn refusal(status: StatusCode, body: &[u8], action: &str, url: &Url) -> Error {
    let (code, message) = reason(body);
    let (action, url) = (action.to_owned(), url.to_string());
    Error::Refused { action, url, status: status.as_u16(), code, message }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Returns the code and message of an error answer: from the gateway's [`ErrorBody`], a function's
/// `{"errors":["…"]}`, AWS's `{"__type":…,"message":…}`, or else the start of the body.
fn reason(body: &[u8]) -> (Option<ErrorCode>, String) {
    #[derive(Deserialize)]
    struct Texts {
        errors: Vec<String>,
    }
    #[derive(Deserialize)]
    struct Aws {
        #[serde(rename = "__type")]
        ty: String,
        #[serde(default, alias = "Message")]
        message: String,
    }
    if let Ok(ErrorBody { errors }) = serde_json::from_slice(body) {
        let code = errors.first().and_then(|error| error.code);
        let messages: Vec<_> = errors.into_iter().map(|error| error.message).collect();
        return (code, messages.join("; "));
    }
    if let Ok(Texts { errors }) = serde_json::from_slice(body) {
        return (None, errors.join("; "));
    }
    if let Ok(Aws { ty, message }) = serde_json::from_slice(body) {
        return (None, format!("{}: {message}", ty.rsplit('#').next().unwrap_or(&ty)));
    }
    let text = match body {
        [] => "(empty body)".to_owned(),
        body => String::from_utf8_lossy(body).chars().take(300).collect(),
    };
    (None, text)
}
