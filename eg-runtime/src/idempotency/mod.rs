//! Handles each event once, even if it is delivered again. Decides what a duplicate gets; a store of your choice
//! remembers events.
//!
//! Delivery is at least once: a gateway, a queue or Lambda itself may deliver the same event again, even while it is
//! being handled. Put this layer around functions that must not do their work twice:
//!
//! ```no_run
//! # use eg_runtime::{App, Error};
//! use eg_runtime::idempotency::{Idempotency, MemoryStore};
//!
//! # async fn run() -> Result<(), Error> {
//! App::new().layer(Idempotency::new(MemoryStore::default())).run().await
//! # }
//! ```
//!
//! | the event comes again | result |
//! |---|---|
//! | after it was handled or rejected | the same answer; the function is not called |
//! | while it is being handled | 409, which means *retry later* |
//! | after it failed or its process died | the function is called again |
//! | because somebody replays it (`cargo eg replay`, or from an archive of EventBridge) | the function is called again, once for each replay |
//!
//! A replay is a request to do the work again. For a function that must never do that, such as one that charges a card,
//! [`Idempotency::reject_replays`] rejects replays of events that it has handled: their deliveries become dead letters
//! with that reason.
//!
//! `source` and `id` identify an event, and its extension `replay` a replay of it; for a queue message that is not an
//! event, the queue and the `messageId` do. Each function has its own entries, so each of several subscribers handles an
//! event once. HTTP requests without an event pass through.
//!
//! [`MemoryStore`] covers a single process, which suits tests and services that run as one process. On Lambda,
//! implement [`IdempotencyStore`] with a store that all processes share; it needs only a conditional write.

mod kept;
mod memory;

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use eg_grammar::extension::REPLAY;
use eg_sdk::{CloudEvent, Data};
use futures_util::FutureExt as _;
use http::StatusCode;
use tower::{Layer, Service, ServiceExt as _};

pub use self::memory::MemoryStore;
use crate::context::Scope;
use crate::log::{Level, print};
use crate::outcome::{Failure, FailureKind};
use crate::{Error, Function};

/// The error of a store.
pub type StoreError = Box<dyn StdError + Send + Sync>;

/// Remembers which events are handled.
///
/// A key is in one of three states: unknown, claimed for some time, or done. All processes that handle the same
/// events must share the state, and only one of two simultaneous claims may succeed.
pub trait IdempotencyStore: Send + Sync + 'static {
    /// Claims `key` for `lease`, unless it is claimed or done. Expired claims and expired answers count as unknown.
    fn claim(&self, key: &str, lease: Duration) -> impl Future<Output = Result<Claim, StoreError>> + Send;

    /// Marks `key` as done. Duplicates get `answer` for the time `keep`.
    fn complete(
        &self,
        key: &str,
        answer: Vec<u8>,
        keep: Duration,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Releases a claim, because the event was not handled.
    fn release(&self, key: &str) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// The result of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The claim succeeded: handle the event.
    Granted,
    /// Another process is handling the event.
    InProgress,
    /// The event was handled; this is the stored answer.
    Done(Vec<u8>),
}

/// A layer for [`App::layer`](crate::App::layer) that handles each event once.
pub struct Idempotency<S> {
    store: Arc<S>,
    keep: Duration,
    lease: Duration,
    rejects_replays: bool,
}

