//! Calls functions: finds the one a request or event is for, gives it a request, and says what came of it.
//! Knows no Lambda and no sockets.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use eg_sdk::{CloudEvent, Data};
use http::{HeaderValue, Method, header};
use tower::ServiceExt as _;

use crate::context::{Context, Scope};
use crate::outcome::{Failure, FailureKind};
use crate::panics;
use crate::registry::{FunctionDef, Mode, RegistryError, Trigger};
use crate::state::Shared;

/// What a function is to the runtime.
pub type ResponseFuture = Pin<Box<dyn Future<Output = Response> + Send>>;
/// Answers a request with a function.
pub type Call = fn(Request) -> ResponseFuture;

/// Functions of the binary, ready to be called: all of them, or the one that `_HANDLER` names.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    functions: Vec<&'static FunctionDef>,
    router: Router,
    shared: Arc<Shared>,
}

/// Facts about one invocation that the adapters know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Invocation {
    pub(crate) request_id: String,
    pub(crate) deadline: Option<std::time::SystemTime>,
}

impl Service {
    /// Checks that all functions can be served side by side.
    pub(crate) fn new(functions: Vec<&'static FunctionDef>, shared: Shared) -> Result<Self, RegistryError> {
        check_state(&functions, &shared)?;
        check_routes(&functions)?;
        Ok(Self { router: router(&functions), functions, shared: Arc::new(shared) })
    }

    /// The same service with one of its functions.
    #[cfg(feature = "http-server")]
    pub(crate) fn only(&self, function: &'static FunctionDef) -> Self {
        Self { functions: vec![function], router: router(&[function]), shared: self.shared.clone() }
    }

    pub(crate) fn functions(&self) -> &[&'static FunctionDef] {
        &self.functions
    }

    /// Answers an HTTP request by its method and path; 404 and 405 as axum gives them.
    ///
    /// # Errors
    /// When the function panicked.
    pub(crate) async fn http(
        &self,
        mut request: Request,
        invocation: &Invocation,
    ) -> Result<Response, Failure> {
        request.extensions_mut().insert(self.scope("", invocation));
        let response = match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(infallible) => match infallible {},
        };
        panicked(&response).map_or(Ok(response), Err)
    }

    /// Whether an event is an HTTP request for an `#[http]` function; one that subscribes to `http.request` by
    /// name gets the event itself.
    pub(crate) fn takes_request(&self, event: &CloudEvent<Data>) -> bool {
        event.ty() == "http.request" && self.functions.iter().any(|f| http_triggers(f).next().is_some())
    }

    /// The routes of these functions for a method.
    pub(crate) fn routes(&self, method: &Method) -> Vec<&'static str> {
        let triggers = self.functions.iter().flat_map(|function| http_triggers(function));
        triggers.filter(|(trigger, _)| trigger.method == method.as_str()).map(|(_, route)| route).collect()
    }

    /// Hands an event to every function that subscribes to its type. The answer is that of the last one; it is
    /// for an emitter who waits, which is so when the trigger is sync.
    ///
    /// # Errors
    /// When a function failed, unless the emitter waits for its status; and when none subscribes to the type.
    pub(crate) async fn event(
        &self,
        event: CloudEvent<Data>,
        invocation: &Invocation,
    ) -> Result<Response, Failure> {
        let mut answer = None;
        for function in &self.functions {
            let mut triggers =
                function.triggers.iter().filter(|t| t.route.is_none() && t.event_type == event.ty());
            let Some(trigger) = triggers.next() else { continue };
            let mut request = request_of(&event);
            request.extensions_mut().insert(self.scope(function.name, invocation));
            let response = panics::catch((function.call)(request)).await;
            let waits = trigger.mode == Mode::Sync || triggers.any(|t| t.mode == Mode::Sync);
            answer =
                Some(if waits { answered(function, response)? } else { done(function, response).await? });
        }
        answer.ok_or_else(|| self.not_subscribed(event.ty()))
    }

    fn not_subscribed(&self, ty: &str) -> Failure {
        let known: Vec<String> = self
            .functions
            .iter()
            .map(|f| {
                let types: Vec<_> = f.triggers.iter().map(|trigger| trigger.event_type).collect();
                format!("`{}` takes {}", f.name, types.join(", "))
            })
            .collect();
        let message = format!("no function here subscribes to event type `{ty}`: {}", known.join("; "));
        Failure { kind: FailureKind::Reject, message }
    }

    fn scope(&self, function: &'static str, invocation: &Invocation) -> Scope {
        let Invocation { request_id, deadline } = invocation.clone();
        Scope { shared: self.shared.clone(), context: Context { request_id, function, deadline } }
    }
}

