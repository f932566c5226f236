//! `EventGateway`, the client: emits events, asks sync subscribers, and hands out the Config API's collections.

mod collection;
mod error;
mod http;
#[cfg(feature = "tls")]
mod tls;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;

pub use self::collection::{Collection, Resource};
pub use self::error::Error;
use self::http::{Call, Http, Reply};
use crate::config::{Cors, EventType, Function, Secret, Subscription};
use crate::{CloudEvent, Data, IntoCloudEvent, Settings};

const CLOUD_EVENT: &str = "application/cloudevents+json";

/// A client of one event gateway, cheap to clone.
///
/// ```no_run
/// # use eg_sdk::{Event, EventGateway};
/// # #[derive(serde::Serialize, Event)]
/// # #[event("user.created")]
/// # struct UserCreated { id: String }
/// # async fn example() -> Result<(), eg_sdk::Error> {
/// let gateway = EventGateway::new("http://localhost:4000")?;
/// let receipt = gateway.emit(UserCreated { id: "10".into() }).await?;
/// println!("accepted as {}", receipt.id);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct EventGateway(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    events: Url,
    config: Url,
    space: String,
    source: String,
    http: Http,
}

/// The gateway has accepted an event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The event's `id`.
    pub id: String,
}

/// What a sync subscriber answered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status, 2xx or 3xx.
    pub status: u16,
    /// The `Content-Type`.
    pub content_type: Option<String>,
    /// The body.
    pub body: Bytes,
    action: String,
    url: String,
}

impl Answer {
    /// The body, read as JSON.
    ///
    /// # Errors
    /// [`Error::Answer`] when it is no such JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|e| Error::Answer {
            action: self.action.clone(),
            url: self.url.clone(),
            reason: e.to_string(),
        })
    }
}

