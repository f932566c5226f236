//! HTTP exchanges with the gateway, repeated according to the retry policy. Knows neither events nor resources.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use eg_grammar::extension::{TRACEPARENT, TRACESTATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;
use serde::Deserialize;

use super::Error;
use super::retry::{Failure, Repeat, RetryPolicy};
use super::transport::{Transport, TransportError};
use super::url::Url;
use crate::TraceContext;
use crate::config::Secret;

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
        let mut request = Request::new(Full::new(call.body.clone().unwrap_or_default()));
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
        self.exchange(request, &call.action, &call.url, timeout).await
    }

    /// Sends one request and reads the whole answer.
    pub(super) async fn exchange(
        &self,
        mut request: Request<Full<Bytes>>,
        action: &str,
        url: &Url,
        timeout: Duration,
    ) -> Result<Reply, Failed> {
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, USER_AGENT);
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        let unreachable = |source: TransportError| Failed {
            failure: if source.is_connect() { Failure::NotConnected } else { Failure::NoAnswer },
            error: Error::Unreachable { action: action.to_owned(), url: url.to_string(), source },
        };
        let response = self.transport.send(request, url, timeout).await.map_err(unreachable)?;
        let (parts, body) = response.into_parts();
        let status = parts.status;
        let content_type = text(&parts.headers, "content-type").map(str::to_owned);
        let later = text(&parts.headers, "retry-after")
            .and_then(|value| eg_grammar::retry_after(value, SystemTime::now()));
        if status.is_client_error() || status.is_server_error() {
            return Err(Failed {
                failure: Failure::Status { status: status.as_u16(), retry_after: later },
                error: Error::Refused {
                    action: action.to_owned(),
                    url: url.to_string(),
                    status: status.as_u16(),
                    message: message(&body),
                },
            });
        }
        Ok(Reply { status, content_type, body })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Extracts the message from the gateway's `{"errors":[{"message":…}]}` or AWS's `{"__type":…,"message":…}`, else
/// returns the start of the body.
fn message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<Message>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Message {
        Object { message: String },
        Text(String),
    }
    #[derive(Deserialize)]
    struct Aws {
        #[serde(rename = "__type")]
        ty: String,
        #[serde(default, alias = "Message")]
        message: String,
    }
    if let Ok(Aws { ty, message }) = serde_json::from_slice(body) {
        return format!("{}: {message}", ty.rsplit('#').next().unwrap_or(&ty));
    }
    match serde_json::from_slice::<Errors>(body) {
        Ok(Errors { errors }) => {
            let texts: Vec<_> = errors
                .into_iter()
                .map(|error| match error {
                    Message::Object { message } | Message::Text(message) => message,
                })
                .collect();
            texts.join("; ")
        }
        Err(_) if body.is_empty() => "(empty body)".to_owned(),
        Err(_) => String::from_utf8_lossy(body).chars().take(300).collect(),
    }
}
