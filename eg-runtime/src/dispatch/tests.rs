//! Tables of functions with and without conflicts.

use eg_sdk::CloudEvent;

use super::{Around, Service};
use crate::registry::{FunctionDef, Mode, Subscription, Trigger, check_names};
use crate::requests::Route;
use crate::shared::{Shared, States};

fn function(name: &'static str, routes: &'static [(&'static str, &'static str)]) -> &'static FunctionDef {
    let triggers: Vec<Trigger> = routes
        .iter()
        .map(|&(method, route)| {
            Trigger::Subscription(Subscription {
                event_type: "http.request",
                mode: Mode::Sync,
                method,
                path: route,
                route: Some(Route::new(route)),
                cors: None,
                stream: false,
                authorizer: None,
                retry: None,
                filter: None,
                ordered: false,
            })
        })
        .collect();
    Box::leak(Box::new(FunctionDef { triggers: Vec::leak(triggers), ..definition(name) }))
}

/// A function without triggers.
fn definition(name: &'static str) -> FunctionDef {
    FunctionDef {
        package: "p",
        version: "0.1.0",
        name,
        doc: "",
        file: "main.rs",
        line: 1,
        triggers: &[],
        timeout: None,
        memory: None,
        body_limit: None,
        emits: &[],
        needs: &[],
        call: |_| Box::pin(async { crate::returned::reply(()) }),
    }
}

/// Returns the error, or an empty string.
fn refusal(functions: &[&'static FunctionDef]) -> Option<String> {
    let shared =
        Shared { states: States::default(), source: "/tests".to_owned(), payload_limit: 100, max_hops: 16 };
    Service::new(functions, shared, Around::default()).err().map(|e| e.to_string())
}

#[test]
fn routes_side_by_side() {
    for (a, b, expected) in [
        (("GET", "/users"), ("POST", "/users"), None),
        (("GET", "/users/{id}"), ("DELETE", "/users/{id}"), None),
        (("GET", "/users/{id}"), ("GET", "/users/{id}/orders"), None),
        (("GET", "/users/{id}"), ("GET", "/users/me"), None),
        (("GET", "/users/{id}"), ("GET", "/users/{user}/orders"), None),
        (("GET", "/{id}"), ("POST", "/{name}"), None),
        (("GET", "/{*a}"), ("POST", "/{*b}"), None),
        (
            ("GET", "/users"),
            ("GET", "/users"),
            Some(
                "`a` (main.rs:1) and `b` (main.rs:1) both answer GET /users: give one of them another path or method",
            ),
        ),
        (("GET", "/{id}"), ("GET", "/{name}"), Some("both answer GET /{name}")),
    ] {
        let (a, b) = (Box::leak(Box::new([a])), Box::leak(Box::new([b])));
        let refusal = refusal(&[function("a", a), function("b", b)]);
        assert_eq!(refusal.is_some(), expected.is_some(), "{a:?} {b:?}: {refusal:?}");
        assert!(refusal.unwrap_or_default().contains(expected.unwrap_or_default()), "{a:?} {b:?}");
    }
}

#[test]
fn two_functions_of_one_name_are_named_with_their_places() {
    let message = |functions: [&'static FunctionDef; 3]| check_names(&functions).unwrap_err().to_string();
    let at = |line, name| -> &'static FunctionDef {
        Box::leak(Box::new(FunctionDef { line, ..definition(name) }))
    };
    let two = message([at(1, "a"), at(2, "b"), at(3, "b")]);
    assert!(two.contains("two functions are called `b`, at main.rs:2 and main.rs:3"), "{two}");
    // Another attribute copies the function with the attribute of this crate.
    let copied = message([at(1, "a"), at(2, "b"), at(2, "b")]);
    assert!(copied.contains("`b` at main.rs:2 is registered twice: put the attribute"), "{copied}");
}

/// On an event bus, no gateway reports the events that it accepts, so the bus calls the function with the events.
#[test]
fn a_function_on_every_event_takes_any_event_that_it_is_called_with() {
    let check = |event_type: &'static str, expected: usize| {
        let subscription = Subscription {
            event_type,
            mode: Mode::Async,
            method: "POST",
            path: "/",
            route: None,
            cors: None,
            stream: false,
            authorizer: None,
            retry: None,
            filter: None,
            ordered: false,
        };
        let triggers = Vec::leak(vec![Trigger::Subscription(subscription)]);
        let mut definition = definition("store_event");
        definition.triggers = triggers;
        let shared = Shared {
            states: States::default(),
            source: "/tests".to_owned(),
            payload_limit: 100,
            max_hops: 16,
        };
        let service = Service::new(&[Box::leak(Box::new(definition))], shared, Around::default()).unwrap();
        let event = CloudEvent::of_type("order.created", "/shop", ()).encode().unwrap();
        assert_eq!(service.functions_for(&event).len(), expected, "{event_type}");
    };
    check("eventgateway.event.received", 1);
    check("order.created", 1);
    check("eventgateway.delivery.deadLettered", 0);
}
