//! `EventGateway`, the client: its settings and destinations. Leaves the operations to `emit` and `collection`.

mod answer;
#[cfg(feature = "eventbridge")]
mod aws;
#[cfg(feature = "eventbridge")]
mod bus;
mod collection;
mod connection;
mod connections;
mod emit;
mod error;
#[cfg(feature = "history")]
mod feed;
#[cfg(feature = "history")]
mod history;
mod http;
mod plain;
#[cfg(feature = "eventbridge")]
mod queue;
mod recorder;
mod retry;
#[cfg(feature = "secrets")]
mod secrets;
#[cfg(feature = "tls")]
mod tls;
mod transport;
mod url;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::Method;
#[cfg(feature = "history")]
use tokio::io::DuplexStream;

pub use self::answer::{Answer, Receipt};
pub use self::collection::Collection;
pub use self::connection::{Connection, RequestBody, Unanswered};
pub use self::connections::Connections;
pub use self::error::Error;
#[cfg(feature = "history")]
pub use self::feed::{Feed, FeedEvent};
#[cfg(feature = "history")]
pub use self::history::{DeadLetters, History, Jobs};
use self::http::{Call, Http, Reply};
pub use self::plain::{HttpClient, HttpError};
#[cfg(feature = "eventbridge")]
pub use self::queue::Queue;
pub use self::recorder::Recorder;
use self::retry::Repeat;
pub use self::retry::RetryPolicy;
#[cfg(feature = "secrets")]
pub use self::secrets::{Secrets, Unread};
pub use self::transport::TransportError;
use self::url::{Url, config_url, parse_url};
use crate::config::{Cors, EventType, Function, Secret, Subscription};
use crate::{EventIdentity, Settings, TraceContext};

/// A client of one event gateway. Clones are cheap and share connections.
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
pub struct EventGateway {
    inner: Arc<Inner>,
    // Separate from the rest because it differs per handled event.
    trace: Option<Arc<TraceContext>>,
    hops: u32,
    cause: Option<EventIdentity>,
}

#[derive(Debug, Clone)]
struct Inner {
    events: Url,
    config: Url,
    space: String,
    source: String,
    http: Http,
    sink: Sink,
}

/// Where emitted events go.
#[derive(Debug, Clone)]
enum Sink {
    Gateway,
    Recorder(Recorder),
    #[cfg(feature = "eventbridge")]
    Bus(bus::Bus),
}

