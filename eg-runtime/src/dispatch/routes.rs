//! Collects the routes of functions, and checks those of `#[http]` for conflicts. `requests` finds the route of a request.

use std::collections::BTreeMap;
use std::sync::Arc;

use eg_grammar::{Method, Routes, Spelling};

use super::Entry;
use super::events::request_in_scope;
use crate::registry::{FunctionDef, Mode, RegistryError, Subscription};
use crate::requests::{Asked, Http, Routed};
use crate::served::Served;

/// Returns the `#[http]` subscriptions of a function with their routes.
pub(super) fn of(
    function: &'static FunctionDef,
) -> impl Iterator<Item = (&'static Subscription, &'static str)> {
    let routes = function.subscriptions().filter(|subscription| subscription.is_http());
    routes.filter_map(|subscription| Some((subscription, subscription.route?.path)))
}

/// Returns the request handler and all routes: those of `#[http]`, and those of synchronous subscriptions, which take
/// requests that carry their event. Without routes, there is no handler.
pub(super) fn http(functions: &[Entry]) -> (Option<&'static Http>, Vec<Routed>, Vec<Asked>) {
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
    (route.map(|route| route.http), routed.collect(), asked(functions))
}

/// Returns the routes of synchronous subscriptions. Several event types may share one.
fn asked(functions: &[Entry]) -> Vec<Asked> {
    let mut routes: BTreeMap<(&'static str, &'static str), Vec<(&'static str, Served)>> = BTreeMap::new();
    for function in functions {
        for subscription in function.def.subscriptions().filter(|subscription| !subscription.is_http()) {
            let Some(route) = subscription.route else { continue };
            let at = routes.entry((subscription.method, route.path)).or_default();
            at.push((subscription.event_type, function.served.bare()));
        }
    }
    let asked = |((method, path), functions): (_, Vec<(&'static str, Served)>)| Asked {
        method,
        path,
        event_types: functions.iter().map(|(event_type, _)| *event_type).collect(),
        answer: Arc::new(move |event, scope| {
            let (_, function) = functions.iter().find(|(event_type, _)| *event_type == event.ty())?;
            let (function, request) = (function.clone(), request_in_scope(event, scope));
            Some(Box::pin(async move { function.answer(request).await }))
        }),
    };
    routes.into_iter().map(asked).collect()
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
