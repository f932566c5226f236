//! The facts about one invocation, and `Context`, the argument that hands them to a function. `dispatch` fills them in.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::FromRequestParts;
use eg_sdk::{CloudEvent, TraceContext};
use http::request::Parts;

use crate::deadline::Deadline;
use crate::shared::Shared;

/// The extension `hops` of an event as a header.
pub(crate) const HOPS: &str = "ce-hops";

/// The current invocation: an argument of a function.
#[derive(Debug, Clone)]
pub struct Context {
    pub(crate) invocation: Arc<Invocation>,
    pub(crate) function: &'static str,
    pub(crate) trace: Option<TraceContext>,
    pub(crate) hops: Option<u32>,
    pub(crate) cause: Option<Cause>,
}

/// Facts about one invocation that the adapters know.
#[derive(Debug, Default)]
pub(crate) struct Invocation {
    pub(crate) request_id: String,
    pub(crate) deadline: Option<Deadline>,
    /// X-Ray's header.
    pub(crate) x_ray: Option<String>,
}

/// The id of the event that a function runs for. A request that was an event has it among its extensions.
#[derive(Debug, Clone)]
pub(crate) struct Cause(pub(crate) Arc<str>);

impl Cause {
    pub(crate) fn of<T>(event: &CloudEvent<T>) -> Self {
        Self(event.id().into())
    }
}

impl Context {
    /// Lambda's request id; over HTTP, the id of the event, or empty.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.invocation.request_id
    }

    /// The function's name in the manifest.
    #[must_use]
    pub fn function_name(&self) -> &str {
        self.function
    }

    /// When Lambda ends the invocation; the function is cancelled shortly before. `None` over HTTP.
    #[must_use]
    pub fn deadline(&self) -> Option<SystemTime> {
        self.invocation.deadline.map(|deadline| deadline.at)
    }

    /// Time left until the deadline, zero when it has passed. `None` without a deadline.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        Some(self.deadline()?.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// The trace that the event or request belongs to, as it says itself (`traceparent`). What the function
    /// emits through [`Emit`](crate::Emit) goes on in it.
    #[must_use]
    pub fn trace(&self) -> Option<&TraceContext> {
        self.trace.as_ref()
    }

    /// How many events led to what the function emits now: one more than to its event, or than an HTTP request says
    /// that it comes with (`ce-hops`). [`Emit`](crate::Emit) counts by itself; set it as `ce-hops` on HTTP requests
    /// that may come back, so that the gateway ends the loop.
    #[must_use]
    pub fn hops(&self) -> u32 {
        self.hops.map_or(0, |hops| hops.saturating_add(1))
    }

    /// The `X-Amzn-Trace-Id` of this invocation, for calls to AWS. It is the invocation's own also where one
    /// process serves several at once, unlike the environment variable `_X_AMZN_TRACE_ID`.
    #[must_use]
    pub fn x_ray_trace_id(&self) -> Option<&str> {
        self.invocation.x_ray.as_deref()
    }
}

/// What the runtime puts into the extensions of every request.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) shared: Arc<Shared>,
    pub(crate) context: Context,
}

impl<S: Sync> FromRequestParts<S> for Context {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Scope::of(parts).context.clone())
    }
}

impl Scope {
    pub(crate) fn of(parts: &Parts) -> &Self {
        parts
            .extensions
            .get()
            .expect("`dispatch` puts the scope into every request before it calls a function")
    }
}
