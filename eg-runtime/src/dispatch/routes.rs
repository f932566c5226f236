//! The routes of `#[http]` functions: which can stand side by side, and axum's router for them.

use axum::Router;
use axum::extract::Request;
use axum::routing::{MethodFilter, on};
use http::Method;

use super::served::Served;
use crate::registry::{FunctionDef, RegistryError, Subscription};
use crate::requests::Http;

/// The routes of `functions`, which `check` has seen: axum panics on conflicts.
pub(crate) fn router(functions: &[Served]) -> Router {
    functions.iter().fold(Router::new(), |router, function| {
        of(function.def).fold(router, |router, (subscription, route)| {
            let function = function.clone();
            let handler = move |request: Request| async move { function.answer(request).await };
            router.route(route, on(method_filter(subscription.method), handler))
        })
    })
}

/// The `#[http]` subscriptions of a function with their routes.
pub(super) fn of(
    function: &'static FunctionDef,
) -> impl Iterator<Item = (&'static Subscription, &'static str)> {
    function.subscriptions().filter_map(|subscription| Some((subscription, subscription.route?.path)))
}

fn method_filter(method: &'static str) -> MethodFilter {
    let method = Method::from_bytes(method.as_bytes()).ok();
    method
        .and_then(|m| MethodFilter::try_from(m).ok())
        .expect("the macros accept methods that axum knows only")
}

/// What answers requests, when one of the functions does.
pub(super) fn http(functions: &[Served]) -> Option<&'static Http> {
    let mut routes =
        functions.iter().flat_map(|function| function.def.subscriptions()).filter_map(|to| to.route);
    routes.next().map(|route| route.http)
}

/// Two functions must not answer the same request. axum would panic on these, and the gateway refuse them.
pub(super) fn check(functions: &[&'static FunctionDef]) -> Result<(), RegistryError> {
    let mut seen: Vec<(&'static FunctionDef, &'static Subscription, &'static str)> = Vec::new();
    for function in functions {
        for (subscription, route) in of(function) {
            for &(other, other_subscription, other_route) in &seen {
                if shape(other_route) != shape(route) {
                    continue;
                }
                if other_route != route {
                    return Err(RegistryError::ParameterNames { first: other_route, second: route });
                }
                if other_subscription.method == subscription.method {
                    let (first, second) = (other.name, function.name);
                    return Err(RegistryError::SameRoute {
                        first,
                        second,
                        method: subscription.method,
                        path: route,
                    });
                }
            }
            seen.push((function, subscription, route));
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
