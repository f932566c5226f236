//! Finds the subscriptions for an event. Each change of the catalog builds a new router; a router never changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use eg_grammar::is_system_event_type;
use eg_sdk::config::{Cors, EventType, Function, Subscription, SubscriptionType};

use super::catalog::Catalog;
use super::pattern::Pattern;
use super::place::{self, Place};
use super::routes::{Conflict, Params, RouteTree};

/// The space that is served at `/`.
pub(crate) const DEFAULT_SPACE: &str = "default";

/// The routes of all spaces. Each space sees only its own.
#[derive(Debug, Default)]
pub(crate) struct Router {
    spaces: BTreeMap<String, Space>,
}

#[derive(Debug, Default)]
struct Space {
    /// By event type and method.
    types: BTreeMap<String, BTreeMap<String, Routes>>,
    /// By method.
    cors: BTreeMap<String, RouteTree<Arc<Cors>>>,
}

/// The routes of one space, event type and method.
#[derive(Debug, Default)]
struct Routes {
    sync: RouteTree<Arc<Subscription>>,
    asynchronous: BTreeMap<String, Vec<Arc<Target>>>,
}

/// An asynchronous subscription with its parsed filter.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) subscription: Arc<Subscription>,
    pub(crate) filter: Option<Pattern>,
}

impl Target {
    /// Parses the filter, which was valid when it was stored. A filter that is no longer understood matches
    /// everything: too many deliveries are better than too few.
    pub(crate) fn new(subscription: &Arc<Subscription>) -> Self {
        let filter = subscription.filter.as_ref().and_then(|filter| Pattern::read(filter).ok());
        Self { subscription: Arc::clone(subscription), filter }
    }
}

/// The subscriptions for one event.
#[derive(Debug, Default)]
pub(crate) struct Matched {
    /// The subscription whose function answers the emitter, and the path parameters of its route.
    pub(crate) sync: Option<(Arc<Subscription>, Option<Params>)>,
    /// The asynchronous subscriptions.
    pub(crate) asynchronous: Vec<Arc<Target>>,
}

impl Router {
    /// Builds the routes of all subscriptions and CORS configurations.
    ///
    /// # Errors
    /// Fails if two routes of a space conflict, which the Config API never admits.
    pub(crate) fn new(catalog: &Catalog) -> Result<Self, Conflict> {
        let mut router = Self::default();
        let types = catalog.table::<EventType>().spaces();
        for space in types.chain(catalog.table::<Function>().spaces()) {
            router.spaces.entry(space.to_owned()).or_default();
        }
        for cors in catalog.table::<Cors>().all() {
            let space = router.spaces.entry(cors.space.clone()).or_default();
            let routes = space.cors.entry(cors.method.clone()).or_default();
            routes.insert(&cors.path, Arc::clone(cors))?;
        }
        for subscription in catalog.table::<Subscription>().all() {
            let space = router.spaces.entry(subscription.space.clone()).or_default();
            let methods = space.types.entry(subscription.event_type.clone()).or_default();
            let routes = methods.entry(subscription.method.clone()).or_default();
            match subscription.kind {
                SubscriptionType::Sync => routes.sync.insert(&subscription.path, Arc::clone(subscription))?,
                SubscriptionType::Async => {
                    let targets = routes.asynchronous.entry(subscription.path.clone()).or_default();
                    targets.push(Arc::new(Target::new(subscription)));
                }
            }
        }
        Ok(router)
    }

    /// Returns the subscriptions for an event of `event_type` that was sent to `place` with `method`.
    pub(crate) fn route_to(&self, place: &Place, event_type: &str, method: &str) -> Matched {
        let routes = place.paths().map(|path| self.route(&place.space, event_type, method, &path));
        routes
            .into_iter()
            .find(|matched| matched.sync.is_some() || !matched.asynchronous.is_empty())
            .unwrap_or_default()
    }

    /// Returns the subscriptions for an event of `event_type` that was sent to `path` with `method`. Synchronous
    /// routes may have parameters and wildcards; asynchronous subscriptions compare the path literally.
    fn route(&self, space: &str, event_type: &str, method: &str, path: &str) -> Matched {
        let types = self.spaces.get(space).and_then(|space| space.types.get(event_type));
        let Some(routes) = types.and_then(|methods| methods.get(method)) else { return Matched::default() };
        Matched {
            sync: routes.sync.lookup(path).map(|(subscription, params)| (Arc::clone(subscription), params)),
            asynchronous: routes.asynchronous.get(path).cloned().unwrap_or_default(),
        }
    }

    /// Returns the subscriptions in `space` to a type of system events. System events are posted to `/`, regardless
    /// of the request that caused them; clients of the hosted original put the name of the space before every path.
    pub(crate) fn system(&self, space: &str, event_type: &str) -> Vec<Arc<Target>> {
        let types = self.spaces.get(space).and_then(|space| space.types.get(event_type));
        let Some(routes) = types.and_then(|methods| methods.get("POST")) else { return Vec::new() };
        let at = |path: &str| routes.asynchronous.get(path).into_iter().flatten().cloned();
        at("/").chain(at(&format!("/{space}/"))).collect()
    }

