//! Decides which routes the HTTP API has and how their paths are written there. `api` writes the routes.

use std::collections::{BTreeMap, BTreeSet};

use eg_grammar::{Route, Routes, Segment, Spelling};
use eg_sdk::config::SubscriptionType;
use eg_sdk::manifest::{EventTrigger, Function, Method, RoutePath};

use crate::needs;

/// The routes of the HTTP API.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// The paths in API Gateway's spelling.
    spelled: BTreeMap<RoutePath, String>,
    /// The routes that another function has, by function id.
    taken: BTreeSet<(String, Method, RoutePath)>,
}

impl Paths {
    /// Reads the routes of all functions.
    pub(super) fn of<'a>(functions: impl Iterator<Item = &'a Function>, notes: &mut Vec<String>) -> Self {
        let mut triggers: Vec<(&Function, &EventTrigger)> = functions
            .flat_map(|function| function.events().map(move |trigger| (function, trigger)))
            .filter(|(_, trigger)| needs::is_route(trigger))
            .collect();
        // At the gateway, an asynchronous function gets a copy of a request that another one answers.
        triggers.sort_by_key(|(_, trigger)| trigger.mode != SubscriptionType::Sync);
        let (mut paths, mut names) = (Self::default(), BTreeMap::new());
        let mut routes = Routes::new(Spelling::Code);
        for (function, trigger) in triggers {
            let EventTrigger { method, path, .. } = trigger;
            if let Err(Route { value: owner, .. }) = routes.insert(*method, path.to_string(), &function.id) {
                // A function may take a request, and an event with its path, at one route.
                if owner.as_str() == function.id {
                    continue;
                }
                paths.taken.insert((function.id.clone(), *method, path.clone()));
                notes.push(format!(
                    "{}: an HTTP API sends a request to one function, and another one has {method} {path}",
                    function.id
                ));
                continue;
            }
            let (spelled, renamed) = spell(path, &mut names);
            for (own, name) in renamed {
                notes.push(format!(
                    "{}: API Gateway needs one name for a parameter in one place, so its event has `{name}` instead of \
                     `{own}` for {method} {path}; functions in Rust see no difference",
                    function.id
                ));
            }
            paths.spelled.insert(path.clone(), spelled);
        }
        paths
    }

    /// Returns the routes of a function that the API has, each once, with their paths in API Gateway's spelling.
    pub(super) fn of_function<'a>(&'a self, function: &'a Function) -> Vec<(&'a EventTrigger, &'a str)> {
        let (requests, events): (Vec<_>, Vec<_>) = function
            .events()
            .filter(|trigger| needs::is_route(trigger))
            .partition(|trigger| trigger.is_http());
        let mut found: Vec<(&EventTrigger, &str)> = Vec::new();
        for trigger in requests.into_iter().chain(events) {
            let EventTrigger { method, path, .. } = trigger;
            let is_known = found.iter().any(|(known, _)| known.method == *method && known.path == *path);
            if let (false, Some(spelled)) = (is_known, self.get(function, trigger)) {
                found.push((trigger, spelled));
            }
        }
        found
    }

    /// Returns the path of a route in API Gateway's spelling, or `None` if another function has the route.
    fn get(&self, function: &Function, trigger: &EventTrigger) -> Option<&str> {
        let EventTrigger { method, path, .. } = trigger;
        if self.taken.contains(&(function.id.clone(), *method, path.clone())) {
            return None;
        }
        self.spelled.get(path).map(String::as_str)
    }
}

/// Writes a path, and returns the parameters that have another name there. `names` are the names by place: what comes
/// before the parameter, whatever the parameters in there are called.
fn spell(path: &RoutePath, names: &mut BTreeMap<String, String>) -> (String, Vec<(String, String)>) {
    let (mut spelled, mut place, mut renamed) = (String::new(), String::new(), Vec::new());
    let mut used: BTreeSet<String> = BTreeSet::new();
    for segment in path.segments() {
        spelled.push('/');
        place.push('/');
        let Segment::Parameter(own) = segment else {
            spelled.push_str(&Spelling::ApiGateway.write(segment));
            place.push_str(&Spelling::ApiGateway.write(segment));
            continue;
        };
        place.push_str("{}");
        let free = || {
            let numbered = (2..).map(|n| format!("{own}{n}"));
            std::iter::once(own.to_owned()).chain(numbered).find(|name| !used.contains(name))
        };
        let name = names.entry(place.clone()).or_insert_with(|| free().unwrap_or_default()).clone();
        spelled.push_str(&Spelling::ApiGateway.write(Segment::Parameter(&name)));
        if name != own {
            renamed.push((own.to_owned(), name.clone()));
        }
        used.insert(name);
    }
    (spelled, renamed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registration::plan::tests::manifest;

    #[test]
    fn a_parameter_has_one_name_in_one_place() {
        let mut names = BTreeMap::new();
        for (path, spelled, renamed) in [
            ("/users/{id}", "/users/{id}", &[][..]),
            ("/users/{user}/orders", "/users/{id}/orders", &[("user", "id")]),
            ("/users/{name}/{id}", "/users/{id}/{id2}", &[("name", "id"), ("id", "id2")]),
            ("/orders/{user}/{*rest}", "/orders/{user}/{rest+}", &[]),
            ("/", "/", &[]),
        ] {
            let renamed = renamed.iter().map(|&(own, name): &(&str, &str)| (own.to_owned(), name.to_owned()));
            let expected = (spelled.to_owned(), renamed.collect());
            assert_eq!(spell(&path.parse().unwrap(), &mut names), expected, "{path}");
        }
    }

    #[test]
    fn a_request_has_one_function() {
        let trigger = |mode: &str, path: &str| {
            format!(r#"[{{"eventType":"http.request","mode":"{mode}","method":"GET","path":"{path}"}}]"#)
        };
        let (copy, answer, more) =
            (trigger("async", "/a/:x"), trigger("sync", "/a/:id"), trigger("sync", "/a/b"));
        let functions =
            [("s-copy", "a.rs:1", &*copy), ("s-get", "a.rs:2", &answer), ("s-b", "a.rs:3", &more)];
        let functions = manifest("s", &functions).functions;
        let mut notes = Vec::new();
        let paths = Paths::of(functions.iter(), &mut notes);
        let found = functions.iter().map(|function| paths.get(function, function.events().next().unwrap()));
        assert_eq!(found.collect::<Vec<_>>(), [None, Some("/a/{id}"), Some("/a/b")]);
        assert_eq!(
            notes,
            ["s-copy: an HTTP API sends a request to one function, and another one has GET /a/{x}"]
        );
    }
}
