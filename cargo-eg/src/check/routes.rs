//! Finds functions that would answer the same requests. Which routes do is decided by `eg_grammar::Routes`, as at the
//! gateway and in the runtime.

use std::collections::BTreeMap;

use eg_grammar::{Route, Routes, Spelling};
use eg_sdk::config::SubscriptionType;
use eg_sdk::manifest::{EventTrigger, Function};

use super::model::{Service, functions, place};
use super::{Class, Finding};
use crate::sockets;

/// Returns a finding for each route that another one makes unreachable.
pub(super) fn conflicts(services: &[Service]) -> Vec<Finding> {
    let triggers = functions(services)
        .flat_map(|function| function.events().map(move |trigger| (function, trigger)))
        // Events of connections have no routes: each has one function, whatever the path.
        .filter(|(_, trigger)| trigger.mode == SubscriptionType::Sync && !sockets::is_socket(trigger));
    let mut answered: BTreeMap<&str, Routes<(&Function, &EventTrigger)>> = BTreeMap::new();
    let mut findings = Vec::new();
    for (function, trigger) in triggers {
        let routes = answered.entry(&trigger.event_type).or_insert_with(|| Routes::new(Spelling::Code));
        let taken = routes.insert(trigger.method, trigger.path.to_string(), (function, trigger));
        if let Err(Route { value: (earlier, first), .. }) = taken {
            findings.push(finding((earlier, first), (function, trigger)));
        }
    }
    findings.extend(sockets::by_event(functions(services)).values().flat_map(|functions| shared(functions)));
    findings
}

/// Returns a finding for each further function of an event of the WebSocket API, which has one.
fn shared(functions: &[(&Function, &EventTrigger)]) -> Vec<Finding> {
    let Some(((first, event), others)) = functions.split_first() else { return Vec::new() };
    let ty = event.event_type.as_str();
    others
        .iter()
        .map(|(other, _)| {
            let places = vec![place(first, format!("on {ty}")), place(other, format!("on {ty}"))];
            Finding::new(Class::RouteConflict, format!("two functions handle {ty}"), places)
                .help("a WebSocket API has one function for each of its events: subscribe only one")
        })
        .collect()
}

fn finding((a, route): (&Function, &EventTrigger), (b, second): (&Function, &EventTrigger)) -> Finding {
    let name = |trigger: &EventTrigger| {
        let event = if trigger.is_http() { String::new() } else { format!(" {}", trigger.event_type) };
        format!("{} {}{event}", trigger.method, trigger.path)
    };
    let places = vec![place(a, name(route)), place(b, name(second))];
    Finding::new(Class::RouteConflict, format!("two functions answer {}", name(route)), places)
        .help("a request has one answer: give one of them another path or method")
}

#[cfg(test)]
mod tests {
    use super::super::model::{services, texts};
    use super::*;

    #[test]
    fn conflicts_name_both_functions() {
        let services = services(&[
            ("a", &[("get", &["GET /users/:id"], &[]), ("list", &["GET /users"], &[])]),
            (
                "b",
                &[
                    ("find", &["GET /users/:name"], &[]),
                    ("all", &["GET /users"], &[]),
                    ("make", &["POST /users"], &[]),
                ],
            ),
            (
                "c",
                &[
                    ("one", &["sync price.asked /"], &[]),
                    ("two", &["sync price.asked /"], &[]),
                    ("on", &["price.asked"], &[]),
                ],
            ),
        ]);
        assert_eq!(
            texts(&conflicts(&services)),
            [
                "two functions answer GET /users/{id} @ a.rs:1 a-get GET /users/{id}, b.rs:1 b-find GET /users/{name}",
                "two functions answer GET /users @ a.rs:2 a-list GET /users, b.rs:2 b-all GET /users",
                "two functions answer POST / price.asked @ c.rs:1 c-one POST / price.asked, c.rs:2 c-two POST / price.asked",
            ]
        );
    }

    #[test]
    fn events_of_connections_have_one_function() {
        let services = services(&[
            ("a", &[("one", &["websocket.message"], &[]), ("two", &["sync websocket.message /"], &[])]),
            ("b", &[("in", &["websocket.connect"], &[]), ("out", &["websocket.disconnect"], &[])]),
            ("c", &[("sync", &["sync websocket.disconnect /"], &[])]),
        ]);
        assert_eq!(
            texts(&conflicts(&services)),
            [
                "two functions handle websocket.disconnect @ b.rs:2 b-out on websocket.disconnect, c.rs:1 c-sync on websocket.disconnect",
                "two functions handle websocket.message @ a.rs:1 a-one on websocket.message, a.rs:2 a-two on websocket.message",
            ]
        );
    }

    /// The more specific route takes a request, across services, too.
    #[test]
    fn routes_side_by_side() {
        for (a, b) in [
            ("GET /a/me", "GET /a/:id"),
            ("GET /users/:id", "GET /users/:user/orders"),
            ("GET /:code", "GET /links/:code/stats"),
            ("GET /f/*rest", "GET /f/index"),
            ("GET /f/*rest", "GET /f/:id"),
            ("GET /users/:id", "DELETE /users/:name"),
            ("GET /users", "GET /users/"),
            ("GET /", "GET /:id"),
        ] {
            let services = services(&[("a", &[("one", &[a], &[])]), ("b", &[("two", &[b], &[])])]);
            assert_eq!(conflicts(&services), [], "{a} {b}");
        }
    }
}