impl EventGateway {
    /// Creates a client of the gateway whose Events API is at `url`, for example `http://localhost:4000`.
    ///
    /// # Errors
    /// [`Error::Url`] if `url` is not an absolute `http://` URL (or `https://` with feature `tls`).
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::with_settings(Settings { url: url.to_owned(), ..Settings::default() })
    }

    /// Creates a client from environment variables (see [`Settings`]).
    ///
    /// # Errors
    /// As [`EventGateway::with_settings`].
    pub fn from_env() -> Result<Self, Error> {
        Self::with_settings(Settings::from_env())
    }

    /// Creates a client with these settings.
    ///
    /// # Errors
    /// [`Error::Url`] if a URL is invalid; [`Error::Setting`] if events are to go to EventBridge, but the program
    /// lacks the feature `eventbridge`, a region or credentials.
    ///
    /// ```
    /// # use eg_sdk::{EventGateway, Settings};
    /// let mut settings = Settings::default();
    /// settings.url = "http://gateway.internal:4000".to_owned();
    /// settings.space = "staging".to_owned();
    /// let gateway = EventGateway::with_settings(settings)?;
    /// # Ok::<(), eg_sdk::Error>(())
    /// ```
    pub fn with_settings(settings: Settings) -> Result<Self, Error> {
        let events = parse_url(&settings.url)?;
        let config = match &settings.config_url {
            Some(url) => parse_url(url)?,
            None => config_url(&settings.url, &events)?,
        };
        let sink = match settings.event_bus {
            None => Sink::Gateway,
            #[cfg(feature = "eventbridge")]
            Some(bus) => Sink::Bus(bus::Bus::new(bus)?),
            #[cfg(not(feature = "eventbridge"))]
            Some(bus) => {
                return Err(Error::Setting {
                    variable: eg_grammar::variable::EVENT_BUS,
                    value: bus.name,
                    reason: "this program was built without EventBridge; turn on feature `eventbridge` of eg-sdk",
                });
            }
        };
        let http = Http::new(settings.access_key);
        Ok(Self::assemble(Inner { events, config, space: settings.space, source: url::source(), http, sink }))
    }

    /// Creates a client without a gateway, and a recorder of the events that it emits, for unit tests.
    ///
    /// Events are validated as usual. The recorder sets the answers to requests. Operations of the Config API fail
    /// with [`Error::Unsupported`].
    ///
    /// ```
    /// # use eg_sdk::{Event, EventGateway};
    /// # #[derive(serde::Serialize, serde::Deserialize, Event)]
    /// # #[event("user.created")]
    /// # struct UserCreated { id: u32 }
    /// async fn register(gateway: &EventGateway) -> Result<(), eg_sdk::Error> {
    ///     gateway.emit(UserCreated { id: 10 }).await.map(drop)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (gateway, recorder) = EventGateway::recording();
    /// register(&gateway).await?;
    /// assert_eq!(recorder.events()[0].ty(), "user.created");
    /// assert_eq!(recorder.events_of::<UserCreated>()?[0].data.id, 10);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn recording() -> (Self, Recorder) {
        let recorder = Recorder::default();
        let nowhere = parse_url("http://recorder.invalid").expect("it is a URL");
        let inner = Inner {
            events: nowhere.clone(),
            config: nowhere,
            space: Settings::default().space,
            source: url::source(),
            http: Http::new(None),
            sink: Sink::Recorder(recorder.clone()),
        };
        (Self::assemble(inner), recorder)
    }

    /// Sets the `source` of emitted events whose type does not fix one. Default: `/services/<name of the program>`.
    #[must_use]
    pub fn with_source(self, source: impl Into<String>) -> Self {
        self.rebuild(|inner| inner.source = source.into())
    }

    /// Returns the `source` of emitted events whose type does not fix one.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// Sets the space of all calls.
    #[must_use]
    pub fn with_space(self, space: impl Into<String>) -> Self {
        self.rebuild(|inner| inner.space = space.into())
    }

    /// Returns the space of all calls.
    #[must_use]
    pub fn space(&self) -> &str {
        &self.inner.space
    }

    /// Sets what opens connections instead of TCP, for a gateway in this process. `dial` gets host and port of the URL,
    /// as in `localhost:4000`, and returns the client's end. Connections are not encrypted, whatever the scheme.
    #[cfg(feature = "history")]
    #[must_use]
    pub fn with_dialer(
        self,
        dial: impl Fn(&str) -> std::io::Result<DuplexStream> + Send + Sync + 'static,
    ) -> Self {
        self.rebuild(|inner| inner.http.dial(Arc::new(dial)))
    }

    /// Sets how long one attempt of a call may take. Default: 30 seconds.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        self.rebuild(|inner| inner.http.timeout = timeout)
    }

    /// Sets how failed calls are retried. [`RetryPolicy::none`] turns retries off.
    #[must_use]
    pub fn with_retry(self, policy: RetryPolicy) -> Self {
        self.rebuild(|inner| inner.http.retry = policy)
    }

    /// Sets the access key, which is sent as a bearer token.
    #[must_use]
    pub fn with_access_key(self, key: impl Into<Secret>) -> Self {
        self.rebuild(|inner| inner.http.access_key = Some(key.into()))
    }

    /// Sets the trace of this clone's calls. It is sent in headers, and added to emitted events as extensions unless
    /// they have a `traceparent`. Other clones are not affected.
    ///
    /// ```
    /// # use eg_sdk::{EventGateway, TraceContext};
    /// # let gateway = EventGateway::new("http://localhost:4000")?;
    /// # let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    /// let trace = TraceContext::parse(header, None).map_or_else(TraceContext::root, |caller| caller.child());
    /// let gateway = gateway.with_trace_context(trace);
    /// # Ok::<(), eg_sdk::Error>(())
    /// ```
    #[must_use]
    pub fn with_trace_context(self, trace: TraceContext) -> Self {
        Self { trace: Some(Arc::new(trace)), ..self }
    }

    /// Sets the `hops` extension of emitted events: the handled event's `hops` + 1. Events with a smaller count, such
    /// as forwarded ones, get this count. The gateway uses it to break loops. Other clones are not affected.
    ///
    /// ```
    /// # use eg_sdk::{CloudEvent, EventGateway};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (gateway, recorder) = EventGateway::recording();
    /// # let received = CloudEvent::of_type("a", "/s", ());
    /// let gateway = gateway.with_hops(received.hops() + 1);
    /// gateway.emit(CloudEvent::of_type("b", "/s", ())).await?;
    /// # assert_eq!(recorder.events()[0].hops(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_hops(self, hops: u32) -> Self {
        Self { hops, ..self }
    }

    /// Sets the handled event. Emitted events carry its id as `causationid`, unless they have one. Other clones are not
    /// affected.
    ///
    /// An emitted event must not have the id of the handled event, unless it is the handled event itself, forwarded
    /// with its `source` and `type`. Derive ids with [`CloudEvent::caused_by`](crate::CloudEvent::caused_by).
    ///
    /// ```
    /// # use eg_sdk::{CloudEvent, EventGateway};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (gateway, recorder) = EventGateway::recording();
    /// # let received = CloudEvent::of_type("a", "/s", ());
    /// let gateway = gateway.with_cause(&received);
    /// gateway.emit(CloudEvent::of_type("b", "/s", ())).await?;
    /// # assert_eq!(recorder.events()[0].cause(), Some(received.id()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_cause(self, handled: impl Into<EventIdentity>) -> Self {
        Self { cause: Some(handled.into()), ..self }
    }

    /// The functions of the space.
    #[must_use]
    pub fn functions(&self) -> Collection<'_, Function> {
        Collection::new(self)
    }

    /// The event types of the space.
    #[must_use]
    pub fn event_types(&self) -> Collection<'_, EventType> {
        Collection::new(self)
    }

    /// The subscriptions of the space.
    #[must_use]
    pub fn subscriptions(&self) -> Collection<'_, Subscription> {
        Collection::new(self)
    }

    /// The CORS configurations of the space.
    #[must_use]
    pub fn cors(&self) -> Collection<'_, Cors> {
        Collection::new(self)
    }

    /// A call of the Config API.
    fn call(&self, method: Method, path: &str, action: String) -> Call<'_> {
        let repeat = if method == Method::GET { Repeat::Harmless } else { Repeat::Twice };
        let (url, trace) = (self.inner.config.join(path), self.trace.as_deref());
        Call { action, method, url, content_type: "application/json", body: None, trace, repeat }
    }

    /// Creates a call of the Config API for the client's space.
    fn call_in_space(&self, method: Method, path: &str, action: impl Into<String>) -> Call<'_> {
        self.call(method, &format!("/v1/spaces/{}/{path}", Url::segment(&self.inner.space)), action.into())
    }

    /// Sends a call of the Config API. Only a 2xx means that the gateway did what was asked: a redirect comes from a path
    /// that it does not have, or from something in front of it.
    async fn configure(&self, call: Call<'_>) -> Result<Reply, Error> {
        if let Sink::Recorder(_) = self.inner.sink {
            let reason = "this client records events instead of sending them";
            return Err(Error::Unsupported { action: call.action, reason });
        }
        let reply = self.inner.http.send(&call, Instant::now()).await?;
        if reply.status.is_success() { Ok(reply) } else { Err(reply.refusal(&call.action, &call.url)) }
    }

    fn assemble(inner: Inner) -> Self {
        Self { inner: Arc::new(inner), trace: None, hops: 0, cause: None }
    }

    /// Returns a client with one changed setting. Other clones are not affected.
    fn rebuild(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.inner));
        self
    }
}
