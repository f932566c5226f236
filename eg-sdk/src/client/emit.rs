//! Emits events: one, many, or one that is answered. Leaves the transport to `http`.

use std::time::Instant;

use eg_grammar::extension::TRACEPARENT;
use futures_util::stream::{self, StreamExt as _};
use http::{Method, StatusCode};

use super::http::{Call, Reply};
use super::retry::Repeat;
use super::url::Url;
use super::{Answer, Error, EventGateway, Receipt, Sink};
use crate::cause::is_valid_cause;
use crate::{CloudEvent, Data, EventIdentity, IntoCloudEvent, InvalidEvent};

const CLOUD_EVENT: &str = "application/cloudevents+json";

/// The maximum number of concurrent calls for a batch.
const CONCURRENCY: usize = 16;

impl EventGateway {
    /// Emits an event. Returns once the gateway has accepted it.
    ///
    /// `event` is a value of an [`Event`](crate::Event) type, or a [`CloudEvent`].
    ///
    /// # Errors
    /// [`Error::Unreachable`] if it is unknown whether the event was accepted; emitting the same [`CloudEvent`] again
    /// keeps its id. [`Error::Refused`] if it was not accepted.
    pub async fn emit<E: IntoCloudEvent>(&self, event: E) -> Result<Receipt, Error> {
        let event = self.prepare(event)?;
        match &self.inner.sink {
            Sink::Gateway | Sink::Recorder(_) => self.deliver(event, Instant::now()).await,
            #[cfg(feature = "eventbridge")]
            Sink::Bus(bus) => bus
                .put(&self.inner.http, std::slice::from_ref(&event))
                .await
                .pop()
                .expect("one event has one result")
                .map(|()| receipt(&event)),
        }
    }

    /// Emits many events. Returns one result per event, in order. A failed event does not affect the others.
    ///
    /// A gateway gets one call per event, several at a time, so it may accept them in another order. (It would answer
    /// a batch with a single status, and the original gateway takes a batch for an ordinary HTTP request and loses
    /// it.) EventBridge gets up to ten events per call, in order.
    ///
    /// # Errors
    /// Per event, as for [`emit`](Self::emit).
    ///
    /// ```
    /// # use eg_sdk::{Event, EventGateway};
    /// # #[derive(serde::Serialize, Event)]
    /// # #[event("user.created")]
    /// # struct UserCreated { id: u32 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let (gateway, _) = EventGateway::recording();
    /// let results = gateway.emit_batch((1..=3).map(|id| UserCreated { id })).await;
    /// assert!(results.iter().all(Result::is_ok));
    /// # }
    /// ```
    pub async fn emit_batch<I>(&self, events: I) -> Vec<Result<Receipt, Error>>
    where
        I: IntoIterator,
        I::Item: IntoCloudEvent,
    {
        let started = Instant::now();
        let prepared: Vec<_> = events.into_iter().map(|event| self.prepare(event)).collect();
        match &self.inner.sink {
            Sink::Gateway | Sink::Recorder(_) => {
                let deliveries = prepared.into_iter().map(|event| async move {
                    match event {
                        Ok(event) => self.deliver(event, started).await,
                        Err(e) => Err(e),
                    }
                });
                stream::iter(deliveries).buffered(CONCURRENCY).collect().await
            }
            #[cfg(feature = "eventbridge")]
            Sink::Bus(bus) => {
                let (mut events, mut results) = (Vec::new(), Vec::with_capacity(prepared.len()));
                for event in prepared {
                    results.push(event.map(|event| {
                        let receipt = receipt(&event);
                        events.push(event);
                        receipt
                    }));
                }
                let mut outcomes = bus.put(&self.inner.http, &events).await.into_iter();
                for result in results.iter_mut().filter(|result| result.is_ok()) {
                    if let Some(Err(e)) = outcomes.next() {
                        *result = Err(e);
                    }
                }
                results
            }
        }
    }

