//! One HTTP exchange with the gateway. Knows neither events nor resources.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

use super::Error;
use crate::config::Secret;

/// Sends requests; the connection pool is made at the first one, so that a function that emits
/// nothing pays nothing at its cold start.
#[derive(Debug)]
pub(super) struct Http {
    client: OnceLock<reqwest::Client>,
    pub(super) timeout: Duration,
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
    pub(super) body: Option<Vec<u8>>,
}

impl Http {
    pub(super) fn new(access_key: Option<Secret>) -> Self {
        Self { client: OnceLock::new(), timeout: Duration::from_secs(30), access_key }
    }

    /// The same settings with a connection pool of its own.
    pub(super) fn fresh(&self) -> Self {
        Self { client: OnceLock::new(), timeout: self.timeout, access_key: self.access_key.clone() }
    }

    pub(super) async fn send(&self, call: Call<'_>) -> Result<Reply, Error> {
        let unreachable = |source: reqwest::Error| Error::Unreachable {
            action: call.action.clone(),
            url: call.url.to_string(),
            source: source.without_url(),
        };
        let mut request = self.client().request(call.method, call.url.clone()).timeout(self.timeout);
        if let Some(body) = call.body {
            request = request.header("content-type", call.content_type).body(body);
        }
        if let Some(key) = &self.access_key {
            request = request.header("authorization", format!("bearer {}", key.expose()));
        }
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let content_type =
            response.headers().get("content-type").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = response.bytes().await.map_err(unreachable)?;
        if status.is_client_error() || status.is_server_error() {
            return Err(Error::Refused {
                action: call.action,
                url: call.url.to_string(),
                status: status.as_u16(),
                message: message(&body),
            });
        }
        Ok(Reply { status, content_type, body })
    }

    fn client(&self) -> &reqwest::Client {
        self.client.get_or_init(|| {
            let builder = reqwest::Client::builder().connect_timeout(Duration::from_secs(5));
            #[cfg(feature = "tls")]
            let builder = builder.tls_backend_preconfigured(super::tls::config());
            builder.build().expect("no option above depends on the machine")
        })
    }
}

/// The gateway's `{"errors":[{"message":…}]}`, else the start of the body.
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
