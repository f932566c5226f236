//! HTTP exchanges with the gateway, repeated as the policy says. Knows neither events nor resources.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use time::OffsetDateTime;

use super::Error;
use super::retry::{Failure, Repeat, RetryPolicy, retry_after};
use crate::TraceContext;
use crate::config::Secret;

/// Sends requests; the connection pool is made at the first one, so that a function that emits
/// nothing pays nothing at its cold start.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: Arc<OnceLock<reqwest::Client>>,
    pub(super) timeout: Duration,
    pub(super) retry: RetryPolicy,
    pub(super) access_key: Option<Secret>,
}

/// One exchange as it went.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) content_type: Option<String>,
    pub(super) body: Bytes,
}

/// What is sent.
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

/// An attempt that failed: for the caller, and for the decision to try again.
pub(super) struct Failed {
    pub(super) error: Error,
    pub(super) failure: Failure,
}

impl Http {
    pub(super) fn new(access_key: Option<Secret>) -> Self {
        Self {
            client: Arc::default(),
            timeout: Duration::from_secs(30),
            retry: RetryPolicy::default(),
            access_key,
        }
    }

    /// Sends `call` until it succeeds or the policy, whose time runs since `started`, gives up.
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

    /// How long attempt number `attempt` may take.
    pub(super) fn time_left(&self, attempt: u32, started: Instant) -> Duration {
        match attempt {
            1 => self.timeout,
            _ => self.timeout.min(self.retry.total.saturating_sub(started.elapsed())),
        }
    }

    /// How long to wait after an attempt that failed in a transient way.
    pub(super) fn wait(
        &self,
        attempt: u32,
        started: Instant,
        retry_after: Option<Duration>,
    ) -> Option<Duration> {
        self.retry.wait(attempt, started.elapsed(), retry_after, fastrand::f64())
    }

    async fn attempt(&self, call: &Call<'_>, timeout: Duration) -> Result<Reply, Failed> {
        let mut request = self.client().request(call.method.clone(), call.url.clone()).timeout(timeout);
        if let Some(body) = &call.body {
            request = request.header("content-type", call.content_type).body(body.clone());
        }
        if let Some(key) = &self.access_key {
            request = request.header("authorization", format!("bearer {}", key.expose()));
        }
        if let Some(trace) = call.trace {
            request = request.header("traceparent", trace.traceparent());
            if let Some(state) = trace.tracestate() {
                request = request.header("tracestate", state);
            }
        }
        exchange(request, &call.action, &call.url).await
    }

    pub(super) fn client(&self) -> &reqwest::Client {
        self.client.get_or_init(connections)
    }
}

/// A connection pool as this client makes it.
#[must_use]
pub fn connections() -> reqwest::Client {
    let builder = reqwest::Client::builder().connect_timeout(Duration::from_secs(5));
    #[cfg(feature = "tls")]
    let builder = builder.tls_backend_preconfigured(super::tls::config());
    builder.build().expect("no option above depends on the machine")
}

/// Sends one request and reads the whole answer.
pub(super) async fn exchange(
    request: reqwest::RequestBuilder,
    action: &str,
    url: &Url,
) -> Result<Reply, Failed> {
    let unreachable = |source: reqwest::Error| Failed {
        failure: if source.is_connect() { Failure::NotConnected } else { Failure::NoAnswer },
        error: Error::Unreachable {
            action: action.to_owned(),
            url: url.to_string(),
            source: source.without_url(),
        },
    };
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let content_type = text(response.headers(), "content-type").map(str::to_owned);
    let later = text(response.headers(), "retry-after")
        .and_then(|value| retry_after(value, OffsetDateTime::now_utc()));
    let body = response.bytes().await.map_err(unreachable)?;
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

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The gateway's `{"errors":[{"message":…}]}`, AWS's `{"__type":…,"message":…}`, else the start of the body.
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