impl EventGateway {
    /// A client of the gateway whose Events API is at `url`, for example `http://localhost:4000`.
    ///
    /// # Errors
    /// [`Error::Url`] when `url` is not an absolute `http://` URL (`https://` with feature `tls`).
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::with_settings(Settings { url: url.to_owned(), ..Settings::default() })
    }

    /// A client as the environment describes it (see [`Settings`]).
    ///
    /// # Errors
    /// As [`EventGateway::with_settings`].
    pub fn from_env() -> Result<Self, Error> {
        Self::with_settings(Settings::from_env())
    }

    /// A client with these settings.
    ///
    /// # Errors
    /// [`Error::Url`] when one of the URLs cannot be used.
    pub fn with_settings(settings: Settings) -> Result<Self, Error> {
        let events = parse_url(&settings.url)?;
        let config = match &settings.config_url {
            Some(url) => parse_url(url)?,
            None => {
                let mut config = events.clone();
                config
                    .set_port(Some(4001))
                    .map_err(|()| bad_url(&settings.url, "it names no host".to_owned()))?;
                config
            }
        };
        let inner = Inner {
            events,
            config,
            space: settings.space,
            source: format!("/services/{}", program()),
            http: Http::new(settings.access_key),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Sets the `source` of emitted events whose type names none. Default: `/services/<name of the program>`.
    #[must_use]
    pub fn with_source(self, source: impl Into<String>) -> Self {
        self.rebuild(|inner| inner.source = source.into())
    }

    /// Sets how long one call may take. Default: 30 seconds.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        self.rebuild(|inner| inner.http.timeout = timeout)
    }

    /// Sets the key that is sent as a bearer token.
    #[must_use]
    pub fn with_access_key(self, key: impl Into<Secret>) -> Self {
        self.rebuild(|inner| inner.http.access_key = Some(key.into()))
    }

    /// Hands an event to the gateway and returns once it has been accepted.
    ///
    /// `event` is a value of an [`Event`](crate::Event) type, or a [`CloudEvent`].
    ///
    /// # Errors
    /// [`Error::Unreachable`] when it is unknown whether the event was accepted; emitting the same
    /// [`CloudEvent`] again keeps its id. [`Error::Refused`] when it was not.
    pub async fn emit<E: IntoCloudEvent>(&self, event: E) -> Result<Receipt, Error> {
        let event = event.into_cloud_event(&self.0.source)?;
        self.post("/", &event).await?;
        Ok(Receipt { id: event.id().to_owned() })
    }

    /// Hands an event to the function that answers its type at path `/`, and returns that answer.
    ///
    /// # Errors
    /// [`Error::NoSubscriber`] when no sync subscription matches; [`Error::Refused`] when the function
    /// failed or answered with an error status.
    pub async fn request<E: IntoCloudEvent>(&self, event: E) -> Result<Answer, Error> {
        self.request_at("/", event).await
    }

    /// As [`request`](Self::request), for a sync subscription at another path.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn request_at<E: IntoCloudEvent>(&self, path: &str, event: E) -> Result<Answer, Error> {
        let event = event.into_cloud_event(&self.0.source)?;
        let reply = self.post(path, &event).await?;
        if reply.status == StatusCode::ACCEPTED && reply.body.is_empty() {
            return Err(Error::NoSubscriber { ty: event.ty().to_owned(), path: path.to_owned() });
        }
        Ok(Answer {
            status: reply.status.as_u16(),
            content_type: reply.content_type,
            body: reply.body,
            action: action_of(&event),
            url: self.events_url(path).to_string(),
        })
    }

    /// The functions that the gateway knows.
    #[must_use]
    pub fn functions(&self) -> Collection<'_, Function> {
        Collection::new(self)
    }

    /// The event types that the gateway knows.
    #[must_use]
    pub fn event_types(&self) -> Collection<'_, EventType> {
        Collection::new(self)
    }

    /// The subscriptions of the gateway.
    #[must_use]
    pub fn subscriptions(&self) -> Collection<'_, Subscription> {
        Collection::new(self)
    }

    /// The CORS configurations of the gateway.
    #[must_use]
    pub fn cors(&self) -> Collection<'_, Cors> {
        Collection::new(self)
    }

    async fn post(&self, path: &str, event: &CloudEvent<Data>) -> Result<Reply, Error> {
        let body = event.to_json().map_err(|source| Error::Event { ty: event.ty().to_owned(), source })?;
        let call = Call {
            action: action_of(event),
            method: Method::POST,
            url: self.events_url(path),
            content_type: CLOUD_EVENT,
            body: Some(body),
        };
        self.0.http.send(call).await
    }

    /// Events of the default space are posted to their path, those of others below `/spaces/<space>`.
    fn events_url(&self, path: &str) -> Url {
        let mut url = self.0.events.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        let space =
            if self.0.space == "default" { String::new() } else { format!("/spaces/{}", self.0.space) };
        let slash = if path.starts_with('/') { "" } else { "/" };
        url.set_path(&format!("{base}{space}{slash}{path}"));
        url
    }

    /// A client with one thing changed. Other clones keep what they had.
    fn rebuild(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Arc::try_unwrap(self.0).unwrap_or_else(|shared| Inner {
            events: shared.events.clone(),
            config: shared.config.clone(),
            space: shared.space.clone(),
            source: shared.source.clone(),
            http: shared.http.fresh(),
        });
        change(&mut inner);
        Self(Arc::new(inner))
    }
}

fn action_of(event: &CloudEvent<Data>) -> String {
    format!("emit event `{}` (id {})", event.ty(), event.id())
}

fn program() -> String {
    std::env::current_exe()
        .ok()
        .and_then(|path| path.file_stem()?.to_str().map(str::to_owned))
        .unwrap_or_else(|| "unknown".to_owned())
}

fn bad_url(url: &str, reason: String) -> Error {
    Error::Url { url: url.to_owned(), reason }
}

fn parse_url(url: &str) -> Result<Url, Error> {
    let parsed = Url::parse(url)
        .map_err(|e| bad_url(url, format!("{e} (expected something like http://localhost:4000)")))?;
    match parsed.scheme() {
        "http" => Ok(parsed),
        "https" if cfg!(feature = "tls") => Ok(parsed),
        "https" => Err(bad_url(url, "this program was built without TLS; turn on feature `tls`".to_owned())),
        other => Err(bad_url(url, format!("`{other}:` is not supported, use http: or https:"))),
    }
}
