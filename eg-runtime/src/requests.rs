//! The part of the runtime that answers HTTP requests: axum's router, and the payloads of API Gateway and load
//! balancers. Only the routes of `#[http]` functions refer to it, so a binary without such functions does not contain
//! it.

use std::fmt;
use std::sync::Arc;

use axum::extract::Request;
use axum::routing::{MethodFilter, on};
use eg_sdk::{CloudEvent, Data};
use http::Method;
use tower::ServiceExt as _;

use crate::body;
use crate::context::Scope;
use crate::extract::ResponseFuture;
use crate::outcome::Failure;
use crate::payload::{self, PayloadError, ReadRequest};
use crate::registry::Mode;
use crate::served::Served;

/// The route of an `#[http]` function.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The path in axum's spelling.
    pub(crate) path: &'static str,
    pub(crate) http: &'static Http,
}

impl Route {
    /// A route with this path.
    #[must_use]
    pub const fn new(path: &'static str) -> Self {
        Self { path, http: &HTTP }
    }
}

/// A function behind one of its routes.
pub(crate) struct Routed {
    /// One of the methods that the macros accept.
    pub(crate) method: &'static str,
    /// The path in axum's spelling.
    pub(crate) path: &'static str,
    /// Whether the gateway's client waits for the answer.
    pub(crate) mode: Mode,
    pub(crate) function: Served,
}

/// The functions that answer HTTP requests. They are function pointers, so that the linker can drop them if unused.
#[derive(Debug)]
pub(crate) struct Http {
    /// Builds the router of all routes. axum panics if two of them conflict.
    pub(crate) router: fn(Vec<Routed>) -> Router,
    /// Reads a payload that is an HTTP request.
    pub(crate) read: ReadRequest,
    /// Reads the event gateway's `http.request`. The second argument returns the routes for a method.
    pub(crate) read_gateway: ReadGateway,
}

type ReadGateway =
    fn(CloudEvent<Data>, &dyn Fn(&Method) -> Vec<&'static str>) -> Result<Request, PayloadError>;

pub(crate) const HTTP: Http =
    Http { router, read: payload::read_http, read_gateway: payload::read_gateway_request };

/// Answers requests by method and path.
#[derive(Clone)]
pub(crate) struct Router(Arc<dyn Fn(Request) -> ResponseFuture + Send + Sync>);

impl Router {
    pub(crate) fn answer(&self, request: Request) -> ResponseFuture {
        (self.0)(request)
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Router")
    }
}

fn router(routes: Vec<Routed>) -> Router {
    let router = routes.into_iter().fold(axum::Router::new(), |router, routed| {
        let Routed { method, path, mode, function } = routed;
        let handler = move |request: Request| async move {
            let limit = body::limit_of(&request);
            let Some(request) = body::admit(request, limit) else { return body::refusal(limit) };
            // The gateway has answered the client already, and delivers again what is not handled.
            if mode == Mode::Async && Scope::comes_from_event(&request) {
                return function.settle(request).await.unwrap_or_else(Failure::into_unhandled);
            }
            body::explain(function.answer(request).await, limit).await
        };
        router.route(path, on(method_filter(method), handler))
    });
    Router(Arc::new(move |request| {
        let answer = router.clone().oneshot(request);
        Box::pin(async move {
            match answer.await {
                Ok(response) => body::fit(response),
                Err(infallible) => match infallible {},
            }
        })
    }))
}

fn method_filter(method: &'static str) -> MethodFilter {
    let method = Method::from_bytes(method.as_bytes()).ok();
    method
        .and_then(|method| MethodFilter::try_from(method).ok())
        .expect("the macros accept only methods that axum knows")
}