impl<S: IdempotencyStore> Idempotency<S> {
    /// Creates a layer that remembers events in `store`.
    #[must_use]
    pub fn new(store: S) -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        // Lambda's maximum duration of an invocation.
        let lease = Duration::from_secs(15 * 60);
        Self { store: Arc::new(store), keep: day, lease, rejects_replays: false }
    }

    /// Sets how long answers are stored. Default: one day, the gateway's default limit for retries.
    #[must_use]
    pub fn keep_for(self, keep: Duration) -> Self {
        Self { keep, ..self }
    }

    /// Rejects replays of events that were handled, instead of handling them again. An event that was not handled, or
    /// whose answer is no longer stored, is handled when it is replayed.
    #[must_use]
    pub fn reject_replays(self) -> Self {
        Self { rejects_replays: true, ..self }
    }

    /// Sets the maximum duration of a function without a deadline (on Lambda, the deadline applies). After that, its
    /// process counts as dead. Default: 15 minutes.
    #[must_use]
    pub fn lease_for(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// Answers a request whose event has this key.
    async fn handle(self, Key { event, replay }: Key, request: Request, function: Function) -> Response {
        let key = match &replay {
            Some(replay) if !self.rejects_replays => format!("{event}\n{replay}"),
            _ => event,
        };
        let scope = request.extensions().get::<Scope>();
        let lease = scope.and_then(|scope| scope.context.remaining()).unwrap_or(self.lease);
        let has_caller = scope.is_some_and(|scope| scope.has_caller);
        match self.store.claim(&key, lease).await {
            Ok(Claim::Granted) => {}
            Ok(Claim::Done(_)) if self.rejects_replays && replay.is_some() => {
                let message = "a replay of an event that this function has handled: it rejects replays";
                return Error::reject(message).into_response();
            }
            Ok(Claim::Done(kept)) => match kept::read(&kept) {
                Ok(response) => return response,
                Err(error) => {
                    return Error::retry(format!("what was kept of `{key}`: {error}")).into_response();
                }
            },
            Ok(Claim::InProgress) => {
                let message = "the event is being handled already";
                return Error::status(StatusCode::CONFLICT, message).into_response();
            }
            Err(error) => return unavailable(&key, &error).into_response(),
        }
        match AssertUnwindSafe(function.answer(request)).catch_unwind().await {
            Ok(response) => self.settle(&key, response, has_caller).await,
            Err(panic) => {
                self.release(&key).await;
                std::panic::resume_unwind(panic)
            }
        }
    }

    /// Stores a final answer. What is final depends on who gets it: to a caller, a redirect is an answer; an event for which
    /// nobody waits is delivered again.
    async fn settle(&self, key: &str, response: Response, has_caller: bool) -> Response {
        let failure = if has_caller { Failure::of(&response) } else { Failure::of_event(&response) };
        if failure.is_some_and(|failure| failure.kind != FailureKind::Reject) {
            self.release(key).await;
            return response;
        }
        let (response, kept) = match kept::write(response).await {
            Ok(written) => written,
            Err(error) => {
                self.release(key).await;
                return error.into_response();
            }
        };
        if let Err(error) = self.store.complete(key, kept, self.keep).await {
            // The work is done, so the caller gets its answer. Log that the event may be handled again.
            print(Level::Warn, &format!("a duplicate may be handled again: {}", unavailable(key, &error)));
        }
        response
    }

    async fn release(&self, key: &str) {
        if let Err(error) = self.store.release(key).await {
            let error = unavailable(key, &error);
            print(Level::Warn, &format!("the event has to wait until its claim is over: {error}"));
        }
    }
}

fn unavailable(key: &str, error: &StoreError) -> Error {
    Error::retry(format!("the idempotency store failed for `{key}`: {error}"))
}

/// What identifies an event for a function.
struct Key {
    /// The function's name, the event's source and its id. None of them can contain a line break.
    event: String,
    /// The id of the replay that delivers the event.
    replay: Option<String>,
}

/// Returns the key of an event; `None` if the request carries none.
fn key(request: &Request) -> Option<Key> {
    let event = request.extensions().get::<CloudEvent<Data>>()?;
    let function = request.extensions().get::<Scope>()?.context.function_name();
    let replay = event.extension(REPLAY).and_then(|replay| replay.as_str()).map(str::to_owned);
    Some(Key { event: format!("{function}\n{}\n{}", event.source(), event.id()), replay })
}

impl<S: IdempotencyStore> Layer<Function> for Idempotency<S> {
    type Service = Idempotent<S>;

    fn layer(&self, function: Function) -> Idempotent<S> {
        Idempotent { layer: self.clone(), function }
    }
}

/// A function that handles each event once.
#[derive(Debug)]
pub struct Idempotent<S> {
    layer: Idempotency<S>,
    function: Function,
}

impl<S: IdempotencyStore> Service<Request> for Idempotent<S> {
    type Response = Response;
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Functions are always ready, so a clone can be called at once.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let function = self.function.clone();
        match key(&request) {
            Some(key) => Box::pin(self.layer.clone().handle(key, request, function).map(Ok)),
            None => Box::pin(function.oneshot(request)),
        }
    }
}

impl<S> Clone for Idempotency<S> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), ..*self }
    }
}

impl<S> Clone for Idempotent<S> {
    fn clone(&self) -> Self {
        Self { layer: self.layer.clone(), function: self.function.clone() }
    }
}

impl<S> fmt::Debug for Idempotency<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idempotency")
            .field("keep", &self.keep)
            .field("lease", &self.lease)
            .field("rejects_replays", &self.rejects_replays)
            .finish_non_exhaustive()
    }
}
