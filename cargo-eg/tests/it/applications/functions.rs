//! Runs the functions of an application from their zip files, in AWS's emulator, against the tables and the bus of its stack. What
//! they do there is left to `registration` and `shop`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use axum::{Json, Router};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::emulator::Emulated;
use super::{Application, target};
use crate::support::stack::{Stack, taken};

/// How many events one event may lead to before the test takes it for a loop.
const EVENTS: usize = 1000;

/// A deployed application whose functions run.
pub(super) struct Functions {
    pub(super) application: Application,
    pub(super) stack: Stack,
    emulated: BTreeMap<String, Emulated>,
    /// The routes with their functions: method and path.
    routes: Vec<([String; 2], String)>,
    /// The functions that were invoked.
    invoked: RefCell<BTreeSet<String>>,
    _programs: TempDir,
}

impl Functions {
    /// Deploys an application and starts its functions. `outside` are the variables with the URLs of partners, which are here instead.
    pub(super) fn start(name: &'static str, outside: &[&str]) -> Self {
        let application = Application::open(name);
        let answer = json!({"responses": [{"webDetection": {"webEntities": [{"description": "Duck"}]}}]});
        let partners = Router::new().fallback(move || std::future::ready(Json(answer.clone())));
        let partners = application.aws.beside(partners);
        let changed: Vec<(&str, &str)> = outside.iter().map(|name| (*name, partners.as_str())).collect();
        let deployed = application.deploy(&["--yes"]);
        assert_eq!(deployed.code, Some(0), "{deployed:?}");
        let stack = Stack::tapped(&application.stack(), &application.aws);
        let programs = tempfile::tempdir().unwrap();
        let artifacts = target().join("eg");
        let described: Value =
            serde_json::from_slice(&std::fs::read(artifacts.join("artifacts.json")).unwrap()).unwrap();
        let (mut emulated, mut routes) = (BTreeMap::new(), Vec::new());
        for service in described["services"].as_array().unwrap() {
            let folder = programs.path().join(service["service"].as_str().unwrap());
            let zip = artifacts.join(service["zip"].as_str().unwrap());
            unpack(&zip, &folder);
            for described in service["functions"].as_array().unwrap() {
                let name = format!("{}-{}", application.stack(), described["id"].as_str().unwrap());
                let function = &stack.functions[&name];
                let started = Emulated::start(
                    &folder.join("bootstrap"),
                    (&name, function),
                    &name,
                    &application.aws.url,
                    &changed,
                );
                emulated.insert(name.clone(), started);
                for route in described["routes"].as_array().unwrap() {
                    let part = |key: &str| route[key].as_str().unwrap().to_owned();
                    routes.push(([part("method"), part("path")], name.clone()));
                }
            }
        }
        assert!(emulated.keys().eq(stack.functions.keys()), "every function of the stack runs");
        let invoked = RefCell::default();
        Self { application, stack, emulated, routes, invoked, _programs: programs }
    }

    /// Sends a request as the HTTP API does. Returns the status and the body of the answer.
    pub(super) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> (u64, Value) {
        let found = self.routes.iter().find_map(|([of, route], name)| {
            let parameters = parameters(route, path).filter(|_| of == method)?;
            Some((route, name, parameters))
        });
        let (route, name, parameters) = found.unwrap_or_else(|| panic!("{method} {path} has a route"));
        let mut all: BTreeMap<&str, &str> = headers.iter().copied().collect();
        if body.is_some() {
            all.entry("content-type").or_insert("application/json");
        }
        let route = format!("{method} {route}");
        let mut payload = json!({
            "version": "2.0", "routeKey": route, "rawPath": path, "rawQueryString": "", "headers": all,
            "requestContext": {
                "accountId": "123456789012", "apiId": "api", "domainName": "api.execute-api.eu-central-1.amazonaws.com",
                "domainPrefix": "api", "requestId": "request", "routeKey": route, "stage": "$default",
                "time": "30/Nov/2026:12:00:00 +0000", "timeEpoch": 1_796_040_000_000_u64,
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"},
            },
            "isBase64Encoded": false,
        });
        if !parameters.is_empty() {
            payload["pathParameters"] = parameters.into();
        }
        if let Some(body) = body {
            payload["body"] = body.to_string().into();
        }
        let answer = self.invoke(name, &payload);
        let text = answer["body"].as_str().unwrap_or_default();
        let body = serde_json::from_str(text).unwrap_or_else(|_| text.into());
        (answer["statusCode"].as_u64().unwrap(), body)
    }

