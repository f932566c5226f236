//! The input of the checks: manifests and the event schemas in them. The types of manifests themselves are in
//! `eg_sdk::manifest`.

use eg_grammar::HTTP_REQUEST;
use eg_sdk::manifest::{self, EventSchema, EventTrigger, Manifest, Method, RoutePath};

use super::Place;

/// A service with its functions and the schemas of its events.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) functions: Vec<manifest::Function>,
    pub(crate) events: Vec<EventSchema>,
}

impl Service {
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let Manifest { service, functions, events, .. } = manifest.clone();
        Self { name: service, functions, events }
    }

    /// Returns the service's views of an event type.
    pub(super) fn events_of<'a>(&'a self, ty: &'a str) -> impl Iterator<Item = &'a EventSchema> {
        self.events.iter().filter(move |event| event.ty == ty)
    }
}

/// Returns all functions of all services.
pub(super) fn functions(services: &[Service]) -> impl Iterator<Item = &manifest::Function> {
    services.iter().flat_map(|service| &service.functions)
}

/// Returns a function's subscriptions to what services emit, which they do with a POST to `/`. Routes are left out, and
/// so are subscriptions at other paths: those get only what other programs post there.
pub(super) fn subscriptions(function: &manifest::Function) -> impl Iterator<Item = &EventTrigger> {
    function.events().filter(|trigger| {
        trigger.event_type != HTTP_REQUEST
            && trigger.path == RoutePath::root()
            && trigger.method == Method::Post
    })
}

/// Returns the source location of a function, with its part in a finding.
pub(super) fn place(function: &manifest::Function, role: impl Into<String>) -> Place {
    Place { source: function.source.clone(), function: function.id.clone(), role: role.into() }
}

/// A function of a test: its name, triggers and emitted events.
#[cfg(test)]
pub(super) type FunctionRow<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

/// Services for the tests: `(service, functions as (name, triggers, emits))`. A trigger is `METHOD /path`, an event type, or
/// `sync TYPE /path`.
#[cfg(test)]
pub(super) fn services(given: &[(&str, &[FunctionRow<'_>])]) -> Vec<Service> {
    use serde_json::{Value, json};
    let trigger = |text: &&str| match text.split(' ').collect::<Vec<_>>().as_slice() {
        ["sync", ty, path] => json!({"eventType": ty, "mode": "sync", "method": "POST", "path": path}),
        [method, path] => json!({"eventType": HTTP_REQUEST, "mode": "sync", "method": method, "path": path}),
        _ => json!({"eventType": text, "mode": "async", "method": "POST", "path": "/"}),
    };
    let service = |(name, functions): &(&str, &[FunctionRow<'_>])| {
        let functions: Vec<Value> = functions
            .iter()
            .enumerate()
            .map(|(at, (function, triggers, emits))| {
                json!({
                    "name": function, "id": format!("{name}-{function}"), "source": format!("{name}.rs:{}", at + 1),
                    "triggers": triggers.iter().map(trigger).collect::<Vec<_>>(), "emits": emits,
                })
            })
            .collect();
        let manifest = json!({"service": name, "version": "1.0.0", "functions": functions});
        Service::of(&serde_json::from_value(manifest).unwrap())
    };
    given.iter().map(service).collect()
}

/// Returns findings in short form: message, places and help.
#[cfg(test)]
pub(super) fn texts(findings: &[super::Finding]) -> Vec<String> {
    let text = |finding: &super::Finding| {
        let places: Vec<String> = finding
            .places
            .iter()
            .map(|place| format!("{} {} {}", place.source, place.function, place.role).trim_end().to_owned())
            .collect();
        format!("{} @ {}", finding.message, places.join(", "))
    };
    findings.iter().map(text).collect()
}
