//! Generates the HTTP API in front of the functions that answer requests. Their subscriptions to events are left to
//! `function`.

use std::collections::BTreeSet;

use eg_grammar::cors::{self as defaults, EVERY_ORIGIN};
use eg_sdk::manifest::{CorsOptions, EventTrigger, Function, Method};

use super::names::reference;
use super::{API, Tree, authorizers, map};

/// Returns the API with its authorizers. One CORS configuration applies to all routes.
pub(super) fn api<'a>(
    routes: impl Iterator<Item = &'a EventTrigger>,
    authorizers: Option<Tree>,
    notes: &mut Vec<String>,
) -> Tree {
    let mut all = Rules::default();
    let mut without = None;
    for route in routes {
        match &route.cors {
            None => without = without.or(Some(route)),
            Some(cors) => all.add(route, cors),
        }
    }
    if let (Some(route), true) = (without, all.wanted) {
        notes.push(format!(
            "an HTTP API has one CORS configuration, so {} {} also allows what other routes allow",
            route.method, route.path
        ));
    }
    let properties = map! { "FailOnWarnings" => true }
        .with("Auth", authorizers)
        .with("CorsConfiguration", all.tree(notes));
    map! { "Type" => "AWS::Serverless::HttpApi", "Properties" => properties }
}

/// Returns the event source for a route of a function. `path` is in API Gateway's spelling.
pub(super) fn route(function: &Function, trigger: &EventTrigger, path: &str) -> Tree {
    let properties = map! {
        "ApiId" => reference(API),
        "Method" => trigger.method.as_str(),
        "Path" => path,
        "PayloadFormatVersion" => "2.0",
    }
    .with("Auth", authorizers::of_route(function, trigger));
    map! { "Type" => "HttpApi", "Properties" => properties }
}

/// Returns the settings of a function's URL, which streams the answers of its routes, unlike the API. `None` if it streams
/// none.
pub(super) fn url(function: &Function, notes: &mut Vec<String>) -> Option<Tree> {
    let mut all = Rules::default();
    for route in function.events().filter(|route| route.stream) {
        notes.push(format!(
            "{}: an HTTP API sends answers whole; {} {} streams at the function's URL, which is in the outputs",
            function.id, route.method, route.path
        ));
        if let Some(cors) = &route.cors {
            all.add(route, cors);
        }
    }
    // A function URL allows every preflight by itself, and does not take its method.
    all.methods.remove(Method::Options.as_str());
    let settings = map! { "AuthType" => "NONE", "InvokeMode" => "RESPONSE_STREAM" };
    function.streams().then(|| settings.with("Cors", all.tree(notes)))
}

/// The union of what the routes allow.
#[derive(Default)]
struct Rules {
    wanted: bool,
    origins: BTreeSet<String>,
    methods: BTreeSet<String>,
    headers: BTreeSet<String>,
    credentials: bool,
}

impl Rules {
    fn add(&mut self, route: &EventTrigger, cors: &CorsOptions) {
        self.wanted = true;
        let CorsOptions { origins, methods, headers, credentials, .. } = cors;
        self.credentials |= credentials;
        let or = |set: &mut BTreeSet<String>, list: &[String], defaults: &[&str]| {
            if list.is_empty() {
                set.extend(defaults.iter().map(ToString::to_string));
            } else {
                set.extend(list.iter().cloned());
            }
        };
        or(&mut self.origins, origins, &defaults::DEFAULT_ORIGINS);
        or(&mut self.methods, methods, &defaults::methods_for(route.method));
        or(&mut self.headers, headers, &defaults::DEFAULT_HEADERS);
    }

    fn tree(self, notes: &mut Vec<String>) -> Option<Tree> {
        if !self.wanted {
            return None;
        }
        let everyone = self.origins.contains(EVERY_ORIGIN);
        if self.credentials && everyone {
            notes.push("browsers send credentials to named origins only: give `cors` its origins".to_owned());
        }
        let patterns = self.origins.iter().filter(|origin| *origin != EVERY_ORIGIN && origin.contains('*'));
        notes.extend(patterns.map(|origin| {
            format!("API Gateway takes no `*` within an origin: list the origins that `{origin}` stands for")
        }));
        let list = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>();
        let credentials = self.credentials && !everyone;
        let rules = map! {
            "AllowOrigins" => list(self.origins),
            "AllowMethods" => list(self.methods),
            "AllowHeaders" => list(self.headers),
        };
        Some(rules.with("AllowCredentials", credentials.then_some(true)))
    }
}
