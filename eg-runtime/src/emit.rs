//! `Emit<E>`: the permission to emit certain events, as an argument. It makes emitted events part of a function's
//! signature and manifest.

use std::fmt;
use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use eg_sdk::__private::EventTrait as Event;
#[cfg(feature = "outbox")]
use eg_sdk::outbox::{Emitter, Outgoing};
use eg_sdk::{Answer, CloudEvent, Contains, EventGateway, EventIdentity, EventSet, InvalidEvent, Receipt};
use futures_util::future::BoxFuture;
use http::request::Parts;
use serde::Serialize;

use crate::context::{Cause, Context, NotAFunction, Scope};

/// Emits events of type `E`, or of one of the types in a tuple `E`, or asks their synchronous subscribers.
///
/// What the function sends carries the trace of what it handles, names it as its cause, and counts its hops. The types
/// are in the manifest, so `cargo eg check` knows who emits an event.
///
/// ```no_run
/// # use eg_runtime::{Emit, Error, Event, subscribe};
/// # #[derive(serde::Serialize, Event)] #[event("a")] struct Shipped { id: u32 }
/// # #[derive(serde::Serialize, Event)] #[event("b")] struct Refused { id: u32 }
/// #[subscribe("order.paid")]
/// async fn ship(emit: Emit<(Shipped, Refused)>) -> Result<(), Error> {
///     emit.send(Shipped { id: 7 }).await?;
///     Ok(())
/// }
/// ```
pub struct Emit<E> {
    gateway: EventGateway,
    /// The source of emitted events whose type does not fix one: the service's.
    source: String,
    events: PhantomData<fn() -> E>,
}

/// The future of a call. It is boxed, because the compiler would repeat a missing trait of the event at each use of a
/// future that depends on the event's type.
type Calling<'a, T> = BoxFuture<'a, Result<T, eg_sdk::Error>>;

impl<E> Emit<E> {
    /// Creates a value that emits through `gateway`, for calling a function directly in a test.
    #[must_use]
    pub fn through(gateway: EventGateway) -> Self {
        Self { source: gateway.source().to_owned(), gateway, events: PhantomData }
    }

    /// Emits `event` and returns once the gateway has accepted it.
    ///
    /// # Errors
    /// As for [`EventGateway::emit`]. If the function returns the error with `?`, its own event is retried later.
    pub fn send<X, At>(&self, event: X) -> Calling<'_, Receipt>
    where
        X: Event + Serialize,
        E: Contains<X, At>,
    {
        self.send_event(CloudEvent::new(&self.source, event))
    }

    /// Creates an event with the declared source of its type, whose other attributes you can set before
    /// [`send_event`](Self::send_event).
    ///
    /// ```
    /// # use eg_runtime::{Emit, EventGateway};
    /// # #[derive(serde::Serialize, eg_runtime::Event)] #[event("shipped")] struct Shipped { id: u32 }
    /// # let (gateway, _) = EventGateway::recording();
    /// # let emit = Emit::<Shipped>::through(gateway.with_source("/services/delivery"));
    /// let event = emit.event(Shipped { id: 7 }).with_subject("orders/7");
    /// assert_eq!(event.source(), "/services/delivery");
    /// ```
    #[must_use]
    pub fn event<X, At>(&self, event: X) -> CloudEvent<X>
    where
        X: Event,
        E: Contains<X, At>,
    {
        CloudEvent::new(&self.source, event)
    }

    /// Emits an event with attributes of your choice, for example its id or subject. Its source must be the declared one:
    /// that of `#[event("…", source = "…")]`, else `/services/<service>`. On AWS, the permissions of the function allow no
    /// other.
    ///
    /// # Errors
    /// As for [`send`](Self::send); [`eg_sdk::Error::Event`] if the source is not declared, before anything is sent.
    pub fn send_event<X, At>(&self, event: CloudEvent<X>) -> Calling<'_, Receipt>
    where
        X: Event + Serialize,
        E: Contains<X, At>,
    {
        let event = self.declared(event).and_then(|event| Ok(event.encode()?));
        Box::pin(async { self.gateway.emit(event?).await })
    }

    /// Returns the event if its source is declared.
    fn declared<X: Event>(&self, event: CloudEvent<X>) -> Result<CloudEvent<X>, eg_sdk::Error> {
        check_source(X::TYPE, event.source(), X::SOURCE.unwrap_or(&self.source)).map(|()| event)
    }

