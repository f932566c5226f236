//! Checks the routes of `#[http]` functions for conflicts. `requests` finds the route of a request.

use std::collections::BTreeMap;

use eg_grammar::{Method, Routes, Spelling};

use super::Entry;
use crate::registry::{FunctionDef, Mode, RegistryError, Subscription};
use crate::requests::{Http, Routed};

/// Returns the `#[http]` subscriptions of a function with their routes.
pub(super) fn of(
    function: &'static FunctionDef,
) -> impl Iterator<Item = (&'static Subscription, &'static str)> {
    function.subscriptions().filter_map(|subscription| Some((subscription, subscription.route?.path)))
}

/// Returns the request handler and all routes. Without routes, there is no handler.
pub(super) fn http(functions: &[Entry]) -> (Option<&'static Http>, Vec<Routed>) {
    let route = functions.iter().flat_map(|function| function.def.subscriptions()).find_map(|to| to.route);
    let routed = functions.iter().flat_map(|function| {
        of(function.def).map(|(subscription, path)| Routed {
            method: subscription.method,
            path,
            mode: subscription.mode,
            body_limit: function.def.body_limit,
            stream: subscription.stream,
            guard: subscription.authorizer.and_then(|authorizer| {
                function.guards.iter().find(|guard| guard.name() == authorizer.name).cloned()
            }),
            function: function.served.bare(),
        })
    });
    (route.map(|route| route.http), routed.collect())
}

/// Checks that no two functions answer the same requests, which the gateway would refuse. An asynchronous function on the
/// route of a synchronous one is no conflict: the gateway sends it copies.
pub(super) fn check(functions: &[&'static FunctionDef]) -> Result<(), RegistryError> {
    let mut answered: BTreeMap<bool, Routes<&'static FunctionDef>> = BTreeMap::new();
    for &function in functions {
        for (subscription, path) in of(function) {
            let Some(method) = Method::named(subscription.method) else { continue };
            let routes = answered
                .entry(subscription.mode == Mode::Sync)
                .or_insert_with(|| Routes::new(Spelling::Code));
            if let Err(taken) = routes.insert(method, path, function) {
                return Err(RegistryError::SameRoute {
                    first: taken.value.name,
                    second: function.name,
                    places: [taken.value.place(), function.place()],
                    method: subscription.method,
                    path,
                });
            }
        }
    }
    Ok(())
}