    /// Sends a request that succeeds. Returns the body of the answer.
    #[track_caller]
    pub(super) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.request(method, path, &[], body);
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    }

    /// Hands what rules deliver to functions until nothing is left.
    pub(super) fn settle(&self) {
        for _ in 0..EVENTS {
            let Some((function, event)) = self.stack.delivered(&self.application.aws) else { return };
            let answer = self.invoke(function, &event);
            let failed = answer["batchItemFailures"].as_array();
            assert!(failed.is_none_or(Vec::is_empty), "{function}: {answer}: {event}");
        }
        panic!("{EVENTS} events and no end");
    }

    /// Runs all scheduled functions.
    pub(super) fn run_schedules(&self) {
        for rule in self.stack.rules.iter().filter(|rule| rule.schedule.is_some()) {
            let event = json!({
                "version": "0", "id": "00000000-0000-4000-8000-000000000000", "detail-type": "Scheduled Event",
                "source": "aws.events", "account": "123456789012", "time": "2026-11-30T12:00:00Z", "region": "eu-central-1",
                "resources": [rule.arn], "detail": {},
            });
            self.invoke(&rule.function, &event);
        }
    }

    /// Emits an event with an unreadable payload for every type that functions emit, and returns the functions that kept it in
    /// their failures queue. A function gets no event twice, so none of them failed.
    pub(super) fn reject(&self, types: &[&str]) -> BTreeSet<String> {
        for ty in types {
            let entry = json!({"Source": "/test", "DetailType": ty, "Detail": "[1]", "EventBusName": self.application.stack()});
            self.application.aws.call("events", "AWSEvents.PutEvents", &json!({"Entries": [entry]}));
        }
        self.settle();
        let queues = self.stack.queues.values();
        let kept = queues.flat_map(|queue| std::iter::from_fn(|| taken(&self.application.aws, queue)));
        kept.map(|record| {
            assert_eq!(record["requestContext"]["condition"], "Rejected", "{record}");
            let arn = record["requestContext"]["functionArn"].as_str().unwrap();
            arn.rsplit(':').next().unwrap().to_owned()
        })
        .collect()
    }

    /// Checks that every function has run.
    pub(super) fn check_all_ran(&self) {
        let idle: Vec<&String> =
            self.stack.functions.keys().filter(|name| !self.invoked.borrow().contains(*name)).collect();
        assert_eq!(idle, Vec::<&String>::new(), "functions that nothing has called");
    }

    fn invoke(&self, name: &str, payload: &Value) -> Value {
        self.invoked.borrow_mut().insert(name.to_owned());
        let emulated = self
            .emulated
            .get(name)
            .unwrap_or_else(|| panic!("{name} is no function of the stack: {payload}"));
        self.application.aws.block_on(emulated.invoke(payload))
    }
}

/// Returns the parameters of a path if a route matches it.
fn parameters(route: &str, path: &str) -> Option<Map<String, Value>> {
    let (route, path): (Vec<&str>, Vec<&str>) = (route.split('/').collect(), path.split('/').collect());
    if route.len() != path.len() {
        return None;
    }
    let mut parameters = Map::new();
    for (wanted, found) in route.into_iter().zip(path) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => drop(parameters.insert(name.to_owned(), found.into())),
            None if wanted == found => {}
            None => return None,
        }
    }
    Some(parameters)
}

/// Unpacks a zip file as Lambda does: with the rights in it.
fn unpack(zip: &Path, folder: &Path) {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(zip).unwrap()).unwrap();
    archive.extract(folder).unwrap();
}