    /// Asks a synchronous subscriber: sends `event` to the function with a synchronous subscription for its type, and
    /// returns the function's answer.
    ///
    /// ```no_run
    /// # use eg_runtime::{Emit, Error, Event, http};
    /// # #[derive(serde::Serialize, Event)] #[event("price.asked")] struct PriceAsked { product: u32 }
    /// #[http(GET, "/prices/7")]
    /// async fn price(ask: Emit<PriceAsked>) -> Result<String, Error> {
    ///     let cents: u32 = ask.request(PriceAsked { product: 7 }).await?.json()?;
    ///     Ok(format!("{cents} cents"))
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`EventGateway::request`].
    pub fn request<X, At>(&self, event: X) -> Calling<'_, Answer>
    where
        X: Event + Serialize,
        E: Contains<X, At>,
    {
        self.request_at("/", event)
    }

    /// Like [`request`](Self::request), for a synchronous subscription at another path.
    ///
    /// # Errors
    /// As for [`request`](Self::request).
    pub fn request_at<'a, X, At>(&'a self, path: &'a str, event: X) -> Calling<'a, Answer>
    where
        X: Event + Serialize,
        E: Contains<X, At>,
    {
        let event = CloudEvent::new(&self.source, event).encode();
        Box::pin(async move { self.gateway.request_at(path, event?).await })
    }
}

/// Checks that the source of an event is the one that its type declares.
fn check_source(ty: &str, source: &str, declared: &str) -> Result<(), eg_sdk::Error> {
    if source == declared {
        return Ok(());
    }
    let reason = format!(
        "`{source}` is not declared, so this function may not emit it: declare it with \
         `#[event(\"{ty}\", source = \"{source}\")]`, or create the event with `Emit::event`, which sets `{declared}`"
    );
    Err(invalid(ty, "source", reason))
}

fn invalid(ty: &str, attribute: &str, reason: String) -> eg_sdk::Error {
    let source = InvalidEvent::Attribute { attribute: attribute.to_owned(), reason };
    eg_sdk::Error::Event { ty: ty.to_owned(), source }
}

#[cfg(feature = "outbox")]
impl<E> Emit<E> {
    /// Completes an event for an [outbox](eg_sdk::outbox). Emits nothing.
    ///
    /// # Errors
    /// If the event is invalid.
    pub fn stage<X, At>(&self, event: X) -> Result<Outgoing, eg_sdk::Error>
    where
        X: Event + Serialize,
        E: Contains<X, At>,
    {
        self.gateway.stage(CloudEvent::new(&self.source, event))
    }

    /// Completes an event with attributes of your choice, for an outbox. Emits nothing.
    ///
    /// # Errors
    /// As for [`stage`](Self::stage), and if the source is not declared; see [`send_event`](Self::send_event).
    pub fn stage_event<X, At>(&self, event: CloudEvent<X>) -> Result<Outgoing, eg_sdk::Error>
    where
        X: Event + Serialize,
        E: Contains<X, At>,
    {
        self.gateway.stage(self.declared(event)?)
    }
}

/// Emits staged events, if this function declares them: another function may have staged them.
#[cfg(feature = "outbox")]
impl<E: EventSet> Emitter for Emit<E> {
    async fn emit_outgoing(&self, event: &Outgoing) -> Result<(), eg_sdk::Error> {
        let (ty, source) = (event.event().ty(), event.event().source());
        let Some(at) = E::TYPES.iter().position(|declared| *declared == ty) else {
            let reason = format!(
                "this function may not emit `{ty}`, which is in the outbox: add the event to its `Emit<…>`"
            );
            return Err(invalid(ty, "type", reason));
        };
        check_source(ty, source, E::SOURCES[at].unwrap_or(&self.source))?;
        self.gateway.emit_outgoing(event).await
    }
}

impl<E> Clone for Emit<E> {
    fn clone(&self) -> Self {
        Self { gateway: self.gateway.clone(), source: self.source.clone(), events: PhantomData }
    }
}

impl<E> fmt::Debug for Emit<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Emit").field(&self.gateway).finish()
    }
}

impl<S: Sync, E: EventSet> FromRequestParts<S> for Emit<E> {
    type Rejection = NotAFunction;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let Scope { shared, context, .. } = Scope::of(parts)?;
        let gateway = shared.states.get().ok_or(NotAFunction)?;
        let gateway = of_invocation(gateway, context, Cause::of(parts));
        Ok(Self { gateway, source: shared.source.clone(), events: PhantomData })
    }
}

/// Returns the client for one invocation: its calls carry trace, hops and cause of what the function handles.
pub(crate) fn of_invocation(
    gateway: &EventGateway,
    context: &Context,
    cause: Option<EventIdentity>,
) -> EventGateway {
    let gateway = gateway.clone().with_hops(context.hops());
    // A new span per function: its calls are children of this span, not of the one that triggered the function.
    let gateway = match &context.trace {
        Some(trace) => gateway.with_trace_context(trace.child()),
        None => gateway,
    };
    match cause {
        Some(cause) => gateway.with_cause(cause),
        None => gateway,
    }
}
