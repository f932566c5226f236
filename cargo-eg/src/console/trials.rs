//! Chooses commands to try with a running application. Each of them succeeds as it is: where the services do not declare
//! what a function takes, there is no command for it. Values are samples, so functions may still reject an event with ids
//! that they do not know.

use eg_grammar::{is_fifo, is_system_event_type, shell_word};
use eg_sdk::config::SubscriptionType;
use eg_sdk::manifest::{EventTrigger, Function, Method, RoutePath, Trigger};
use serde_json::Value;

use super::overview::Addresses;
use crate::project::sample;
use crate::project::services::{Code, Service};

/// The maximum length of a body in a command that the user could type.
const LONG: usize = 200;

/// Returns commands to try with this application.
pub(super) fn trials(services: &[Service], addresses: &Addresses<'_>) -> Vec<String> {
    let services = Services(services);
    let mut lines = Vec::new();
    lines.extend(services.request(addresses.events));
    lines.extend(services.event(addresses));
    lines.extend(services.message(addresses));
    lines.extend(services.log(addresses));
    lines
}

struct Services<'a>(&'a [Service]);

impl<'a> Services<'a> {
    fn functions(&self) -> impl Iterator<Item = &'a Function> + use<'a> {
        self.0.iter().flat_map(|service| &service.manifest.functions)
    }

    /// Returns a value that the function takes as its JSON, if the manifests know.
    fn taken(&self, function: &Function) -> Option<String> {
        let events = self.0.iter().flat_map(|service| &service.manifest.events);
        let mut taken = events.filter(|event| event.received_by.contains(&function.id));
        let body = sample::of(&taken.next()?.schema).to_string();
        (body.len() < LONG).then_some(body)
    }

    fn schema_of(&self, ty: &str) -> Option<&'a Value> {
        self.0
            .iter()
            .find_map(|service| service.manifest.events.iter().find(|event| event.ty == ty))
            .map(|event| &event.schema)
    }

    /// A request whose body is known, or that needs none. A route with parameters would need values that exist.
    fn request(&self, url: &str) -> Option<String> {
        let routes = self.functions().flat_map(|function| {
            function.events().filter(|trigger| trigger.is_http()).map(move |route| (function, route))
        });
        let mut routes: Vec<_> =
            routes.filter(|(_, route)| route.path.parameters().next().is_none()).collect();
        // What changes something shows more than what reads.
        routes.sort_by_key(|(_, route)| !route.method.has_body());
        routes.into_iter().find_map(|(function, route)| {
            let body = if route.method.has_body() { Some(self.taken(function)?) } else { None };
            Some(curl(route, body.as_deref(), url))
        })
    }

    /// An event whose payload is known.
    fn event(&self, addresses: &Addresses<'_>) -> Option<String> {
        let triggers = self.functions().flat_map(Function::events);
        let mut triggers = triggers.filter(|trigger| {
            trigger.mode == SubscriptionType::Async
                && trigger.method == Method::Post
                && trigger.path == RoutePath::root()
                && !trigger.is_http()
                && !is_system_event_type(&trigger.event_type)
        });
        triggers.find_map(|trigger| {
            let ty = &trigger.event_type;
            let schema = self.schema_of(ty)?;
            if addresses.is_found {
                return Some(format!("cargo eg emit --event {ty} --sample"));
            }
            let data = shell_word(&sample::of(schema).to_string());
            Some(format!("cargo eg emit --event {ty} --data {data} --url {}", addresses.events))
        })
    }

    /// A message that a function takes.
    fn message(&self, addresses: &Addresses<'_>) -> Option<String> {
        self.functions().find_map(|function| {
            let queue = function.triggers.iter().find_map(|trigger| match trigger {
                Trigger::Queue { queue, .. } => Some(queue),
                _ => None,
            })?;
            let data = shell_word(&self.taken(function)?);
            let group = if is_fifo(queue.as_str()) { " --group 1" } else { "" };
            let url = if addresses.is_found {
                String::new()
            } else {
                format!(" --lambda-url {}", addresses.lambda)
            };
            Some(format!("cargo eg emit --queue {queue}{group} --data {data}{url}"))
        })
    }

    /// The logs, if a function runs here.
    fn log(&self, addresses: &Addresses<'_>) -> Option<String> {
        let runs_here = |service: &Service| match &service.code {
            Code::Binary(_) => true,
            Code::Programs(programs) => !programs.is_empty(),
        };
        let state = if addresses.finds_state {
            String::new()
        } else {
            format!(" --state-dir {}", shell_word(&addresses.state.display().to_string()))
        };
        self.0.iter().any(runs_here).then(|| format!("cargo eg logs --tail{state}"))
    }
}

