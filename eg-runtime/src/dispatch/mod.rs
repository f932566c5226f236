//! Finds the functions of a request, an event or a message, calls them, and returns their answers. Knows neither
//! Lambda nor sockets.

mod authorizer;
mod batch;
mod events;
mod invoked;
mod queue;
mod routes;
mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use eg_grammar::HTTP_REQUEST;
use eg_grammar::extension::{HOPS_HEADER, parse_hops};
use eg_sdk::errors::{ErrorBody, ErrorCode};
use eg_sdk::{CloudEvent, Data, SpecVersion, TraceContext};
use http::{HeaderMap, Method, StatusCode};

pub(crate) use self::batch::Failed;
pub(crate) use self::events::Sender;
pub(crate) use self::stream::FailedRecord;
use crate::context::{Context, Invocation, Scope};
use crate::guard::Guard;
use crate::layer::{Function, Layers};
use crate::mounted::Mounted;
use crate::outcome::Failure;
use crate::payload::{PayloadError, ReadRequest};
use crate::registry::{FunctionDef, RegistryError};
use crate::requests::{Http, Router};
use crate::served::{Served, guarded};
use crate::shared::{Shared, States, Unmet};

/// The callable functions of the binary: all of them, or the one that `_HANDLER` names.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    functions: Vec<Entry>,
    /// Answers HTTP requests, if a function has a route, or the app a router.
    http: Option<(&'static Http, Router)>,
    /// The layers around the router, so that they see what no function answers, too.
    layered: Option<Function>,
    layers: Layers,
    shared: Arc<Shared>,
}

/// What stands around the functions of an app.
#[derive(Debug, Default)]
pub(crate) struct Around {
    /// The layers around every function.
    pub(crate) layers: Layers,
    /// The layers around single functions, by name.
    pub(crate) of_functions: BTreeMap<&'static str, Layers>,
    /// Answers the HTTP requests that no function answers.
    pub(crate) mounted: Option<Mounted>,
}

/// A function of the service and its caller.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    def: &'static FunctionDef,
    served: Served,
    /// The authorizers of its routes.
    guards: Vec<Guard>,
}

impl Entry {
    pub(crate) fn name(&self) -> &'static str {
        self.def.name
    }
}

impl Service {
    /// Checks that the functions have no conflicts and that their state is complete.
    pub(crate) fn new(
        functions: &[&'static FunctionDef],
        mut shared: Shared,
        around: Around,
    ) -> Result<Self, RegistryError> {
        provide(functions, &mut shared.states)?;
        routes::check(functions)?;
        check_body_limits(functions, shared.payload_limit)?;
        let Around { layers, of_functions, mounted } = around;
        let served = |def: &FunctionDef| Served::new(def.name, def.call, of_functions.get(def.name), &layers);
        let ready = |&def: &&'static FunctionDef| Entry {
            def,
            served: served(def),
            // The layers of the app are around the route already.
            guards: def.authorizers().map(|authorizer| Guard::new(served(authorizer).bare())).collect(),
        };
        let functions = functions.iter().map(ready).collect();
        Ok(Self::of(functions, layers, mounted, Arc::new(shared)))
    }

    fn of(functions: Vec<Entry>, layers: Layers, mounted: Option<Mounted>, shared: Arc<Shared>) -> Self {
        let (support, routes, asked) = routes::http(&functions);
        let support = support.or(mounted.as_ref().map(|mounted| mounted.http));
        let http = support.map(|http| (http, (http.router)(routes, asked, mounted)));
        let router = http.as_ref().map(|(_, router)| router.clone());
        let layered = layers.around(move |request| match &router {
            Some(router) => router.answer(request),
            None => Box::pin(async { unserved() }),
        });
        Self { functions, http, layered, layers, shared }
    }

    /// Returns how many bytes the body of a request and an answer may have.
    pub(crate) fn payload_limit(&self) -> usize {
        self.shared.payload_limit
    }

    /// Splits the service into one per function.
    #[cfg(feature = "http-server")]
    pub(crate) fn each(&self) -> impl Iterator<Item = (&'static str, Self)> {
        self.functions.iter().map(|function| {
            let alone = Self::of(vec![function.clone()], self.layers.clone(), None, self.shared.clone());
            (function.def.name, alone)
        })
    }

