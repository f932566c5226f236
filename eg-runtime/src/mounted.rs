//! The router of `App::router`, which answers the HTTP requests that no function answers. Leaves the routes of functions to
//! `requests`.

use std::fmt;
use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::StatusCode;
use tower::ServiceExt as _;

use crate::body;
use crate::context::Scope;
use crate::extract::ResponseFuture;
use crate::outcome::Failure;
use crate::requests::{HTTP, Http};
use crate::served::guarded;

/// A mounted router.
#[derive(Clone)]
pub(crate) struct Mounted {
    /// A program without a router, and without functions that have routes, does not contain it.
    pub(crate) http: &'static Http,
    answer: Arc<dyn Fn(Request) -> ResponseFuture + Send + Sync>,
}

/// Returns the router as functions get it: for a request that a function hands over, it has only its own parameters.
pub(crate) fn for_functions(router: axum::Router) -> axum::Router {
    // axum adds the parameters of a route to those that a request already has. A request that takes no route has none.
    let unrouted = axum::Router::new().fallback(async |request: Request| {
        let mut response: Response = Response::default();
        *response.extensions_mut() = request.into_parts().0.extensions;
        response
    });
    let router = router.map_request(move |mut request: Request| {
        let mut bare = Request::new(Body::empty());
        bare.uri_mut().clone_from(request.uri());
        if let Some(Ok(bare)) = unrouted.clone().oneshot(bare).now_or_never() {
            request.extensions_mut().extend(bare.into_parts().0.extensions);
        }
        request
    });
    axum::Router::new().fallback_service(router)
}

/// Marks the answers of the router's routes.
#[derive(Clone, Copy)]
struct Matched;

impl Mounted {
    pub(crate) fn new(router: axum::Router) -> Self {
        // axum refuses a layer around no routes.
        let router = match router.has_routes() {
            true => router.route_layer(axum::middleware::map_response(|mut response: Response| async move {
                response.extensions_mut().insert(Matched);
                response
            })),
            false => router,
        };
        let answer = move |request| -> ResponseFuture {
            let answer = router.clone().oneshot(request);
            Box::pin(async move {
                match answer.await {
                    Ok(response) => response,
                    Err(infallible) => match infallible {},
                }
            })
        };
        Self { http: &HTTP, answer: Arc::new(answer) }
    }

    /// Answers a request: within its deadline and the app's limit for bodies, with panics caught, like a function.
    /// `None` if the router has neither a route nor a fallback for it.
    pub(crate) async fn answer(&self, request: Request) -> Option<Response> {
        let limit = body::Limit::of(&request);
        let route = format!("{} {}", request.method(), request.uri().path());
        let scope = request.extensions().get::<Scope>();
        let invocation = scope.map(|scope| scope.context.invocation.clone()).unwrap_or_default();
        let Some(request) = body::admit(request, limit) else { return Some(body::refusal(limit)) };
        let response = guarded(&route, invocation.deadline, (self.answer)(request)).await;
        if is_unrouted(&response) {
            return None;
        }
        let response = Failure::log_once(response, &route, &invocation.request_id).await;
        Some(body::fit(body::explain(response, limit).await))
    }
}

/// Returns whether the response is that of axum's own fallback: a 404 of no route, without a body.
fn is_unrouted(response: &Response) -> bool {
    response.status() == StatusCode::NOT_FOUND
        && response.extensions().get::<Matched>().is_none()
        && response.body().size_hint().exact() == Some(0)
}

impl fmt::Debug for Mounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mounted")
    }
}