fn curl(route: &EventTrigger, body: Option<&str>, events_url: &str) -> String {
    let url = format!("{events_url}{}", route.path);
    match (route.method.as_str(), body) {
        ("GET", None) => format!("curl {url}"),
        ("HEAD", None) => format!("curl --head {url}"),
        (method, None) => format!("curl -X {method} {url}"),
        (method, Some(body)) => {
            format!("curl -X {method} {url} -H 'content-type: application/json' -d {}", shell_word(body))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn service(functions: &Value, events: &Value) -> Service {
        let manifest =
            json!({"service": "shop", "version": "1.0.0", "functions": functions, "events": events});
        Service {
            manifest: serde_json::from_value(manifest).unwrap(),
            code: Code::Binary("/app/target/debug/shop".into()),
            folder: "/app".into(),
            deploy: None,
        }
    }

    fn function(name: &str, triggers: &Value) -> Value {
        json!({"name": name, "id": format!("shop-{name}"), "source": "main.rs:1", "triggers": triggers, "emits": []})
    }

    fn http(method: &str, path: &str) -> Value {
        json!({"eventType": "http.request", "mode": "sync", "method": method, "path": path})
    }

    #[track_caller]
    fn check(functions: &Value, events: &Value, is_found: bool, expected: &[&str]) {
        let addresses = Addresses {
            events: "http://localhost:4000",
            config: "http://localhost:4001",
            lambda: "http://127.0.0.1:9001",
            state: Path::new("/my app/.eg"),
            schedules: true,
            watching: true,
            is_found,
            finds_state: is_found,
        };
        assert_eq!(trials(&[service(functions, events)], &addresses), expected);
    }

    #[test]
    fn only_what_works_is_suggested() {
        let created = json!({"type": "object", "properties": {"name": {"const": "it's"}}});
        let events =
            |received: &[&str]| json!([{"type": "item.created", "schema": created, "receivedBy": received}]);
        let logs = "cargo eg logs --tail";
        let unknown = [
            function("create", &json!([http("POST", "/items")])),
            function("get", &json!([http("GET", "/items/:id")])),
            function("pack", &json!([{"queue": "orders"}])),
            function(
                "on",
                &json!([{"eventType": "order.paid", "mode": "async", "method": "POST", "path": "/"}]),
            ),
            function(
                "told",
                &json!([{"eventType": "eventgateway.function.invoked", "mode": "async", "method": "POST", "path": "/"}]),
            ),
        ];
        check(&json!(unknown), &json!([]), true, &[logs]);

        let list = function("list", &json!([http("GET", "/items")]));
        check(&json!([unknown[0], list]), &json!([]), true, &["curl http://localhost:4000/items", logs]);

        let announce = json!([{"eventType": "item.created", "mode": "async", "method": "POST", "path": "/"}]);
        let known = json!([list, unknown[0], unknown[2], function("announce", &announce)]);
        let received = ["shop-create", "shop-pack"];
        let curl = r#"curl -X POST http://localhost:4000/items -H 'content-type: application/json' -d '{"name":"it'\''s"}'"#;
        check(
            &known,
            &events(&received),
            true,
            &[
                curl,
                "cargo eg emit --event item.created --sample",
                r#"cargo eg emit --queue orders --data '{"name":"it'\''s"}'"#,
                logs,
            ],
        );
        check(
            &known,
            &events(&received),
            false,
            &[
                curl,
                r#"cargo eg emit --event item.created --data '{"name":"it'\''s"}' --url http://localhost:4000"#,
                r#"cargo eg emit --queue orders --data '{"name":"it'\''s"}' --lambda-url http://127.0.0.1:9001"#,
                "cargo eg logs --tail --state-dir '/my app/.eg'",
            ],
        );
    }
}
