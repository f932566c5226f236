//! Finds routes that the gateway cannot hold together. Its rule: under one prefix there are fixed segments, or one
//! parameter, or one wildcard.

use eg_grammar::{Segment, Spelling};
use eg_sdk::config::SubscriptionType;
use eg_sdk::manifest::{EventTrigger, Function};

use super::model::{Service, functions, place};
use super::{Class, Finding};

/// Why two routes cannot both be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conflict<'a> {
    /// Both answer the same requests.
    Same,
    /// At the same depth, one route has the first segment and the other the second.
    Segments(Segment<'a>, Segment<'a>),
}

/// Returns a finding for each pair of routes that conflict.
pub(super) fn conflicts(services: &[Service]) -> Vec<Finding> {
    let routes: Vec<(&Function, &EventTrigger)> = functions(services)
        .flat_map(|function| function.events().map(move |trigger| (function, trigger)))
        .filter(|(_, trigger)| trigger.mode == SubscriptionType::Sync)
        .collect();
    let mut findings = Vec::new();
    for (at, (function, route)) in routes.iter().enumerate() {
        for (other, second) in &routes[at + 1..] {
            if (&route.event_type, &route.method) != (&second.event_type, &second.method) {
                continue;
            }
            if let Some(conflict) = conflict(&route.path, &second.path) {
                findings.push(finding((function, route), (other, second), conflict));
            }
        }
    }
    findings
}

fn finding(
    (a, route): (&Function, &EventTrigger),
    (b, second): (&Function, &EventTrigger),
    conflict: Conflict<'_>,
) -> Finding {
    let name = |trigger: &EventTrigger| {
        let event = if trigger.is_http() { String::new() } else { format!(" {}", trigger.event_type) };
        format!("{} {}{event}", trigger.method, trigger.path)
    };
    let places = vec![place(a, name(route)), place(b, name(second))];
    match conflict {
        Conflict::Same => {
            Finding::new(Class::RouteConflict, format!("two functions answer {}", name(route)), places)
                .help("a request has one answer: give one of them another path or method")
        }
        Conflict::Segments(one, two) => Finding::new(
            Class::RouteConflict,
            format!("{} and {} cannot stand side by side", name(route), name(second)),
            places,
        )
        .help({
            let [first, second] = [one, two].map(|segment| Spelling::Gateway.write(segment));
            match (one, two) {
                (Segment::Parameter(_), Segment::Parameter(_)) => {
                    format!("parameters in the same place need the same name: write `{first}` or `{second}` in both")
                }
                _ => format!("where one path has `{first}` the other has `{second}`, and the gateway cannot choose: change one of them"),
            }
        }),
    }
}

fn conflict<'a>(a: &'a str, b: &'a str) -> Option<Conflict<'a>> {
    if a == b {
        return Some(Conflict::Same);
    }
    // The root conflicts only with itself.
    if a == "/" || b == "/" {
        return None;
    }
    let (mut left, mut right) = (Spelling::Gateway.segments(a), Spelling::Gateway.segments(b));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Some(Conflict::Same),
            (Some(one), Some(two)) if one == two => {}
            (Some(Segment::Literal(_)), Some(Segment::Literal(_))) => return None,
            (Some(one), Some(two)) => return Some(Conflict::Segments(one, two)),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{services, texts};
    use super::*;

    #[test]
    fn the_gateways_rules_for_routes() {
        let check = |a: &str, b: &str, conflicts: bool| {
            assert_eq!(conflict(a, b).is_some(), conflicts, "{a} {b}");
            assert_eq!(conflict(b, a).is_some(), conflicts, "{b} {a}");
        };
        check("/users", "/users", true);
        check("/", "/", true);
        check("/", "/:id", false);
        check("/users", "/orders", false);
        check("/users", "/users/", false);
        check("/users/:id", "/users/:name", true);
        check("/users/:id", "/users/:id/orders", false);
        check("/users/:id/orders", "/users/:name/files", true);
        check("/users/:id", "/users/me", true);
        check("/users/:id", "/orders/:name", false);
        check("/files/*rest", "/files/*path", true);
        check("/files/*rest", "/files/a", true);
        check("/files/*rest", "/files/:id", true);
        check("/files", "/files/*rest", false);
    }

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
                "GET /users/:id and GET /users/:name cannot stand side by side @ a.rs:1 a-get GET /users/:id, b.rs:1 b-find GET /users/:name",
                "two functions answer GET /users @ a.rs:2 a-list GET /users, b.rs:2 b-all GET /users",
                "two functions answer POST / price.asked @ c.rs:1 c-one POST / price.asked, c.rs:2 c-two POST / price.asked",
            ]
        );
    }
}