    /// Answers an HTTP request by its method and path. A request that takes no route gets a 404 or 405 that names the
    /// near routes.
    ///
    /// # Errors
    /// If the function panicked or missed its deadline, or failed while nobody waits for its answer.
    pub(crate) async fn http(
        &self,
        mut request: Request,
        invocation: &Arc<Invocation>,
    ) -> Result<Response, Failure> {
        let (trace, hops) = (TraceContext::of_headers(request.headers()), hops_of(request.headers()));
        let scope = self.scope(invocation, trace, hops);
        request.extensions_mut().insert(scope);
        let response = match (&self.layered, &self.http) {
            (Some(layered), _) => {
                let route = format!("{} {}", request.method(), request.uri().path());
                let answer = layered.clone().answer(request);
                let response = guarded(&route, invocation.deadline, answer).await;
                Failure::log_once(response, &route, &invocation.request_id).await
            }
            (None, Some((_, router))) => router.answer(request).await,
            (None, None) => unserved(),
        };
        Failure::without_answer(&response).map_or(Ok(response), Err)
    }

    /// Returns the reader of payloads that are HTTP requests, if a function has a route.
    pub(crate) fn reads_requests(&self) -> Option<ReadRequest> {
        self.http.as_ref().map(|(http, _)| http.read)
    }

    /// Turns the gateway's `http.request` event into an HTTP request for an `#[http]` function. `event` must be the
    /// payload itself. The gateway writes such events in CloudEvents 0.1, unlike what others put on a bus. A function
    /// that subscribes to `http.request` by name gets the event itself.
    pub(crate) fn request_in(&self, event: CloudEvent<Data>) -> Result<RequestOrEvent, PayloadError> {
        match &self.http {
            Some((http, _)) if event.ty() == HTTP_REQUEST && event.specversion() == SpecVersion::V0_1 => {
                (http.read_gateway)(event, &|method| self.routes(method)).map(RequestOrEvent::Request)
            }
            _ => Ok(RequestOrEvent::Event(event)),
        }
    }

    /// Returns the routes of these functions that answer requests with a method.
    fn routes(&self, method: &Method) -> Vec<&'static str> {
        let own = eg_grammar::Method::named(method.as_str());
        let other = own.and_then(eg_grammar::Method::answered_as);
        let answers = |name| [own, other].into_iter().flatten().any(|method| method.as_str() == name);
        let routes = self.functions.iter().flat_map(|function| routes::of(function.def));
        routes.filter(|(to, _)| answers(to.method)).map(|(_, route)| route).collect()
    }

    fn scope(&self, invocation: &Arc<Invocation>, trace: Option<TraceContext>, hops: Option<u32>) -> Scope {
        // The function is set when it is called, and so is the missing caller of an event.
        let context = Context { invocation: invocation.clone(), function: "", trace, hops };
        Scope { shared: self.shared.clone(), context, has_caller: true }
    }
}

/// Returns the answer to an HTTP request if no function has a route.
fn unserved() -> Response {
    let message = "no function of this program answers HTTP requests";
    (StatusCode::NOT_FOUND, Json(ErrorBody::new(ErrorCode::UnknownPath, message))).into_response()
}

/// What a CloudEvent represents.
pub(crate) enum RequestOrEvent {
    Request(Request),
    Event(CloudEvent<Data>),
}

/// Returns the `hops` of a request, from the header of the event extension.
fn hops_of(headers: &HeaderMap) -> Option<u32> {
    parse_hops(headers.get(HOPS_HEADER)?.to_str().ok()?)
}

/// Checks that no function takes larger bodies than the app.
fn check_body_limits(functions: &[&'static FunctionDef], app: usize) -> Result<(), RegistryError> {
    let beyond = |limit: u32| usize::try_from(limit).map_or(true, |limit| limit > app);
    let limits = functions.iter().filter_map(|function| Some((function.name, function.body_limit?)));
    match limits.into_iter().find(|(_, limit)| beyond(*limit)) {
        Some((function, limit)) => Err(RegistryError::BodyLimit { function, limit, app }),
        None => Ok(()),
    }
}

/// Checks that every value that the functions need is present.
fn provide(functions: &[&'static FunctionDef], states: &mut States) -> Result<(), RegistryError> {
    for function in functions.iter().flat_map(|function| function.authorizers().chain([*function])) {
        for need in function.needs.iter().flatten() {
            let (function, ty) = (function.name, need.name());
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
