//! Finds the functions that a request, an event or a message is for, calls them, and says what came of it.
//! Knows no Lambda and no sockets.

mod batch;
mod events;
mod queue;
mod routes;
mod served;

use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use eg_sdk::{CloudEvent, Data, TraceContext};
use http::{HeaderMap, Method, StatusCode};

pub(crate) use self::queue::BatchReply;
pub(crate) use self::routes::router;
pub(crate) use self::served::Served;
use crate::context::{Context, Scope};
use crate::deadline::Deadline;
use crate::layer::Layers;
use crate::outcome::Failure;
use crate::payload::PayloadError;
use crate::registry::{FunctionDef, RegistryError};
use crate::requests::{Http, Router};
use crate::state::{Shared, States, Unmet};

/// The extension `hops` of an event as a header.
pub(crate) const HOPS: &str = "ce-hops";

/// Functions of the binary, ready to be called: all of them, or the one that `_HANDLER` names.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    functions: Vec<Served>,
    /// There is one when one of the functions has a route.
    router: Option<Router>,
    /// The same.
    http: Option<&'static Http>,
    shared: Arc<Shared>,
}

/// Facts about one invocation that the adapters know.
#[derive(Debug, Default)]
pub(crate) struct Invocation {
    pub(crate) request_id: String,
    pub(crate) deadline: Option<Deadline>,
    /// X-Ray's header.
    pub(crate) x_ray: Option<String>,
}

impl Service {
    /// Checks that all functions can be served side by side, and have what they need.
    pub(crate) fn new(
        functions: &[&'static FunctionDef],
        mut shared: Shared,
        layers: &Layers,
    ) -> Result<Self, RegistryError> {
        provide(functions, &mut shared.states)?;
        routes::check(functions)?;
        let functions: Vec<_> = functions.iter().map(|function| Served::new(function, layers)).collect();
        Ok(Self::of(functions, Arc::new(shared)))
    }

    fn of(functions: Vec<Served>, shared: Arc<Shared>) -> Self {
        let http = routes::http(&functions);
        let router = http.map(|http| (http.router)(&functions));
        Self { functions, router, http, shared }
    }

    /// The same service with each of its functions alone.
    #[cfg(feature = "http-server")]
    pub(crate) fn each(&self) -> impl Iterator<Item = (&'static str, Self)> {
        self.functions.iter().map(|function| {
            let alone = Self::of(vec![function.clone()], self.shared.clone());
            (function.def.name, alone)
        })
    }

    /// Answers an HTTP request by its method and path; 404 and 405 as axum gives them.
    ///
    /// # Errors
    /// When the function panicked, or its time was up.
    pub(crate) async fn http(
        &self,
        mut request: Request,
        invocation: &Arc<Invocation>,
    ) -> Result<Response, Failure> {
        let cause = request.extensions_mut().remove();
        let (trace, hops) = (trace_of(request.headers()), hops_of(request.headers()));
        let scope = self.scope(invocation, trace, hops, cause);
        request.extensions_mut().insert(scope);
        let response = match &self.router {
            Some(router) => router.answer(request).await,
            None => StatusCode::NOT_FOUND.into_response(),
        };
        match Failure::of(&response) {
            Some(failure) if failure.kind.is_breakdown() => Err(failure),
            _ => Ok(response),
        }
    }

    /// What reads HTTP requests, when one of the functions answers them.
    pub(crate) fn reads_requests(&self) -> Option<&'static Http> {
        self.http
    }

    /// The HTTP request that an event is, for an `#[http]` function; one that subscribes to `http.request` by name
    /// gets the event itself.
    pub(crate) fn request_in(&self, event: CloudEvent<Data>) -> Result<RequestOrEvent, PayloadError> {
        match self.http {
            Some(http) if event.ty() == "http.request" => {
                (http.read_gateway)(event, &|method| self.routes(method)).map(RequestOrEvent::Request)
            }
            _ => Ok(RequestOrEvent::Event(event)),
        }
    }

    /// The routes of these functions for a method.
    fn routes(&self, method: &Method) -> Vec<&'static str> {
        let routes = self.functions.iter().flat_map(|function| routes::of(function.def));
        routes.filter(|(to, _)| to.method == method.as_str()).map(|(_, route)| route).collect()
    }

    fn scope(
        &self,
        invocation: &Arc<Invocation>,
        trace: Option<TraceContext>,
        hops: Option<u32>,
        cause: Option<Cause>,
    ) -> Scope {
        let cause = cause.map(|Cause(id)| id);
        // Which function it is for is known where it is called.
        let context = Context { invocation: invocation.clone(), function: "", trace, hops, cause };
        Scope { shared: self.shared.clone(), context }
    }
}

/// The event that something happens for, by its id. A request that was one has it among its extensions.
#[derive(Debug, Clone)]
pub(crate) struct Cause(Arc<str>);

impl Cause {
    pub(crate) fn of<T>(event: &CloudEvent<T>) -> Self {
        Self(event.id().into())
    }
}

/// What a CloudEvent turns out to be.
pub(crate) enum RequestOrEvent {
    Request(Request),
    Event(CloudEvent<Data>),
}

/// The trace that a request says it belongs to (W3C Trace Context).
fn trace_of(headers: &HeaderMap) -> Option<TraceContext> {
    let header = |name| headers.get(name)?.to_str().ok();
    TraceContext::parse(header("traceparent")?, header("tracestate"))
}

/// How many events led to a request, where it says so: in the header that an event's extension has over HTTP.
fn hops_of(headers: &HeaderMap) -> Option<u32> {
    headers.get(HOPS)?.to_str().ok()?.trim().parse().ok()
}

/// Sees to it that everything the functions need is there.
fn provide(functions: &[&'static FunctionDef], states: &mut States) -> Result<(), RegistryError> {
    for function in functions {
        for need in function.needs.iter().flatten() {
            let (function, ty) = (function.name, (need.name)());
            states.provide(need).map_err(|unmet| match unmet {
                Unmet::Missing => RegistryError::MissingState { function, ty },
                Unmet::Failed(cause) => RegistryError::Unavailable { function, ty, cause },
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
