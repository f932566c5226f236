//! The routes of one space: finds the subscriptions and the CORS configuration for a request. `router` chooses the
//! space.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use eg_grammar::{HTTP_REQUEST, Method, Route, Routes, Spelling};
use eg_sdk::config::{Cors, Subscription, SubscriptionType};

use super::{Matched, Target};
use crate::decide::routes::{Conflict, Params};

/// The routes of one space.
#[derive(Debug, Default)]
pub(super) struct Space {
    /// By event type.
    types: BTreeMap<String, EventRoutes>,
    /// The CORS configurations whose paths are routes. Each is for the requests that take its route.
    cors_of_routes: Option<Routes<Arc<Cors>>>,
    /// All other CORS configurations. Each is for the requests that match its path.
    cors_of_paths: Option<Routes<Arc<Cors>>>,
}

/// The routes of one event type.
#[derive(Debug)]
struct EventRoutes {
    sync: Routes<Arc<Subscription>>,
    /// By path, which is compared literally, and method.
    asynchronous: BTreeMap<String, BTreeMap<Method, Vec<Arc<Target>>>>,
}

/// The subscriptions that a space has for an event.
#[derive(Debug, Default)]
pub(super) struct Found<'r> {
    sync: Option<(&'r Route<Arc<Subscription>>, Option<Params>)>,
    asynchronous: Vec<Arc<Target>>,
}

impl Space {
    /// Adds a subscription, for requests to `path`.
    ///
    /// # Errors
    /// If another one matches the same requests.
    pub(super) fn subscribe(
        &mut self,
        subscription: &Arc<Subscription>,
        path: &str,
        strict: bool,
    ) -> Result<(), Conflict> {
        // `rules` accepts only methods that have a name.
        let Some(method) = Method::named(&subscription.method) else { return Ok(()) };
        let routes = self
            .types
            .entry(subscription.event_type.clone())
            .or_insert_with(|| EventRoutes { sync: table(strict), asynchronous: BTreeMap::new() });
        match subscription.kind {
            SubscriptionType::Sync => insert(&mut routes.sync, method, path, subscription),
            SubscriptionType::Async => {
                let methods = routes.asynchronous.entry(path.to_owned()).or_default();
                methods.entry(method).or_default().push(Arc::new(Target::new(subscription)));
                Ok(())
            }
        }
    }

    /// Adds a CORS configuration, for requests to `path`. The subscriptions must have been added before. In the original,
    /// routes do not matter.
    ///
    /// # Errors
    /// If another one matches the same requests.
    pub(super) fn allow(&mut self, cors: &Arc<Cors>, path: &str, strict: bool) -> Result<(), Conflict> {
        let Some(method) = Method::named(&cors.method) else { return Ok(()) };
        let is_route = self.types.values().any(|routes| routes.sync.like(method, path).is_some());
        let configurations =
            if is_route && !strict { &mut self.cors_of_routes } else { &mut self.cors_of_paths };
        insert(configurations.get_or_insert_with(|| table(strict)), method, path, cors)
    }

