//! `Emit<E>`: the permission to emit certain events, as an argument. It makes emitted events part of a function's
//! signature and manifest.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use eg_sdk::__private::EventTrait as Event;
#[cfg(feature = "outbox")]
use eg_sdk::outbox::{Emitter, Outgoing};
use eg_sdk::{CloudEvent, Contains, EventGateway, EventSet, Receipt};
use http::request::Parts;
use serde::Serialize;

use crate::context::Scope;

/// Emits events of type `E`, or of one of the types in a tuple `E`.
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
    /// The source of emitted events: the service's, else the client's.
    source: Option<String>,
    events: PhantomData<fn() -> E>,
}

impl<E> Emit<E> {
    /// Creates a value that emits through `gateway`, for calling a function directly in a test.
    #[must_use]
    pub fn through(gateway: EventGateway) -> Self {
        Self { gateway, source: None, events: PhantomData }
    }

    /// Emits `event` and returns once the gateway has accepted it.
    ///
    /// # Errors
    /// As for [`EventGateway::emit`]. If the function returns the error with `?`, its own event is retried later.
    pub async fn send<X, At>(&self, event: X) -> Result<Receipt, eg_sdk::Error>
    where
        X: Event + Serialize,
        E: Contains<X, At>,
    {
        match &self.source {
            Some(source) => self.gateway.emit(CloudEvent::new(source, event)).await,
            None => self.gateway.emit(event).await,
        }
    }

    /// Emits an event with attributes of your choice, for example its id or subject.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub async fn send_event<X, At>(&self, event: CloudEvent<X>) -> Result<Receipt, eg_sdk::Error>
    where
        X: Event + Serialize,
        E: Contains<X, At>,
    {
        self.gateway.emit(event).await
    }
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
        match &self.source {
            Some(source) => self.gateway.stage(CloudEvent::new(source, event)),
            None => self.gateway.stage(event),
        }
    }

    /// Completes an event with attributes of your choice, for an outbox. Emits nothing.
    ///
    /// # Errors
    /// As for [`stage`](Self::stage).
    pub fn stage_event<X, At>(&self, event: CloudEvent<X>) -> Result<Outgoing, eg_sdk::Error>
    where
        X: Event + Serialize,
        E: Contains<X, At>,
    {
        self.gateway.stage(event)
    }
}

/// Emits staged events. The function that staged them had the permission.
#[cfg(feature = "outbox")]
impl<E> Emitter for Emit<E> {
    async fn emit_outgoing(&self, event: &Outgoing) -> Result<(), eg_sdk::Error> {
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
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let Scope { shared, context } = Scope::of(parts);
        let gateway = shared.states.get::<EventGateway>();
        let gateway = gateway.expect("the start of the service sees to the needs of its functions").clone();
        // A new span per function: emitted events are children of this span, not of the one that triggered the
        // function.
        let gateway = match &context.trace {
            Some(trace) => gateway.with_trace_context(trace.child()),
            None => gateway,
        };
        let gateway = gateway.with_hops(context.hops());
        let gateway = match &context.cause {
            Some(cause) => gateway.with_cause(cause.0.clone()),
            None => gateway,
        };
        Ok(Self { gateway, source: Some(shared.source.clone()), events: PhantomData })
    }
}
