//! Which subscriptions an event goes to. Built anew from the catalog with each change; never changed in place.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use eg_sdk::config::{Subscription, SubscriptionType};

use super::catalog::Catalog;
use super::pattern::Pattern;
use super::routes::{Conflict, Params, RouteTree};

/// The space that is served at `/`.
pub(crate) const DEFAULT_SPACE: &str = "default";

/// The routes of all spaces. Spaces do not see each other's.
#[derive(Debug, Default)]
pub(crate) struct Router {
    spaces: HashMap<String, HashMap<String, HashMap<String, Routes>>>,
}

/// The routes of one space, event type and method.
#[derive(Debug, Default)]
struct Routes {
    sync: RouteTree<Arc<Subscription>>,
    asynchronous: BTreeMap<String, Vec<Arc<Target>>>,
}

/// A subscription that gets events later, with its filter ready for use.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) subscription: Arc<Subscription>,
    pub(crate) filter: Option<Pattern>,
}

impl Target {
    /// Filters were valid when they were stored. One that is no longer understood matches everything: too much is
    /// better than too little.
    pub(crate) fn new(subscription: &Arc<Subscription>) -> Self {
        let filter = subscription.filter.as_ref().and_then(|filter| Pattern::read(filter).ok());
        Self { subscription: Arc::clone(subscription), filter }
    }
}

/// Where one event goes.
#[derive(Debug, Default)]
pub(crate) struct Matched {
    /// The subscription whose function answers the emitter, and the path parameters of its route.
    pub(crate) sync: Option<(Arc<Subscription>, Option<Params>)>,
    /// The subscriptions that get the event later.
    pub(crate) asynchronous: Vec<Arc<Target>>,
}

impl Router {
    /// The routes of all subscriptions.
    ///
    /// # Errors
    /// When two synchronous subscriptions of a space exclude each other, which the Config API never admits.
    pub(crate) fn new(catalog: &Catalog) -> Result<Self, Conflict> {
        let mut router = Self::default();
        for subscription in catalog.table::<Subscription>().all() {
            let types = router.spaces.entry(subscription.space.clone()).or_default();
            let methods = types.entry(subscription.event_type.clone()).or_default();
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

    /// Where an event of `event_type` goes that was sent to `path` with `method`. Synchronous routes take parameters
    /// and wildcards; asynchronous subscriptions compare the path literally.
    pub(crate) fn route(&self, space: &str, event_type: &str, method: &str, path: &str) -> Matched {
        let types = self.spaces.get(space).and_then(|types| types.get(event_type));
        let Some(routes) = types.and_then(|methods| methods.get(method)) else { return Matched::default() };
        Matched {
            sync: routes.sync.lookup(path).map(|(subscription, params)| (Arc::clone(subscription), params)),
            asynchronous: routes.asynchronous.get(path).cloned().unwrap_or_default(),
        }
    }

    /// Splits the path of a request into space and path within it: `/spaces/<space>/…` where that space has
    /// subscriptions, everything else belongs to the default space.
    pub(crate) fn space_of<'p>(&self, path: &'p str) -> (&'p str, &'p str) {
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
        let at =
            |path: &str, subscription: Subscription| Subscription { path: path.to_owned(), ..subscription };
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
