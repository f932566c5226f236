//! Finds the functions that a request, an event or a message is for, calls them, and says what came of it.
//! Knows no Lambda and no sockets.

mod batch;
mod events;
mod queue;
mod routes;
mod served;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use eg_sdk::{CloudEvent, Data, TraceContext};
use http::{HeaderMap, Method};
use tower::ServiceExt as _;

pub(crate) use self::queue::BatchReply;
use self::served::Served;
use crate::context::{Context, Scope};
use crate::deadline::Deadline;
use crate::layer::Layers;
use crate::outcome::Failure;
use crate::registry::{FunctionDef, RegistryError};
use crate::state::{Shared, States, Unmet};

/// Functions of the binary, ready to be called: all of them, or the one that `_HANDLER` names.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    functions: Vec<Served>,
    router: Router,
    shared: Arc<Shared>,
}

/// Facts about one invocation that the adapters know.
#[derive(Debug, Clone, Default)]
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
        Ok(Self { router: routes::router(&functions), functions, shared: Arc::new(shared) })
    }

    /// The same service with each of its functions alone.
    #[cfg(feature = "http-server")]
    pub(crate) fn each(&self) -> impl Iterator<Item = (&'static str, Self)> {
        self.functions.iter().map(|function| {
            let functions = vec![function.clone()];
            let router = routes::router(&functions);
            (function.def.name, Self { functions, router, shared: self.shared.clone() })
        })
    }

    /// Answers an HTTP request by its method and path; 404 and 405 as axum gives them.
    ///
    /// # Errors
    /// When the function panicked, or its time was up.
    pub(crate) async fn http(
        &self,
        mut request: Request,
        invocation: &Invocation,
    ) -> Result<Response, Failure> {
        let scope = self.scope(invocation, trace_of(request.headers()));
        request.extensions_mut().insert(scope);
        let response = match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(infallible) => match infallible {},
        };
        match Failure::of(&response) {
            Some(failure) if failure.kind.is_breakdown() => Err(failure),
            _ => Ok(response),
        }
    }

    /// Whether an event is an HTTP request for an `#[http]` function; one that subscribes to `http.request` by
    /// name gets the event itself.
    pub(crate) fn takes_request(&self, event: &CloudEvent<Data>) -> bool {
        event.ty() == "http.request" && self.functions.iter().any(|f| routes::of(f.def).next().is_some())
    }

    /// The routes of these functions for a method.
    pub(crate) fn routes(&self, method: &Method) -> Vec<&'static str> {
        let routes = self.functions.iter().flat_map(|function| routes::of(function.def));
        routes.filter(|(to, _)| to.method == method.as_str()).map(|(_, route)| route).collect()
    }

    fn scope(&self, invocation: &Invocation, trace: Option<TraceContext>) -> Scope {
        let Invocation { request_id, deadline, x_ray } = invocation.clone();
        // Which function it is for is known where it is called.
        let context = Context { request_id, function: "", deadline, x_ray, trace };
        Scope { shared: self.shared.clone(), context }
    }
}

/// The trace that a request says it belongs to (W3C Trace Context).
fn trace_of(headers: &HeaderMap) -> Option<TraceContext> {
    let header = |name| headers.get(name)?.to_str().ok();
    TraceContext::parse(header("traceparent")?, header("tracestate"))
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
