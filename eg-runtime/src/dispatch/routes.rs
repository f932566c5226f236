//! Checks the routes of `#[http]` functions for conflicts. `requests` builds axum's router from them.

use eg_grammar::Spelling;

use super::Entry;
use crate::registry::{FunctionDef, RegistryError, Subscription};
use crate::requests::{Http, Routed};

/// Returns the `#[http]` subscriptions of a function with their routes.
pub(super) fn of(
    function: &'static FunctionDef,
) -> impl Iterator<Item = (&'static Subscription, &'static str)> {
    function.subscriptions().filter_map(|subscription| Some((subscription, subscription.route?.path)))
}

/// Returns the request handler and all routes, if there are any.
pub(super) fn http(functions: &[Entry]) -> Option<(&'static Http, Vec<Routed>)> {
    let http =
        functions.iter().flat_map(|function| function.def.subscriptions()).find_map(|to| to.route)?.http;
    let routed = functions.iter().flat_map(|function| {
        of(function.def).map(|(subscription, path)| Routed {
            method: subscription.method,
            path,
            mode: subscription.mode,
            function: function.served.bare(),
        })
    });
    Some((http, routed.collect()))
}

/// Checks that no two functions answer the same request. axum would panic, and the gateway would refuse them.
pub(super) fn check(functions: &[&'static FunctionDef]) -> Result<(), RegistryError> {
    let mut seen: Vec<(&'static FunctionDef, &'static Subscription, &'static str)> = Vec::new();
    for function in functions {
        for (subscription, route) in of(function) {
            for &(other, other_subscription, other_route) in &seen {
                if !Spelling::Code.matches_like(other_route, route) {
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
