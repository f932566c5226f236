//! The part of the runtime that answers HTTP requests: finds the function of a request, and reads the payloads of API
//! Gateway and load balancers. Only the routes of `#[http]` functions refer to it, so a binary without such functions
//! does not contain it.

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest as _, Request};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, on};
use eg_grammar::{Route as Found, Routes, Spelling, Unrouted};
use eg_sdk::errors::{ErrorBody, ErrorCode};
use eg_sdk::{CloudEvent, Data};
use http::{HeaderValue, Method, StatusCode, header};
use tower::ServiceExt as _;

use crate::body;
use crate::context::Scope;
use crate::extract::ResponseFuture;
use crate::guard::Guard;
use crate::mounted::Mounted;
use crate::outcome::{Failure, FailureKind};
use crate::payload::{self, PayloadError, ReadRequest};
use crate::registry::Mode;
use crate::served::Served;
use crate::stream;

/// The route of a function.
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
    /// Synchronous routes go before asynchronous ones, which get a copy of the request from the gateway only.
    pub(crate) mode: Mode,
    /// The function's own limit for bodies.
    pub(crate) body_limit: Option<u32>,
    /// Whether the answer is streamed to callers that can read a stream.
    pub(crate) stream: bool,
    /// Decides which requests may pass.
    pub(crate) guard: Option<Guard>,
    pub(crate) function: Served,
}

/// The functions behind the route of synchronous subscriptions.
pub(crate) struct Asked {
    /// One of the methods that the macros accept.
    pub(crate) method: &'static str,
    /// The path in axum's spelling.
    pub(crate) path: &'static str,
    /// The event types that are answered there.
    pub(crate) event_types: Vec<&'static str>,
    /// Calls the function of an event, if there is one.
    pub(crate) answer: Arc<Ask>,
}

type Ask = dyn Fn(CloudEvent<Data>, Option<Scope>) -> Option<ResponseFuture> + Send + Sync;

/// The functions that answer HTTP requests. They are function pointers, so that the linker can drop them if unused.
#[derive(Debug)]
pub(crate) struct Http {
    /// Builds the router of all routes, and of the router of `App::router`.
    pub(crate) router: fn(Vec<Routed>, Vec<Asked>, Option<Mounted>) -> Router,
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

/// The routes of one mode. axum routes each request within the one route that it takes, to extract its parameters.
type Table = Routes<axum::Router>;

fn router(routes: Vec<Routed>, asked: Vec<Asked>, mounted: Option<Mounted>) -> Router {
    let (mut sync, mut other): (Table, Table) = (Routes::new(Spelling::Code), Routes::new(Spelling::Code));
    for Routed { method, path, mode, body_limit, stream, guard, function } in routes {
        let Some(named) = eg_grammar::Method::named(method) else { continue };
        let handler = move |mut request: Request| async move {
            if let Some(guard) = &guard {
                let from_event = mode == Mode::Async && Scope::comes_from_event(&request);
                request = match guard.admit(request).await {
                    Ok(request) => request,
                    // The client has its answer already. A further attempt could change a failure, and no decision.
                    Err(response) if from_event => {
                        let reason = format!("`{}` does not let the request pass", guard.name());
                        let kind = FailureKind::of_status(response.status());
                        return Failure::new(kind, reason).into_unhandled();
                    }
                    Err(response) => return response,
                };
            }
            let limit = body::Limit::of(&request).or_own(function.name(), body_limit);
            let Some(request) = body::admit(request, limit) else { return body::refusal(limit) };
            // The gateway has answered the client already, and delivers again what is not handled.
            if mode == Mode::Async && Scope::comes_from_event(&request) {
                return function.settle(request).await.unwrap_or_else(Failure::into_unhandled);
            }
            let streams = stream && stream::is_allowed(&request);
            let response = body::explain(function.answer(request).await, limit).await;
            if streams { stream::mark(response) } else { response }
        };
        let route = axum::Router::new().route(path, on(method_filter(method), handler));
        let table = if mode == Mode::Sync { &mut sync } else { &mut other };
        // Of routes for the same requests, which `dispatch` refuses, the first remains.
        let _ = table.insert(named, path, route);
    }
    for Asked { method, path, event_types, answer } in asked {
        let Some(named) = eg_grammar::Method::named(method) else { continue };
        let (event_types, handles) = (Arc::new(event_types), answer);
        let handler = move |request: Request| ask(request, Arc::clone(&event_types), Arc::clone(&handles));
        // A function with `#[http]` on the route gets the request, and reads the event itself.
        let _ = sync.insert(named, path, axum::Router::new().route(path, on(method_filter(method), handler)));
    }
    let tables = Arc::new([sync, other]);
    Router(Arc::new(move |request| match find(&tables, request.method(), request.uri().path()) {
        Some(route) => {
            let answer = route.value.clone().oneshot(request);
            Box::pin(async move {
                match answer.await {
                    Ok(response) => body::fit(response),
                    Err(infallible) => match infallible {},
                }
            })
        }
        None => {
            let (tables, mounted) = (tables.clone(), mounted.clone());
            Box::pin(async move {
                let Some(mounted) = mounted else {
                    return unrouted(&tables, request.method(), request.uri().path());
                };
                let (method, uri) = (request.method().clone(), request.uri().clone());
                match mounted.answer(request).await {
                    Some(mut response) => {
                        also_allow(&tables, uri.path(), &mut response);
                        response
                    }
                    None => unrouted(&tables, &method, uri.path()),
                }
            })
        }
    }))
}

/// Answers a request that carries an event, in structured or binary mode, as the gateway does for synchronous subscriptions.
async fn ask(request: Request, event_types: Arc<Vec<&'static str>>, answer: Arc<Ask>) -> Response {
    let limit = body::Limit::of(&request);
    let Some(request) = body::admit(request, limit) else { return body::refusal(limit) };
    let scope = request.extensions().get::<Scope>().cloned();
    let event = match CloudEvent::<Data>::from_request(request, &()).await {
        Ok(event) => event,
        Err(rejection) => return body::explain(rejection.into_response(), limit).await,
    };
    let unknown = format!(
        "no function answers event `{}` here; this path takes {}",
        event.ty(),
        eg_grammar::list(&event_types)
    );
    match answer(event, scope) {
        Some(answer) => answer.await,
        None => {
            (StatusCode::NOT_FOUND, Json(ErrorBody::new(ErrorCode::UnknownPath, unknown))).into_response()
        }
    }
}

/// Returns the route that a request takes. A HEAD request without a route of its own takes that of GET.
fn find<'r>(tables: &'r [Table; 2], method: &Method, path: &str) -> Option<&'r Found<axum::Router>> {
    let method = eg_grammar::Method::named(method.as_str())?;
    let with = |method| tables.iter().find_map(|table| table.find(method, path));
    with(method).or_else(|| method.answered_as().and_then(with))
}