    /// Returns the subscriptions for an event of `event_type` that was sent to `path` with `method`. Synchronous
    /// routes may have parameters and wildcards; asynchronous subscriptions compare the path literally.
    pub(super) fn find(&self, event_type: &str, method: Method, path: &str) -> Found<'_> {
        let Some(routes) = self.types.get(event_type) else { return Found::default() };
        let params = |route: &Route<_>| {
            let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            (route.path != "/").then(|| routes.sync.captures(route, path).map(owned).collect())
        };
        Found {
            sync: routes.sync.find(method, path).map(|route| (route, params(route))),
            asynchronous: routes
                .asynchronous
                .get(path)
                .and_then(|methods| methods.get(&method))
                .cloned()
                .unwrap_or_default(),
        }
    }

    pub(super) fn has_subscriptions(&self) -> bool {
        !self.types.is_empty()
    }

    pub(super) fn has_subscriptions_to(&self, event_type: &str) -> bool {
        self.types.contains_key(event_type)
    }

    /// Returns the asynchronous subscriptions to `event_type` at this path, for POST.
    pub(super) fn posted(&self, event_type: &str, path: &str) -> impl Iterator<Item = &Arc<Target>> {
        let methods = self.types.get(event_type).and_then(|routes| routes.asynchronous.get(path));
        methods.and_then(|methods| methods.get(&Method::Post)).into_iter().flatten()
    }

    /// Returns the CORS configuration for requests to `path` with `method`: the most specific one, except for those of
    /// routes that such a request does not take, because a more specific one does.
    pub(super) fn cors(&self, method: Method, path: &str) -> Option<&Arc<Cors>> {
        let is_before = |one: &str, other: &str| Spelling::Gateway.compare(one, other) == Ordering::Less;
        let of_route = self.cors_of_routes.as_ref().and_then(|all| all.find(method, path));
        let of_route = of_route
            .filter(|cors| !self.answering(method, path).any(|route| is_before(&route.path, &cors.path)));
        let of_path = self.cors_of_paths.as_ref().and_then(|all| all.find(method, path));
        let found = match (of_route, of_path) {
            (Some(one), Some(other)) if is_before(&other.path, &one.path) => Some(other),
            (one, other) => one.or(other),
        };
        found.map(|cors| &cors.value)
    }

    /// Returns the synchronous routes that requests to `path` with `method` take, one for each event type.
    fn answering(&self, method: Method, path: &str) -> impl Iterator<Item = &Route<Arc<Subscription>>> {
        self.types.values().filter_map(move |routes| routes.sync.find(method, path))
    }

    /// Returns whether a function of this space answers requests to `path` with `method`.
    pub(super) fn answers(&self, method: Method, path: &str) -> bool {
        self.answering(method, path).next().is_some()
    }

    /// Returns the methods with which HTTP requests to `path` have a route.
    pub(super) fn methods<'a>(&'a self, path: &'a str) -> impl Iterator<Item = Method> {
        self.types.get(HTTP_REQUEST).into_iter().flat_map(move |routes| {
            let literal =
                routes.asynchronous.get(path).into_iter().flat_map(|methods| methods.keys().copied());
            routes.sync.methods(path).chain(literal)
        })
    }

    /// Returns the routes of HTTP requests, in the spelling of the gateway.
    pub(super) fn http(&self) -> impl Iterator<Item = (Method, &str)> {
        self.types.get(HTTP_REQUEST).into_iter().flat_map(|routes| {
            let literal = routes.asynchronous.iter();
            let literal = literal
                .flat_map(|(path, methods)| methods.keys().map(move |method| (*method, path.as_str())));
            routes.sync.iter().map(|(method, route)| (method, route.path.as_str())).chain(literal)
        })
    }
}

fn table<T>(strict: bool) -> Routes<T> {
    let routes = Routes::new(Spelling::Gateway);
    if strict { routes.with_empty_values() } else { routes }
}

fn insert<T>(
    routes: &mut Routes<Arc<T>>,
    method: Method,
    path: &str,
    value: &Arc<T>,
) -> Result<(), Conflict> {
    routes.insert(method, path, Arc::clone(value)).map_err(|_| Conflict::Taken { route: path.to_owned() })
}

impl<'r> Found<'r> {
    pub(super) fn is_empty(&self) -> bool {
        self.sync.is_none() && self.asynchronous.is_empty()
    }

    /// Adds the subscriptions of another space, or those for another path. The more specific route answers; of equal
    /// ones, the route that is already there.
    pub(super) fn join(mut self, other: Self) -> Self {
        self.asynchronous.extend(other.asynchronous);
        self.sync = match (self.sync, other.sync) {
            (Some(one), Some(two)) => {
                let order = Spelling::Gateway.compare(&one.0.path, &two.0.path);
                Some(if order == Ordering::Greater { two } else { one })
            }
            (one, two) => one.or(two),
        };
        self
    }

    pub(super) fn into_matched(self) -> Matched {
        let Self { sync, asynchronous } = self;
        Matched { sync: sync.map(|(route, params)| (Arc::clone(&route.value), params)), asynchronous }
    }
}
