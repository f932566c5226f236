//! Reads the manifests of an application's services and checks that they can run together. Starting them is left to
//! `run`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eg_grammar::{Route, Routes, Spelling};
use eg_sdk::config::SubscriptionType;
use eg_sdk::manifest::{EventTrigger, Function, Manifest, ManifestError, Method, RoutePath, Trigger};

use crate::exit::{Exit, Failure};

use super::builder::Built;
use super::declared::{Declaration, Program};
use super::deploy::Deploy;
use super::workspace::Package;

/// A service: functions that belong together.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) manifest: Manifest,
    pub(crate) code: Code,
    /// The folder of its package, or of its `eg.toml`.
    pub(crate) folder: PathBuf,
    /// What a file says about the deployment of its application.
    pub(crate) deploy: Option<Deploy>,
}

/// What runs a service's functions.
#[derive(Debug)]
pub(crate) enum Code {
    /// One binary for all functions.
    Binary(PathBuf),
    /// A program for each function id. A function without one is at a URL.
    Programs(BTreeMap<String, Program>),
}

impl From<Declaration> for Service {
    fn from(declaration: Declaration) -> Self {
        let Declaration { manifest, folder, programs, deploy } = declaration;
        Self { manifest, code: Code::Programs(programs), folder, deploy }
    }
}

/// Two services that cannot run side by side.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Clash {
    #[error("two functions have the id {id}: {} and {}", sources[0], sources[1])]
    Id { id: String, sources: [String; 2] },
    #[error("two functions answer {what}: {} and {}", functions[0], functions[1])]
    Answer { what: String, functions: [String; 2] },
}

/// Reads the manifests of the binaries that were built. A package may contain tools besides its service; a package
/// without any function is an error.
pub(crate) fn load(packages: &[Package], built: Vec<Built>) -> Result<Vec<Service>, Failure> {
    let mut services = Vec::new();
    let mut empty = BTreeMap::new();
    for Built { package, binary } in built {
        match Manifest::read(&binary) {
            Ok(manifest) => {
                let (code, folder) = (Code::Binary(binary), package.folder);
                services.push(Service { manifest, code, folder, deploy: None });
            }
            Err(ManifestError::NoFunctions { path }) => drop(empty.insert(package.name, path)),
            Err(error) => return Err(error.into()),
        }
    }
    for package in packages {
        if !services.iter().any(|service| service.folder == package.folder) {
            return Err(match empty.remove(&package.name) {
                Some(path) => ManifestError::NoFunctions { path }.into(),
                None => package.without_binary(),
            });
        }
    }
    Ok(services)
}

/// Checks that ids and routes are unique.
pub(crate) fn check(services: &[Service]) -> Result<(), Failure> {
    let functions = services.iter().flat_map(|service| {
        service.manifest.functions.iter().map(move |function| (function, service.folder.as_path()))
    });
    clash(functions).map_or(Ok(()), |clash| {
        let hint = match &clash {
            Clash::Id { .. } => {
                "rename one of the services: `eg_runtime::service!(\"name\");` in its main.rs, or `service` in its eg.toml"
            }
            Clash::Answer { .. } => "a request has one answer: give one of them another path or method",
        };
        Err(Failure::new(Exit::Manifest, clash).hint(hint))
    })
}

/// Returns the first clash. Functions come with the folders of their services, because source paths may be the same
/// in two workspaces.
fn clash<'a>(functions: impl Iterator<Item = (&'a Function, &'a Path)>) -> Option<Clash> {
    let (mut ids, mut answers) = (BTreeMap::new(), BTreeMap::<_, Routes<_>>::new());
    for (function, folder) in functions {
        if let Some((source, place)) = ids.insert(&function.id, (&function.source, folder)) {
            let mut sources = [source.clone(), function.source.clone()];
            if sources[0] == sources[1] {
                sources = [(source, place), (&function.source, folder)]
                    .map(|(source, folder)| format!("{source} in {}", folder.display()));
            }
            return Some(Clash::Id { id: function.id.clone(), sources });
        }
        for trigger in function.events().filter(|trigger| trigger.mode == SubscriptionType::Sync) {
            let routes = answers.entry(&trigger.event_type).or_insert_with(|| Routes::new(Spelling::Code));
            let taken = routes.insert(trigger.method, trigger.path.to_string(), function);
            if let Err(Route { value: earlier, .. }) = taken {
                let name = |function: &Function| format!("{} ({})", function.id, function.source);
                return Some(Clash::Answer {
                    what: describe_event(trigger),
                    functions: [*earlier, function].map(name),
                });
            }
        }
    }
    None
}

