//! The facts about one invocation, and `Context`, the argument that gives a function access to them. `dispatch` sets
//! them.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use axum::extract::{FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use eg_sdk::{CloudEvent, Data, EventIdentity, TraceContext};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use crate::deadline::Deadline;
use crate::error::Error;
use crate::sender::Sent;
use crate::shared::Shared;

/// Headers of the Runtime API. Source: AWS's description of the Lambda Runtime API; for the tenant, its Rust runtime.
pub(crate) const INVOKED_FUNCTION_ARN: &str = "lambda-runtime-invoked-function-arn";
pub(crate) const TENANT_ID: &str = "lambda-runtime-aws-tenant-id";
pub(crate) const CLIENT_CONTEXT: &str = "lambda-runtime-client-context";
pub(crate) const COGNITO_IDENTITY: &str = "lambda-runtime-cognito-identity";

/// The current invocation, as an argument of a function.
#[derive(Debug, Clone)]
pub struct Context {
    pub(crate) invocation: Arc<Invocation>,
    pub(crate) function: &'static str,
    pub(crate) trace: Option<TraceContext>,
    pub(crate) hops: Option<u32>,
}

/// The facts about an invocation that the adapters know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Invocation {
    pub(crate) request_id: String,
    pub(crate) deadline: Option<Deadline>,
    /// The value of X-Ray's header.
    pub(crate) x_ray: Option<String>,
    /// The headers with which the Runtime API hands over the invocation.
    pub(crate) headers: HeaderMap,
    /// What an HTTP request or a message of a connection says about its sender.
    pub(crate) sent: OnceLock<Sent>,
}

impl Invocation {
    /// Returns what the caller gave as client context, which is JSON.
    pub(crate) fn client_context(&self) -> Option<&str> {
        self.header(CLIENT_CONTEXT)
    }

    /// Returns the ARN that the caller used.
    pub(crate) fn function_arn(&self) -> Option<&str> {
        self.header(INVOKED_FUNCTION_ARN)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?;
        std::str::from_utf8(value.as_bytes()).ok().filter(|value| !value.is_empty())
    }
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

    /// Returns the ARN that the caller used, with its version or alias. `None` over HTTP.
    #[must_use]
    pub fn invoked_function_arn(&self) -> Option<&str> {
        self.invocation.function_arn()
    }

    /// Returns the tenant of the invocation, of a function with tenant isolation.
    #[must_use]
    pub fn tenant_id(&self) -> Option<&str> {
        self.invocation.header(TENANT_ID)
    }

    /// Returns what the caller gave as client context (a mobile SDK, or `ClientContext` of an Invoke call), as JSON. The
    /// caller wrote it; nobody has verified it.
    #[must_use]
    pub fn client_context(&self) -> Option<&str> {
        self.invocation.client_context()
    }

    /// Returns the identity of a Cognito identity pool that invoked the function through AWS's mobile SDK, as JSON
    /// (`cognitoIdentityId`, `cognitoIdentityPoolId`). For requests through API Gateway, see [`Caller`](crate::Caller).
    #[must_use]
    pub fn cognito_identity(&self) -> Option<&str> {
        self.invocation.header(COGNITO_IDENTITY)
    }
}

/// To test a function that takes a `Context`: call it with one of these.
impl Context {
    /// Creates the context of an invocation of a function, without deadline and trace.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use eg_runtime::Context;
    ///
    /// let context = Context::new("create_user").with_request_id("r1").with_remaining(Duration::from_secs(3));
    /// assert_eq!((context.function_name(), context.request_id()), ("create_user", "r1"));
    /// assert!(context.remaining() <= Some(Duration::from_secs(3)));
    /// ```
    #[must_use]
    pub fn new(function: &'static str) -> Self {
        Self { invocation: Arc::default(), function, trace: None, hops: None }
    }

    /// Sets the request id.
    #[must_use]
    pub fn with_request_id(self, id: impl Into<String>) -> Self {
        let id = id.into();
        self.with(|invocation| invocation.request_id = id)
    }

    /// Sets the deadline, this long from now.
    #[must_use]
    pub fn with_remaining(self, time: Duration) -> Self {
        let now = SystemTime::now();
        let at = now.checked_add(time).and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let millis = at.map_or(u64::MAX, |at| u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
        self.with(|invocation| invocation.deadline = Deadline::new(millis, now, Instant::now()))
    }

    /// Sets the trace.
    #[must_use]
    pub fn with_trace(self, trace: TraceContext) -> Self {
        Self { trace: Some(trace), ..self }
    }

    /// Sets the ARN that the caller used.
    ///
    /// # Panics
    /// If it contains control characters.
    #[must_use]
    pub fn with_invoked_function_arn(self, arn: &str) -> Self {
        self.with_header(INVOKED_FUNCTION_ARN, arn)
    }

    /// Sets the tenant.
    ///
    /// # Panics
    /// If it contains control characters.
    #[must_use]
    pub fn with_tenant_id(self, id: &str) -> Self {
        self.with_header(TENANT_ID, id)
    }

    /// Sets the client context, as JSON.
    ///
    /// # Panics
    /// If it contains control characters.
    #[must_use]
    pub fn with_client_context(self, json: &str) -> Self {
        self.with_header(CLIENT_CONTEXT, json)
    }

    /// Sets the Cognito identity, as JSON.
    ///
    /// # Panics
    /// If it contains control characters.
    #[must_use]
    pub fn with_cognito_identity(self, json: &str) -> Self {
        self.with_header(COGNITO_IDENTITY, json)
    }

    fn with_header(self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|e| panic!("`{name}`: {e}"));
        self.with(|invocation| drop(invocation.headers.insert(name, value)))
    }

    /// Changes a copy of the invocation.
    fn with(self, change: impl FnOnce(&mut Invocation)) -> Self {
        let mut invocation = Invocation::clone(&self.invocation);
        change(&mut invocation);
        Self { invocation: Arc::new(invocation), ..self }
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

/// An argument of this crate in a handler that an [`App`](crate::App) does not call: neither a function nor a handler of the
/// router of [`App::router`](crate::App::router). It is answered with a 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "`Context`, `Emit` and `State` of eg_runtime work in annotated functions and in the router of `App::router`: mount this \
     router with `App::router`"
)]
pub struct NotAFunction;

impl IntoResponse for NotAFunction {
    fn into_response(self) -> Response {
        Error::from(self).into_response()
    }
}