/// The routes of `functions`, which `check_routes` has seen: axum panics on conflicts.
fn router(functions: &[&'static FunctionDef]) -> Router {
    functions.iter().fold(Router::new(), |router, &function| {
        http_triggers(function).fold(router, |router, (trigger, route)| {
            let handler = move |request: Request| call_http(function, request);
            router.route(route, on(method_filter(trigger.method), handler))
        })
    })
}

async fn call_http(function: &'static FunctionDef, mut request: Request) -> Response {
    if let Some(scope) = request.extensions_mut().get_mut::<Scope>() {
        scope.context.function = function.name;
    }
    let response = panics::catch((function.call)(request)).await;
    log_fault(function, &response);
    response
}

/// The response for an emitter who waits: any status is an answer, only a panic is none.
fn answered(function: &FunctionDef, response: Response) -> Result<Response, Failure> {
    log_fault(function, &response);
    panicked(&response).map_or(Ok(response), Err)
}

/// The response for an event that nobody waits for: a failure status fails the delivery.
async fn done(function: &FunctionDef, response: Response) -> Result<Response, Failure> {
    Failure::explained(response).await.inspect_err(|failure| log(function, failure))
}

fn panicked(response: &Response) -> Option<Failure> {
    Failure::of(response).filter(|failure| failure.kind == FailureKind::Panic)
}

/// A 4xx is an answer to whoever asks, a 5xx a fault of the function.
fn log_fault(function: &FunctionDef, response: &Response) {
    if response.status().is_server_error()
        && let Some(failure) = Failure::of(response)
    {
        log(function, &failure);
    }
}

/// A failure is on record where the function's own output goes, whoever else is told.
fn log(function: &FunctionDef, failure: &Failure) {
    eprintln!("{} `{}`: {}", failure.kind.error_type().to_lowercase(), function.name, failure.message);
}

/// An event as a request: the payload is the body, so that axum's extractors apply to it; the event itself is
/// in the extensions, where `CloudEvent<T>` finds it.
fn request_of(event: &CloudEvent<Data>) -> Request {
    let mut request = Request::new(Body::from(event.data.as_bytes().to_vec()));
    *request.method_mut() = Method::POST;
    let media_type = event.datacontenttype().and_then(|media_type| HeaderValue::from_str(media_type).ok());
    let media_type = media_type.unwrap_or(HeaderValue::from_static("application/json"));
    request.headers_mut().insert(header::CONTENT_TYPE, media_type);
    request.extensions_mut().insert(event.clone());
    request
}

fn http_triggers(function: &'static FunctionDef) -> impl Iterator<Item = (&'static Trigger, &'static str)> {
    function.triggers.iter().filter_map(|trigger| Some((trigger, trigger.route?)))
}

fn method_filter(method: &'static str) -> MethodFilter {
    let method = Method::from_bytes(method.as_bytes()).ok();
    method
        .and_then(|m| MethodFilter::try_from(m).ok())
        .expect("the macros accept methods that axum knows only")
}

fn check_state(functions: &[&'static FunctionDef], shared: &Shared) -> Result<(), RegistryError> {
    for function in functions {
        if let Some(need) = function.needs.iter().flatten().find(|need| !shared.states.has(**need)) {
            return Err(RegistryError::MissingState { function: function.name, ty: (need.name)() });
        }
    }
    Ok(())
}

/// Two functions must not answer the same request. axum would panic on these, and the gateway refuse them.
fn check_routes(functions: &[&'static FunctionDef]) -> Result<(), RegistryError> {
    let mut seen: Vec<(&'static FunctionDef, &'static Trigger, &'static str)> = Vec::new();
    for function in functions {
        for (trigger, route) in http_triggers(function) {
            for &(other, other_trigger, other_route) in &seen {
                if shape(other_route) != shape(route) {
                    continue;
                }
                if other_route != route {
                    return Err(RegistryError::ParameterNames { first: other_route, second: route });
                }
                if other_trigger.method == trigger.method {
                    let (first, second) = (other.name, function.name);
                    return Err(RegistryError::SameRoute {
                        first,
                        second,
                        method: trigger.method,
                        path: route,
                    });
                }
            }
            seen.push((function, trigger, route));
        }
    }
    Ok(())
}

/// The route without the names of its parameters.
fn shape(route: &str) -> Vec<&str> {
    let unnamed = |segment| match segment {
        s if str::starts_with(s, "{*") => "{*}",
        s if str::starts_with(s, "{") => "{}",
        s => s,
    };
    route.split('/').map(unnamed).collect()
}

/// Extracts an argument that does not need the body.
///
/// # Errors
/// The rejection, as the response it stands for.
pub async fn from_parts<T: FromRequestParts<()>>(parts: &mut http::request::Parts) -> Result<T, Response> {
    T::from_request_parts(parts, &()).await.map_err(IntoResponse::into_response)
}

/// Extracts the last argument, which may take the body.
///
/// # Errors
/// The rejection, as the response it stands for.
pub async fn from_request<T: FromRequest<(), Via>, Via>(request: Request) -> Result<T, Response> {
    T::from_request(request, &()).await.map_err(IntoResponse::into_response)
}

/// The function's result as a response.
pub fn into_response(result: impl IntoResponse) -> Response {
    result.into_response()
}

#[cfg(test)]
mod tests;
