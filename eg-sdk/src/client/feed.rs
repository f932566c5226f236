//! Follows the live feed of a gateway and reconnects after broken connections. The types of its entries are in
//! `history`.

use std::time::Instant;

use futures_util::StreamExt as _;
use http::{HeaderName, HeaderValue, Method};
use sse_stream::{Sse, SseByteStream};

use super::connection::Arriving;
use super::{Error, EventGateway, Sink};
use crate::history::FeedEntry;

const PATH: &str = "/v1/feed";

/// For error messages.
const ACTION: &str = "follow the live feed";

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

impl EventGateway {
    /// Returns the live feed of the gateway, from now on or after the entry with the id `after`.
    ///
    /// ```no_run
    /// # use eg_sdk::{EventGateway, FeedEvent};
    /// # async fn example() -> Result<(), eg_sdk::Error> {
    /// let mut feed = EventGateway::from_env()?.feed(None);
    /// loop {
    ///     match feed.next().await? {
    ///         FeedEvent::Entry(entry) => println!("{} {:?}", entry.at, entry.activity),
    ///         FeedEvent::Gap => println!("…"),
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn feed(&self, after: Option<String>) -> Feed {
        Feed { gateway: self.clone(), last_id: after, open: None }
    }
}

/// The live feed of a gateway. It connects when it is read, and continues after a broken connection where it stopped.
pub struct Feed {
    gateway: EventGateway,
    last_id: Option<String>,
    open: Option<SseByteStream<Arriving>>,
}

/// One step of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedEvent {
    /// An activity of the gateway.
    Entry(FeedEntry),
    /// Entries are missing here, because the gateway restarted or no longer keeps them.
    Gap,
}

impl Feed {
    /// Waits for the next entry.
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// If the gateway cannot be reached for longer than the client's retry policy allows, or refuses the request. The
    /// next call tries again.
    pub async fn next(&mut self) -> Result<FeedEvent, Error> {
        loop {
            if self.open.is_none() {
                self.open = Some(connect(&self.gateway, self.last_id.as_deref()).await?);
            }
            match self.open.as_mut().expect("it was opened above").next().await {
                Some(Ok(event)) => {
                    if let Some(event) = self.read(event)? {
                        return Ok(event);
                    }
                }
                // The connection broke, or the gateway is stopping. A proxy in between may close every connection at
                // once.
                Some(Err(_)) | None => {
                    self.open = None;
                    tokio::time::sleep(self.gateway.inner.http.retry.base).await;
                }
            }
        }
    }

    /// Returns the id of the last entry. [`EventGateway::feed`] can continue after it, even in another process.
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    fn read(&mut self, event: Sse) -> Result<Option<FeedEvent>, Error> {
        let read = match (event.event.as_deref(), event.data) {
            (Some("gap"), _) => Some(FeedEvent::Gap),
            (None, Some(data)) => match serde_json::from_str(&data) {
                Ok(entry) => Some(FeedEvent::Entry(entry)),
                Err(e) => {
                    let url = self.gateway.inner.config.join(PATH).to_string();
                    let action = ACTION.to_owned();
                    return Err(Error::Answer { action, url, reason: e.to_string() });
                }
            },
            _ => None,
        };
        self.last_id = event.id.or(self.last_id.take());
        Ok(read)
    }
}

/// Opens the feed after the entry with the id `after`. Not a method, because a feed that is open cannot be shared between
/// threads, and so its future could not be sent to another.
async fn connect(gateway: &EventGateway, after: Option<&str>) -> Result<SseByteStream<Arriving>, Error> {
    if let Sink::Recorder(_) = gateway.inner.sink {
        let reason = "this client records events instead of sending them";
        return Err(Error::Unsupported { action: ACTION.to_owned(), reason });
    }
    let http = &gateway.inner.http;
    let call = gateway.call(Method::GET, PATH, ACTION.to_owned());
    let id = after.and_then(|id| HeaderValue::from_str(id).ok());
    let (started, mut attempt) = (Instant::now(), 1);
    loop {
        let failed = match http.begin(&call, id.clone().map(|id| (LAST_EVENT_ID, id))).await {
            Ok(body) => return Ok(SseByteStream::new(body)),
            Err(failed) => failed,
        };
        let transient = failed.failure.is_transient(call.repeat);
        let wait = transient.then(|| http.wait(attempt, started, failed.failure.retry_after())).flatten();
        let Some(wait) = wait else { return Err(failed.error) };
        tokio::time::sleep(wait).await;
        attempt += 1;
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("last_id", &self.last_id).field("open", &self.open.is_some()).finish()
    }
}