    /// Sends an event to the function with a synchronous subscription for its type at path `/`. Returns the
    /// function's answer.
    ///
    /// Always goes to the gateway, even if emitted events go to EventBridge, because EventBridge returns no answers.
    ///
    /// # Errors
    /// [`Error::NoSubscriber`] if no synchronous subscription matches; [`Error::Refused`] if the function failed or
    /// answered with an error status.
    ///
    /// ```
    /// # use eg_sdk::{Event, EventGateway};
    /// #[derive(serde::Serialize, Event)]
    /// #[event("price.asked")]
    /// struct PriceAsked { product: u32 }
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Price { cents: u32 }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (gateway, recorder) = EventGateway::recording();
    /// # recorder.answer("price.asked", serde_json::json!({"cents": 250}))?;
    /// let price: Price = gateway.request(PriceAsked { product: 7 }).await?.json()?;
    /// assert_eq!(price.cents, 250);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn request<E: IntoCloudEvent>(&self, event: E) -> Result<Answer, Error> {
        self.request_at("/", event).await
    }

    /// Like [`request`](Self::request), for a synchronous subscription at another path.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn request_at<E: IntoCloudEvent>(&self, path: &str, event: E) -> Result<Answer, Error> {
        let event = self.prepare(event)?;
        let nobody = || Error::NoSubscriber { ty: event.ty().to_owned(), path: path.to_owned() };
        if let Sink::Recorder(recorder) = &self.inner.sink {
            return recorder
                .request(path, event.clone(), action_of(&event))
                .await
                .and_then(|answer| answer.ok_or_else(nobody));
        }
        let reply = self.post(path, &event, Repeat::Twice, Instant::now()).await?;
        if reply.status == StatusCode::ACCEPTED && reply.body.is_empty() {
            return Err(nobody());
        }
        Ok(Answer {
            status: reply.status.as_u16(),
            content_type: reply.content_type,
            body: reply.body,
            action: action_of(&event),
            url: self.events_url(path).to_string(),
        })
    }

    /// Completes an event: sets source, trace and cause unless the producer set them, and counts its hops.
    pub(crate) fn prepare<E: IntoCloudEvent>(&self, event: E) -> Result<CloudEvent<Data>, Error> {
        let mut event = event.into_cloud_event(&self.inner.source)?;
        if let Some(trace) = &self.trace
            && event.extension(TRACEPARENT).is_none()
        {
            event = event.with_trace_context(trace);
        }
        if event.hops() < self.hops {
            event = event.with_hops(self.hops);
        }
        if let Some(cause) = &self.cause {
            event = follow(event, cause)?;
        }
        crate::rules::check(&event.attributes)
            .map_err(|source| Error::Event { ty: event.ty().to_owned(), source })?;
        Ok(event)
    }

    async fn deliver(&self, event: CloudEvent<Data>, started: Instant) -> Result<Receipt, Error> {
        let mut receipt = receipt(&event);
        if let Sink::Recorder(recorder) = &self.inner.sink {
            let action = action_of(&event);
            return recorder.record(event, action).await.map(|()| receipt);
        }
        let reply = self.post("/", &event, Repeat::Harmless, started).await?;
        // A redirect comes from something in front of the gateway: the event has not arrived.
        if !reply.status.is_success() {
            return Err(reply.refusal(&action_of(&event), &self.events_url("/")));
        }
        receipt.duplicate = reply.has_duplicates;
        receipt.conflict = reply.has_conflicts;
        Ok(receipt)
    }

    async fn post(
        &self,
        path: &str,
        event: &CloudEvent<Data>,
        repeat: Repeat,
        started: Instant,
    ) -> Result<Reply, Error> {
        let body = event.to_json().map_err(|source| Error::Event { ty: event.ty().to_owned(), source })?;
        let call = Call {
            action: action_of(event),
            method: Method::POST,
            url: self.events_url(path),
            content_type: CLOUD_EVENT,
            body: Some(body.into()),
            trace: self.trace.as_deref(),
            repeat,
        };
        self.inner.http.send(&call, started).await
    }

    /// Returns the URL for an event: its path in the default space, a path below `/spaces/<space>` in others.
    fn events_url(&self, path: &str) -> Url {
        let slash = if path.starts_with('/') { "" } else { "/" };
        match self.inner.space.as_str() {
            "default" => self.inner.events.join(&format!("{slash}{path}")),
            space => self.inner.events.join(&format!("/spaces/{}{slash}{path}", Url::segment(space))),
        }
    }
}

/// Names the cause of an event, unless it has one. An event with the id of its cause is refused, unless it is the cause
/// itself, forwarded.
fn follow(event: CloudEvent<Data>, cause: &EventIdentity) -> Result<CloudEvent<Data>, Error> {
    let (ty, id) = (event.ty(), cause.id());
    if event.id() == id {
        if (event.source(), ty) == (cause.source(), cause.ty()) {
            return Ok(event);
        }
        let reason = format!(
            "`{id}` is the id of the event that is being handled, a `{}` of `{}`; \
             leave out `with_id`, or derive an id with `caused_by`",
            cause.ty(),
            cause.source()
        );
        return Err(Error::Event { ty: ty.to_owned(), source: InvalidEvent::attribute("id", reason) });
    }
    let names_it = event.cause().is_none() && is_valid_cause(id);
    Ok(if names_it { event.with_cause(id) } else { event })
}

fn receipt(event: &CloudEvent<Data>) -> Receipt {
    Receipt { id: event.id().to_owned(), duplicate: false, conflict: false }
}

pub(super) fn action_of(event: &CloudEvent<Data>) -> String {
    format!("emit event `{}` (id {})", event.ty(), event.id())
}
