//! Finds authorizers that decide about nothing, and routes whose authorizer is missing. Which requests pass is up to the
//! authorizers themselves.

use super::model::{Service, place};
use super::{Class, Finding};

/// Returns a finding for each authorizer that no route of its service names, and for each route that names an authorizer
/// that its service does not have: only a function of the same binary can be one.
pub(super) fn unmatched(services: &[Service]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for service in services {
        let functions = &service.functions;
        let routes =
            || functions.iter().flat_map(|function| function.events().map(move |route| (function, route)));
        for function in functions.iter().filter(|function| function.is_authorizer()) {
            if !routes().any(|(_, route)| route.authorizer.as_ref() == Some(&function.name)) {
                let message = format!("no route names the authorizer {}", function.name);
                findings.push(
                    Finding::new(Class::UnmatchedAuthorizer, message, vec![place(function, "")]).help(
                        format!(
                            "write `authorizer = {}` in the `#[http]` of each route that it is for; if a REST or WebSocket API \
                             of your own asks it, use --allow unmatched-authorizer",
                            function.name
                        ),
                    ),
                );
            }
        }
        for (function, route) in routes() {
            let Some(authorizer) = &route.authorizer else { continue };
            if !functions.iter().any(|other| other.is_authorizer() && other.name == *authorizer) {
                let message = format!(
                    "{} {} names the authorizer {authorizer}, which its service does not have",
                    route.method, route.path
                );
                findings.push(
                    Finding::new(Class::UnmatchedAuthorizer, message, vec![place(function, "")])
                        .help("link the function with `#[authorizer]` into the same binary"),
                );
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use eg_sdk::manifest::Trigger;

    use super::super::model::{services, texts};
    use super::*;

    #[test]
    fn authorizers_and_the_routes_that_name_them() {
        let mut given = services(&[
            (
                "shop",
                &[
                    ("orders", &["GET /orders"], &[]),
                    ("check", &["GET /x"], &[]),
                    ("unused", &["GET /y"], &[]),
                ],
            ),
            ("web", &[("page", &["GET /page"], &[])]),
        ]);
        for function in ["check", "unused"] {
            let of_name = given[0].functions.iter_mut().find(|known| known.name == function).unwrap();
            of_name.triggers = vec![serde_json::from_str(r#"{"authorizer": true}"#).unwrap()];
        }
        for service in &mut given {
            let Trigger::Event(route) = &mut service.functions[0].triggers[0] else { panic!("a route") };
            route.authorizer = Some("check".to_owned());
        }
        assert_eq!(
            texts(&unmatched(&given)),
            [
                "no route names the authorizer unused @ shop.rs:3 shop-unused",
                "GET /page names the authorizer check, which its service does not have @ web.rs:1 web-page",
            ]
        );
    }
}
