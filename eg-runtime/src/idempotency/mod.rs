//! Handling an event once, however often it comes. Decides what a duplicate gets; what is known of an event is in a
//! store of the user's choice.
//!
//! Delivery is at least once: a gateway, a queue or Lambda itself may hand out the same event again, also while it is
//! still being handled. A function whose work must not be done twice stands behind this layer:
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
//! | the event comes again | it gets |
//! |---|---|
//! | after it was handled, or rejected | the same answer; the function is not called |
//! | while it is being handled | 409, which means *try again later* |
//! | after it failed, or its process died | another call of the function |
//!
//! An event is known by its `source` and `id`; for a message of a queue that is no event by itself these are the
//! queue and the `messageId`. Functions do not share what they know, so each of several subscribers handles it once.
//! HTTP requests that carry no event pass through.
//!
//! [`MemoryStore`] knows what its own process has seen, which suits tests and services that run as one process. On
//! Lambda, implement [`IdempotencyStore`] with something that all processes share: a conditional write is all it takes.

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
use eg_sdk::{CloudEvent, Data};
use futures_util::FutureExt as _;
use http::StatusCode;
use tower::{Layer, Service, ServiceExt as _};

pub use self::memory::MemoryStore;
use crate::context::Scope;
use crate::outcome::{Failure, FailureKind};
use crate::{Error, Function};

/// Why a store cannot say, or keep, what it was asked to.
pub type StoreError = Box<dyn StdError + Send + Sync>;

/// What is known of events.
///
/// A key is in one of three states: unknown, claimed for some time, or done. All processes that handle the same events
/// must see the same state, and only one of two simultaneous claims may succeed.
pub trait IdempotencyStore: Send + Sync + 'static {
    /// Claims `key` for `lease`, unless it is claimed or done. A claim whose time is over, and an answer that was not
    /// to be kept any longer, count as unknown.
    fn claim(&self, key: &str, lease: Duration) -> impl Future<Output = Result<Claim, StoreError>> + Send;

    /// Makes `key` done: `answer` is what duplicates get, for as long as `keep` says.
    fn complete(
        &self,
        key: &str,
        answer: Vec<u8>,
        keep: Duration,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Gives a claim back: the event was not handled.
    fn release(&self, key: &str) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What a store says to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is yours: handle the event.
    Granted,
    /// Somebody else is at it.
    InProgress,
    /// It was handled; this is what was kept of the answer.
    Done(Vec<u8>),
}

/// A layer for [`App::layer`](crate::App::layer) that has each event handled once.
pub struct Idempotency<S> {
    store: Arc<S>,
    keep: Duration,
    lease: Duration,
}

impl<S: IdempotencyStore> Idempotency<S> {
    /// Remembers in `store`.
    #[must_use]
    pub fn new(store: S) -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        // As long as Lambda lets a function run.
        Self { store: Arc::new(store), keep: day, lease: Duration::from_secs(15 * 60) }
    }

    /// Sets how long answers are kept. Default: a day, the longest that the gateway retries by default.
    #[must_use]
    pub fn keep_for(self, keep: Duration) -> Self {
        Self { keep, ..self }
    }

    /// Sets how long a function may take where nothing else says so, as the deadline does on Lambda: after that, its
    /// process counts as dead. Default: 15 minutes.
    #[must_use]
    pub fn lease_for(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// Answers a request whose event has this key.
    async fn handle(self, key: String, request: Request, function: Function) -> Response {
        let remaining = request.extensions().get::<Scope>().and_then(|scope| scope.context.remaining());
        let lease = remaining.unwrap_or(self.lease);
        match self.store.claim(&key, lease).await {
            Ok(Claim::Granted) => {}
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
            Ok(response) => self.settle(&key, response).await,
            Err(panic) => {
                self.release(&key).await;
                std::panic::resume_unwind(panic)
            }
        }
    }

    /// Keeps an answer that is final.
    async fn settle(&self, key: &str, response: Response) -> Response {
        let again = Failure::of(&response).is_some_and(|failure| failure.kind != FailureKind::Reject);
        if again {
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
            // The work is done. That it may be done again is better told here than to who waits for the answer.
            eprintln!("a duplicate may be handled again: {}", unavailable(key, &error));
        }
        response
    }

    async fn release(&self, key: &str) {
        if let Err(error) = self.store.release(key).await {
            eprintln!("the event has to wait until its claim is over: {}", unavailable(key, &error));
        }
    }
}

fn unavailable(key: &str, error: &StoreError) -> Error {
    Error::retry(format!("the idempotency store failed for `{key}`: {error}"))
}

/// What tells events of one function apart: its name, the event's source and its id. None of the three can hold a line
/// break.
fn key(request: &Request) -> Option<String> {
    let event = request.extensions().get::<CloudEvent<Data>>()?;
    let function = request.extensions().get::<Scope>()?.context.function_name();
    Some(format!("{function}\n{}\n{}", event.source(), event.id()))
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
        // Functions are always ready; the one that is called is a clone.
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
            .finish_non_exhaustive()
    }
}
