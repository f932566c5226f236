//! The part of the runtime that answers HTTP requests. It is reached through the routes of `#[http]` functions only, so
//! that a binary without any does not contain it: neither axum's router nor the payloads that API Gateway and load
//! balancers send.

use std::fmt;
use std::sync::Arc;

use axum::extract::Request;
use eg_sdk::{CloudEvent, Data};
use http::Method;
use tower::ServiceExt as _;

use crate::dispatch::{Served, router};
use crate::extract::ResponseFuture;
use crate::payload::{self, Family, Payload, PayloadError};

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

/// What it takes to answer HTTP requests. Pointers, because that is what linkers can follow.
#[derive(Debug)]
pub(crate) struct Http {
    /// Finds the function of a request.
    pub(crate) router: fn(&[Served]) -> Router,
    /// Reads a payload of one of the families that are HTTP requests.
    pub(crate) read: fn(Family, &str) -> Result<Payload, PayloadError>,
    /// Reads the event gateway's `http.request`. The second argument has the routes for a method.
    pub(crate) read_gateway: ReadGateway,
}

type ReadGateway =
    fn(CloudEvent<Data>, &dyn Fn(&Method) -> Vec<&'static str>) -> Result<Request, PayloadError>;

pub(crate) const HTTP: Http =
    Http { router: of, read: payload::read_http, read_gateway: payload::read_gateway_request };

/// Answers requests by their method and path.
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

fn of(functions: &[Served]) -> Router {
    let router = router(functions);
    Router(Arc::new(move |request| {
        let answer = router.clone().oneshot(request);
        Box::pin(async move {
            match answer.await {
                Ok(response) => response,
                Err(infallible) => match infallible {},
            }
        })
    }))
}
