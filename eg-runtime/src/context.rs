//! The facts about one invocation, and `Context`, the argument that gives a function access to them. `dispatch` sets
//! them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::{FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use eg_sdk::{CloudEvent, Data, EventIdentity, TraceContext};
use http::request::Parts;

use crate::deadline::Deadline;
use crate::error::Error;
use crate::shared::Shared;

/// The current invocation, as an argument of a function.
#[derive(Debug, Clone)]
pub struct Context {
    pub(crate) invocation: Arc<Invocation>,
    pub(crate) function: &'static str,
    pub(crate) trace: Option<TraceContext>,
    pub(crate) hops: Option<u32>,
}

/// The facts about an invocation that the adapters know.
#[derive(Debug, Default)]
pub(crate) struct Invocation {
    pub(crate) request_id: String,
    pub(crate) deadline: Option<Deadline>,
    /// The value of X-Ray's header.
    pub(crate) x_ray: Option<String>,
}

/// The event that a request was made from, in the request's extensions. Requests that carry their event do not have it.
#[derive(Debug, Clone)]
pub(crate) struct Cause(pub(crate) EventIdentity);

impl Cause {
    /// Returns the event that the function handles, if any.
    pub(crate) fn of(parts: &Parts) -> Option<EventIdentity> {
        let event = || parts.extensions.get::<CloudEvent<Data>>().map(CloudEvent::identity);
        parts.extensions.get::<Self>().map(|cause| cause.0.clone()).or_else(event)
    }
}

impl Context {
    /// Returns Lambda's request id; over HTTP, the event's id, or an empty string.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.invocation.request_id
    }

    /// Returns the function's name in the manifest.
    #[must_use]
    pub fn function_name(&self) -> &str {
        self.function
    }

    /// Returns when Lambda ends the invocation; the function is cancelled shortly before. `None` over HTTP.
    #[must_use]
    pub fn deadline(&self) -> Option<SystemTime> {
        self.invocation.deadline.map(|deadline| deadline.at)
    }

    /// Returns the time until the deadline; zero once it has passed. `None` without a deadline.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        Some(self.deadline()?.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// Returns the trace of the event or request (`traceparent`). Events emitted through [`Emit`](crate::Emit) belong
    /// to the same trace.
    #[must_use]
    pub fn trace(&self) -> Option<&TraceContext> {
        self.trace.as_ref()
    }

    /// Returns the `hops` of events that the function emits: one more than those of its event or of the HTTP
    /// request's `ce-hops`. [`Emit`](crate::Emit) sets it itself. Set it as `ce-hops` on HTTP requests that may come
    /// back, so that the gateway can break the loop.
    #[must_use]
    pub fn hops(&self) -> u32 {
        self.hops.map_or(0, |hops| hops.saturating_add(1))
    }

    /// Returns the `X-Amzn-Trace-Id` of this invocation, for calls to AWS. Unlike the environment variable
    /// `_X_AMZN_TRACE_ID`, it is correct even if a process serves several invocations at once.
    #[must_use]
    pub fn x_ray_trace_id(&self) -> Option<&str> {
        self.invocation.x_ray.as_deref()
    }
}

/// The values that the runtime adds to the extensions of every request.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) shared: Arc<Shared>,
    pub(crate) context: Context,
    /// Whether a caller waits for the answer. Nobody waits for that to an event, a message or a schedule, unless the
    /// function's subscription is synchronous.
    pub(crate) has_caller: bool,
}

impl<S: Sync> FromRequestParts<S> for Context {
    type Rejection = NotAFunction;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Scope::of(parts)?.context.clone())
    }
}

impl Scope {
    /// Returns the scope of a request to a function.
    ///
    /// # Errors
    /// If the request does not come from this runtime.
    pub(crate) fn of(parts: &Parts) -> Result<&Self, NotAFunction> {
        parts.extensions.get().ok_or(NotAFunction)
    }

    /// Returns whether the gateway delivers the request as an event.
    pub(crate) fn comes_from_event(request: &Request) -> bool {
        let extensions = request.extensions();
        extensions.get::<Cause>().is_some() || extensions.get::<CloudEvent<Data>>().is_some()
    }
}

/// An argument of this crate in a handler that is no function of an [`App`](crate::App), for example one of a router of
/// axum. It is answered with a 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`Context`, `Emit` and `State` of eg_runtime are arguments of annotated functions only")]
pub struct NotAFunction;

impl IntoResponse for NotAFunction {
    fn into_response(self) -> Response {
        Error::from(self).into_response()
    }
}
