//! `Ask<E>`: the permission to ask synchronous subscribers, as an argument. It makes questions part of a function's signature
//! and manifest, and knows the type of the answer.

use std::fmt;

use axum::extract::FromRequestParts;
use eg_sdk::Question;
use futures_util::future::BoxFuture;
use http::request::Parts;
use serde::Serialize;

use crate::context::NotAFunction;
use crate::emit::Emit;
use crate::extract::Readable;

/// Asks the synchronous subscriber of the event type `E`, and reads its answer.
///
/// `#[event("…", answer = …)]` says what the answer is, for those who ask and for those who answer. The types are in the
/// manifest, so `cargo eg check` reports a question that no service answers. A question carries the trace of what the function
/// handles, names it as its cause, and counts its hops.
///
/// ```no_run
/// use eg_runtime::{Ask, Error, Event, Json, http, subscribe};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Event)]
/// #[event("price.asked", answer = Price)]
/// struct PriceAsked { product: u32 }
///
/// #[derive(Serialize, Deserialize)]
/// struct Price { cents: u32 }
///
/// #[subscribe(PriceAsked, mode = "sync")]
/// async fn quote(Json(asked): Json<PriceAsked>) -> Json<Price> {
///     Json(Price { cents: 100 * asked.product })
/// }
///
/// #[http(GET, "/prices/7")]
/// async fn price(ask: Ask<PriceAsked>) -> Result<String, Error> {
///     let price = ask.request(PriceAsked { product: 7 }).await?;
///     Ok(format!("{} cents", price.cents))
/// }
/// ```
pub struct Ask<E>(Emit<E>);

impl<E: Question + Serialize> Ask<E> {
    /// Asks the function with a synchronous subscription for the type of the event, and returns its answer.
    ///
    /// # Errors
    /// As for [`EventGateway::request`](eg_sdk::EventGateway::request), and if the answer is not JSON of the declared type. If the
    /// function returns the error with `?`, its own event is retried later.
    pub fn request(&self, event: E) -> BoxFuture<'_, Result<E::Answer, eg_sdk::Error>>
    where
        E::Answer: Readable,
    {
        self.request_at("/", event)
    }

    /// Like [`request`](Self::request), for a synchronous subscription at another path.
    ///
    /// # Errors
    /// As for [`request`](Self::request).
    pub fn request_at<'a>(
        &'a self,
        path: &'a str,
        event: E,
    ) -> BoxFuture<'a, Result<E::Answer, eg_sdk::Error>>
    where
        E::Answer: Readable,
    {
        let answer = self.0.request_at(path, event);
        Box::pin(async move { answer.await?.json() })
    }
}

impl<E> Ask<E> {
    /// Creates a value that asks through `gateway`, for calling a function directly in a test.
    #[must_use]
    pub fn through(gateway: eg_sdk::EventGateway) -> Self {
        Self(Emit::through(gateway))
    }
}

impl<E> Clone for Ask<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E> fmt::Debug for Ask<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ask").field(&self.0).finish()
    }
}

impl<S: Sync, E: Question> FromRequestParts<S> for Ask<E> {
    type Rejection = NotAFunction;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Emit::from_request_parts(parts, state).await.map(Self)
    }
}
