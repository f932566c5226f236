//! Calls of the history's endpoints, and what their failures mean to whoever typed the command.

use eg_sdk::Settings;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::view::{Event, Events};
use crate::exit::{Exit, Failure};

/// The longest page that gateways give.
const PAGE: usize = 500;

/// A gateway's Config API, seen from one space.
#[derive(Debug)]
pub(crate) struct History {
    http: reqwest::Client,
    config: Url,
    settings: Settings,
}

impl History {
    /// For a gateway; asks it nothing yet.
    pub(crate) fn of(settings: Settings) -> Result<Self, Failure> {
        // The SDK knows where the Config API is when nothing says so, and which URLs are none.
        eg_sdk::EventGateway::with_settings(settings.clone())?;
        let text = settings.config_url.as_ref().unwrap_or(&settings.url);
        let mut config = Url::parse(text).map_err(|error| Failure::new(Exit::Usage, error))?;
        if settings.config_url.is_none() {
            // Cannot fail: the SDK has done it.
            let _ = config.set_port(Some(4001));
        }
        Ok(Self { http: crate::connections::connections(), config, settings })
    }

    /// Answers `GET`, `None` when there is no such thing.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Option<T>, Failure> {
        self.call(Method::GET, path, query, None).await
    }

    /// Sends `POST`; `None` when what it is about does not exist.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: Option<Value>,
    ) -> Result<Option<T>, Failure> {
        self.call(Method::POST, path, &[], body).await
    }

    /// Sends `DELETE`; `None` when there is no such thing.
    pub(crate) async fn delete(&self, path: &[&str]) -> Result<Option<Value>, Failure> {
        self.call(Method::DELETE, path, &[], None).await
    }

    /// The newest events that match, `limit` of them at most.
    pub(crate) async fn events(&self, query: &[(&str, String)], limit: usize) -> Result<Vec<Event>, Failure> {
        let (mut events, mut before): (Vec<Event>, _) = (Vec::new(), None::<i64>);
        while events.len() < limit {
            let mut query = query.to_vec();
            query.push(("limit", PAGE.min(limit - events.len()).to_string()));
            query.extend(before.map(|before| ("before", before.to_string())));
            let page: Events =
                self.get(&["events"], &query).await?.ok_or_else(|| self.keeps_none("events"))?;
            events.extend(page.events);
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        Ok(events)
    }

    /// The gateway answers, but does not know what the question is about.
    pub(crate) fn keeps_none(&self, what: &str) -> Failure {
        Failure::new(Exit::Refused, format!("the gateway at {} keeps no {what}", self.config))
            .hint("this needs the gateway that `cargo eg run` and `event-gateway` start")
    }

    fn url(&self, path: &[&str], query: &[(&str, String)]) -> Url {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut url = self.config.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        let path: Vec<String> = path.iter().map(|segment| encode_segment(segment)).collect();
        url.set_path(&format!("{base}/v1/spaces/{}/{}", encoded(&self.settings.space), path.join("/")));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<Value>,
    ) -> Result<Option<T>, Failure> {
        let url = self.url(path, query);
        let mut request = self.http.request(method, url.clone());
        if let Some(key) = &self.settings.access_key {
            request = request.bearer_auth(key.expose());
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let unreachable = |error: reqwest::Error| {
            let message = format!("no gateway answers at {}", self.config);
            Failure::because(Exit::Unreachable, message, error.without_url())
                .hint("`cargo eg run` starts one; --config-url names another")
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.bytes().await.map_err(unreachable)?;
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !status.is_success() {
            return Err(refused(&url, status, &body));
        }
        // An answer without content is as good as `null`.
        let body: &[u8] = if body.is_empty() { b"null" } else { &body };
        serde_json::from_slice(body).map(Some).map_err(|error| {
            Failure::because(Exit::Refused, format!("{url} answers what no event gateway does"), error)
                .hint("is --config-url the address of a gateway's Config API?")
        })
    }
}

fn refused(url: &Url, status: StatusCode, body: &[u8]) -> Failure {
    let message = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|body| body.pointer("/errors/0/message")?.as_str().map(str::to_owned))
        .unwrap_or_else(|| String::from_utf8_lossy(body).chars().take(300).collect());
    let failure = Failure::new(Exit::Refused, format!("{url} answered {status}: {message}"));
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            failure.hint("--access-key, or EVENT_GATEWAY_ACCESS_KEY, names the key")
        }
        _ => failure,
    }
}

/// One segment of a path. `redrive` and the like stay readable.
fn encode_segment(segment: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(segment, KEPT).to_string()
}