/// Describes a trigger as the code spells it: `GET /users/{id}`, `on user.created`, `queue orders`.
pub(crate) fn describe(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Event(event) => describe_event(event),
        Trigger::Schedule { schedule, .. } => schedule.to_string(),
        Trigger::Queue { queue, .. } => format!("queue {queue}"),
        Trigger::EventBridge { event_bridge: pattern, .. } => {
            format!("on {} from {}", pattern.detail_type.join(", "), pattern.source.join(", "))
        }
        Trigger::Stream { stream, source, .. } => format!("{source} stream {stream}"),
        Trigger::Authorizer { .. } => "authorizes requests".to_owned(),
        Trigger::Invoke { .. } => "invoked by its name".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Describes an event trigger: `GET /users/{id}`, `on user.created`, `answers user.validate`.
fn describe_event(trigger: &EventTrigger) -> String {
    let EventTrigger { event_type, mode, method, path, .. } = trigger;
    let usual = *path == RoutePath::root() && *method == Method::Post;
    let place = if usual { String::new() } else { format!(" at {method} {path}") };
    match mode {
        _ if trigger.is_http() => format!("{method} {path}"),
        SubscriptionType::Sync => format!("answers {event_type}{place}"),
        SubscriptionType::Async => format!("on {event_type}{place}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_trigger_in_words() {
        let check = |trigger: serde_json::Value, expected: &str| {
            let trigger: Trigger = serde_json::from_value(trigger).unwrap();
            assert_eq!(describe(&trigger), expected);
        };
        let event = |ty: &str, mode: &str, path: &str| serde_json::json!({"eventType": ty, "mode": mode, "method": "POST", "path": path});
        check(event("http.request", "sync", "/users"), "POST /users");
        check(event("http.request", "sync", "/users/:id/files/*rest"), "POST /users/{id}/files/{*rest}");
        check(event("user.created", "async", "/"), "on user.created");
        check(event("user.validate", "sync", "/check"), "answers user.validate at POST /check");
        check(serde_json::json!({"schedule": "rate(5 minutes)"}), "rate(5 minutes)");
        check(serde_json::json!({"queue": "orders", "batchSize": 100, "window": 5}), "queue orders");
        check(serde_json::json!({"invoke": true}), "invoked by its name");
        check(
            serde_json::json!({"eventBridge": {"source": ["aws.s3"], "detail-type": ["Object Created"]}}),
            "on Object Created from aws.s3",
        );
        check(serde_json::json!({"stream": "orders", "source": "dynamodb"}), "dynamodb stream orders");
    }

    fn function(id: &str, source: &str, triggers: &str) -> Function {
        let functions = crate::registration::plan::tests::manifest("s", &[(id, source, triggers)]).functions;
        functions.into_iter().next().unwrap()
    }

    #[test]
    fn clashes_name_both_functions() {
        let get = r#"[{"eventType":"http.request","mode":"sync","method":"GET","path":"/users"}]"#;
        let on = r#"[{"eventType":"user.created","mode":"async","method":"POST","path":"/"}]"#;
        let check = |functions: &[Function], expected: Option<&str>| {
            let functions = functions.iter().map(|function| (function, Path::new("/app")));
            let found = clash(functions).map(|clash| clash.to_string());
            assert_eq!(found.as_deref(), expected);
        };
        check(&[function("a-x", "a.rs:1", get), function("b-x", "b.rs:1", on)], None);
        check(&[function("a-x", "a.rs:1", on), function("a-y", "a.rs:2", on)], None);
        check(
            &[function("a-x", "a.rs:1", on), function("a-x", "b.rs:1", get)],
            Some("two functions have the id a-x: a.rs:1 and b.rs:1"),
        );
        check(
            &[function("a-x", "src/main.rs:1", on), function("a-x", "src/main.rs:1", get)],
            Some("two functions have the id a-x: src/main.rs:1 in /app and src/main.rs:1 in /app"),
        );
        check(
            &[function("a-x", "a.rs:1", get), function("b-y", "b.rs:1", get)],
            Some("two functions answer GET /users: a-x (a.rs:1) and b-y (b.rs:1)"),
        );
        let one = get.replace("/users", "/users/:id");
        let same = get.replace("/users", "/users/:name");
        check(
            &[function("a-x", "a.rs:1", &one), function("b-y", "b.rs:1", &same)],
            Some("two functions answer GET /users/{name}: a-x (a.rs:1) and b-y (b.rs:1)"),
        );
        let me = get.replace("/users", "/users/me");
        let orders = get.replace("/users", "/users/:user/orders");
        check(&[function("a-x", "a.rs:1", &one), function("b-y", "b.rs:1", &me)], None);
        check(&[function("a-x", "a.rs:1", &one), function("b-y", "b.rs:1", &orders)], None);
    }
}