    /// Returns the asynchronous subscriptions for an earlier event that is replayed to `place`.
    pub(crate) fn replayed(&self, place: &Place, event_type: &str, method: &str) -> Vec<Arc<Target>> {
        if is_system_event_type(event_type) {
            self.system(&place.space, event_type)
        } else {
            self.route_to(place, event_type, method).asynchronous
        }
    }

    /// Returns the CORS configuration for requests to `place` with `method`.
    pub(crate) fn cors(&self, place: &Place, method: &str) -> Option<&Arc<Cors>> {
        let routes = self.spaces.get(&place.space)?.cors.get(method)?;
        place.paths().find_map(|path| routes.lookup(&path).map(|(cors, _)| cors))
    }

    /// Returns the space and the path for a request to `host` and `path`. A host under `domain` takes precedence, so
    /// that no path leads out of its space.
    pub(crate) fn place(&self, host: &str, path: &str, domain: Option<&str>) -> Place {
        if let Some(space) = domain.and_then(|domain| place::space_of_host(host, domain)) {
            return Place { space, path: path.to_owned(), by_host: true };
        }
        let (space, path) = self.space_of(path);
        Place { space: space.to_owned(), path: path.to_owned(), by_host: false }
    }

    /// Splits the path of a request into the space and the path within it. `/spaces/<space>/…` belongs to that space
    /// if it has resources; everything else belongs to the default space.
    fn space_of<'p>(&self, path: &'p str) -> (&'p str, &'p str) {
        path.strip_prefix("/spaces/")
            .and_then(|rest| rest.find('/').map(|end| rest.split_at(end)))
            .filter(|(space, _)| self.spaces.contains_key(*space))
            .unwrap_or((DEFAULT_SPACE, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::catalog::{Change, Resource};

    fn router(subscriptions: &[(&str, Subscription)]) -> Router {
        let mut catalog = Catalog::default();
        for (n, (space, subscription)) in subscriptions.iter().enumerate() {
            let mut subscription = subscription.clone();
            (*space).clone_into(&mut subscription.space);
            subscription.subscription_id = n.to_string();
            catalog.apply(&Change::Put(Resource::Subscription(Arc::new(subscription))));
        }
        Router::new(&catalog).unwrap()
    }

    fn functions(matched: &Matched) -> (Option<&str>, Vec<&str>) {
        let sync = matched.sync.as_ref().map(|(subscription, _)| subscription.function_id.as_str());
        (sync, matched.asynchronous.iter().map(|target| target.subscription.function_id.as_str()).collect())
    }

    #[test]
    fn routes() {
        let at = |path: &str, mut subscription: Subscription| {
            path.clone_into(&mut subscription.path);
            subscription
        };
        let router = router(&[
            ("default", Subscription::http("GET", "/users/:id", "get")),
            ("default", Subscription::http("GET", "/", "home")),
            ("default", Subscription::asynchronous("user.created", "mail")),
            ("default", Subscription::asynchronous("user.created", "crm")),
            ("default", at("/:x", Subscription::asynchronous("user.created", "literal"))),
            ("other", Subscription::asynchronous("user.created", "theirs")),
        ]);
        for (space, event_type, method, path, expected) in [
            ("default", "http.request", "GET", "/users/7", (Some("get"), vec![])),
            ("default", "http.request", "HEAD", "/users/7", (None, vec![])),
            ("default", "http.request", "GET", "/", (Some("home"), vec![])),
            ("default", "user.created", "POST", "/", (None, vec!["mail", "crm"])),
            ("default", "user.created", "POST", "/a", (None, vec![])),
            ("default", "user.created", "POST", "/:x", (None, vec!["literal"])),
            ("other", "user.created", "POST", "/", (None, vec!["theirs"])),
            ("other", "http.request", "GET", "/", (None, vec![])),
            ("third", "user.created", "POST", "/", (None, vec![])),
        ] {
            let matched = router.route(space, event_type, method, path);
            assert_eq!(functions(&matched), expected, "{event_type} {method} {path} in {space}");
        }
    }

    #[test]
    fn spaces_have_a_prefix() {
        let router = router(&[("acme", Subscription::asynchronous("a", "f"))]);
        for (path, expected) in [
            ("/", ("default", "/")),
            ("/spaces/acme/", ("acme", "/")),
            ("/spaces/acme/users/1", ("acme", "/users/1")),
            ("/spaces/acme", ("default", "/spaces/acme")),
            ("/spaces/none/users", ("default", "/spaces/none/users")),
            ("/x/spaces/acme/", ("default", "/x/spaces/acme/")),
        ] {
            assert_eq!(router.space_of(path), expected, "{path}");
        }
    }
}