/// Returns the answer to a request that takes no route, in the format of the gateway.
fn unrouted(tables: &[Table; 2], method: &Method, path: &str) -> Response {
    let allowed = tables.iter().flat_map(|table| table.methods(path));
    let routes = tables.iter().flat_map(Routes::iter).map(|(method, route)| (method, route.path.as_str()));
    let unrouted = Unrouted::new(method.as_str(), path, allowed, routes);
    let (status, code) = match unrouted.allow() {
        Some(_) => (StatusCode::METHOD_NOT_ALLOWED, ErrorCode::MethodNotAllowed),
        None => (StatusCode::NOT_FOUND, ErrorCode::UnknownPath),
    };
    let mut response = (status, Json(ErrorBody::new(code, unrouted.to_string()))).into_response();
    if let Some(allow) = unrouted.allow().and_then(|allow| HeaderValue::try_from(allow).ok()) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// Adds the methods of functions to the 405 of a mounted router, which knows only its own.
fn also_allow(tables: &[Table; 2], path: &str, response: &mut Response) {
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return;
    }
    let functions = Unrouted::new("", path, tables.iter().flat_map(|table| table.methods(path)), []).allow();
    let Some(functions) = functions else { return };
    let own = response.headers().get(header::ALLOW).and_then(|allow| allow.to_str().ok());
    let mut allowed: Vec<&str> = Vec::new();
    for method in functions.split(',').chain(own.unwrap_or_default().split(',')).map(str::trim) {
        if !method.is_empty() && !allowed.contains(&method) {
            allowed.push(method);
        }
    }
    if let Ok(allowed) = HeaderValue::try_from(allowed.join(", ")) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
}

fn method_filter(method: &'static str) -> MethodFilter {
    let method = Method::from_bytes(method.as_bytes()).ok();
    method
        .and_then(|method| MethodFilter::try_from(method).ok())
        .expect("the macros accept only methods that axum knows")
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::HeaderMap;
    use http_body_util::BodyExt as _;
    use proptest::prelude::*;

    use super::*;
    use crate::extract::Call;
    use crate::layer::Layers;

    /// Functions that answer with their number.
    const NUMBERED: [Call; 10] = [
        number::<0>,
        number::<1>,
        number::<2>,
        number::<3>,
        number::<4>,
        number::<5>,
        number::<6>,
        number::<7>,
        number::<8>,
        number::<9>,
    ];

    fn number<const N: usize>(_: Request) -> ResponseFuture {
        Box::pin(async { N.to_string().into_response() })
    }

    /// Returns a router with these synchronous routes, each of which answers with its position.
    fn with(routes: &[(&'static str, &'static str)]) -> Router {
        let routed = |(&(method, path), call): (&(&'static str, &'static str), Call)| Routed {
            method,
            path,
            mode: Mode::Sync,
            body_limit: None,
            stream: false,
            guard: None,
            function: Served::new("f", call, None, &Layers::default()),
        };
        router(routes.iter().zip(NUMBERED).map(routed).collect(), Vec::new(), None)
    }

    fn ask(router: &Router, method: &str, path: &str) -> (u16, HeaderMap, String) {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (parts, body) = router.answer(request).await.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
        })
    }

    #[test]
    fn the_more_specific_route_answers() {
        let router = with(&[
            ("GET", "/users/{id}"),
            ("GET", "/users/me"),
            ("GET", "/users/{user}/orders"),
            ("GET", "/{*rest}"),
            ("DELETE", "/users/{name}"),
        ]);
        for (method, path, expected) in [
            ("GET", "/users/7", "0"),
            ("GET", "/users/me", "1"),
            ("GET", "/users/me/orders", "2"),
            ("GET", "/users/", "3"),
            ("DELETE", "/users/me", "4"),
        ] {
            let (status, _, body) = ask(&router, method, path);
            assert_eq!((status, body.as_str()), (200, expected), "{method} {path}");
        }
        let (status, headers, body) = ask(&router, "HEAD", "/users/me");
        assert_eq!((status, headers["content-length"].to_str().unwrap(), body.as_str()), (200, "1", ""));
    }

    #[test]
    fn a_request_without_a_route_hears_the_near_ones() {
        let router = with(&[("POST", "/orders"), ("GET", "/orders/{id}")]);
        for (method, path, status, allow, message) in [
            (
                "POST",
                "/ordres",
                404,
                None,
                r#""code":"unknown_path","message":"no function answers `POST /ordres`; did you mean `POST /orders`?""#,
            ),
            (
                "PUT",
                "/orders/7",
                405,
                Some("GET, HEAD"),
                r#""code":"method_not_allowed","message":"no function answers `PUT /orders/7`; this path accepts `GET` and `HEAD`""#,
            ),
            (
                "BREW",
                "/coffee",
                404,
                None,
                r#""code":"unknown_path","message":"no function answers `BREW /coffee`""#,
            ),
        ] {
            let (found, headers, body) = ask(&router, method, path);
            assert_eq!(found, status, "{method} {path}");
            assert_eq!(headers.get("allow").map(|allow| allow.to_str().unwrap()), allow);
            assert_eq!(headers["content-type"], "application/json");
            assert_eq!(body, format!(r#"{{"errors":[{{{message}}}]}}"#));
        }
    }

    fn path() -> impl Strategy<Value = String> {
        prop::collection::vec("[ab]{0,1}", 1..4).prop_map(|segments| format!("/{}", segments.join("/")))
    }

    fn route() -> impl Strategy<Value = (&'static str, String)> {
        let segment = prop_oneof![4 => "[ab]{0,1}", 2 => Just("{x}".to_owned()), 1 => Just("{y}".to_owned())];
        let path = (prop::collection::vec(segment, 1..4), prop::bool::weighted(0.2)).prop_filter_map(
            "a name twice",
            |(mut segments, wild)| {
                if wild {
                    segments.push("{*w}".to_owned());
                }
                let path = format!("/{}", segments.join("/"));
                path.parse::<eg_grammar::Path>().is_ok().then_some(path)
            },
        );
        (prop_oneof![Just("GET"), Just("POST"), Just("HEAD")], path)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_router_agrees_with_trying_every_route(
            given in prop::collection::vec(route(), 0..10), paths in prop::collection::vec(path(), 1..12),
        ) {
            let mut routes: Vec<(&'static str, &'static str)> = Vec::new();
            for (method, path) in given {
                let taken = |(other, route): &(&str, &str)| *other == method && Spelling::Code.matches_like(route, &path);
                if !routes.iter().any(taken) {
                    routes.push((method, String::leak(path)));
                }
            }
            let router = with(&routes);
            let expected = |method: &str, path: &str| {
                let fits = |(_, (other, route)): &(usize, &(&str, &str))| {
                    *other == method && Spelling::Code.matches(route, path)
                };
                let fitting = routes.iter().enumerate().filter(fits);
                fitting.min_by(|(_, a), (_, b)| Spelling::Code.compare(a.1, b.1)).map(|(n, _)| n.to_string())
            };
            for path in paths {
                for method in ["GET", "POST", "PUT"] {
                    let (status, _, body) = ask(&router, method, &path);
                    match expected(method, &path) {
                        Some(route) => prop_assert_eq!((status, body.as_str()), (200, route.as_str()), "{} {}", method, path),
                        None => prop_assert!(status == 404 || status == 405, "{method} {path}: {status}"),
                    }
                }
                let answers = expected("HEAD", &path).or_else(|| expected("GET", &path)).is_some();
                prop_assert_eq!(ask(&router, "HEAD", &path).0 == 200, answers, "HEAD {}", path);
            }
        }
    }
}
