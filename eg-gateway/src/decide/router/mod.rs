//! Finds the subscriptions for an event. Each change of the catalog builds a new router; a router never changes.
//!
//! The rule for spaces: a request belongs to the space that its host names or that its path begins with, as
//! `/spaces/<space>/…`, or as `/<space>/…` if the space has subscriptions there. Any other request belongs to the
//! default space. If that has no subscription for it, the request goes to the spaces that have one, as in the original,
//! where all spaces share all paths; unless the spaces are closed to each other.

mod space;

use std::collections::BTreeMap;
use std::sync::Arc;

use eg_grammar::{HTTP_REQUEST, Method, Spelling, Unrouted, is_system_event_type};
use eg_sdk::config::{Cors, EventType, Function, Subscription};

use self::space::{Found, Space};
use super::catalog::Catalog;
use super::place::{self, Named, Place};
use super::routes::{Conflict, Params, Routing, within};
use eg_sdk::pattern::Pattern;

/// The space of requests that name none.
pub(crate) const DEFAULT_SPACE: &str = "default";

/// The routes of all spaces.
#[derive(Debug, Default)]
pub(crate) struct Router {
    routing: Routing,
    spaces: BTreeMap<String, Space>,
    /// Per space, the routes whose paths begin with `/<space>/`, without that: what requests to the space's host take.
    hosted: BTreeMap<String, Space>,
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

impl Matched {
    pub(crate) fn is_empty(&self) -> bool {
        self.sync.is_none() && self.asynchronous.is_empty()
    }

    /// Returns the asynchronous subscriptions by space: first the space of the synchronous one, or `otherwise` if there
    /// are no subscriptions at all.
    pub(crate) fn by_space(&self, otherwise: &str) -> Vec<(String, Vec<Arc<Target>>)> {
        let mut spaces: Vec<(String, Vec<Arc<Target>>)> = Vec::with_capacity(1);
        if let Some((sync, _)) = &self.sync {
            spaces.push((sync.space.clone(), Vec::new()));
        }
        for target in &self.asynchronous {
            let space = &target.subscription.space;
            match spaces.iter_mut().find(|(known, _)| known == space) {
                Some((_, targets)) => targets.push(Arc::clone(target)),
                None => spaces.push((space.clone(), vec![Arc::clone(target)])),
            }
        }
        if spaces.is_empty() {
            spaces.push((otherwise.to_owned(), Vec::new()));
        }
        spaces
    }
}

impl Router {
    /// Builds the routes of all subscriptions and CORS configurations.
    ///
    /// # Errors
    /// Fails if two routes of a space match the same requests, which the Config API never admits.
    pub(crate) fn new(catalog: &Catalog) -> Result<Self, Conflict> {
        let routing = catalog.routing;
        let mut router = Self { routing, ..Self::default() };
        router.spaces.entry(DEFAULT_SPACE.to_owned()).or_default();
        let types = catalog.table::<EventType>().spaces();
        for space in types.chain(catalog.table::<Function>().spaces()) {
            router.spaces.entry(space.to_owned()).or_default();
        }
        for subscription in catalog.table::<Subscription>().all() {
            let space = router.spaces.entry(subscription.space.clone()).or_default();
            space.subscribe(subscription, &subscription.path, routing.strict)?;
            if let Some(path) = within(&subscription.space, &subscription.path) {
                let hosted = router.hosted.entry(subscription.space.clone()).or_default();
                hosted.subscribe(subscription, path, routing.strict)?;
            }
        }
        for cors in catalog.table::<Cors>().all() {
            let space = router.spaces.entry(cors.space.clone()).or_default();
            space.allow(cors, &cors.path, routing.strict)?;
            if let Some(path) = within(&cors.space, &cors.path) {
                let hosted = router.hosted.entry(cors.space.clone()).or_default();
                hosted.allow(cors, path, routing.strict)?;
            }
        }
        Ok(router)
    }

    /// Returns the subscriptions for an event of `event_type` that was sent to `place` with `method`.
    pub(crate) fn route_to(&self, place: &Place, event_type: &str, method: &str) -> Matched {
        let Some(method) = Method::named(method) else { return Matched::default() };
        let event_type = &*self.routing.routed_type(event_type);
        let found = self.find(place, event_type, method);
        let found = match method.answered_as() {
            Some(other) if found.is_empty() && event_type == HTTP_REQUEST && !self.routing.strict => {
                self.find(place, event_type, other)
            }
            _ => found,
        };
        found.into_matched()
    }

    fn find(&self, place: &Place, event_type: &str, method: Method) -> Found<'_> {
        let mut candidates = self.candidates(place);
        let own = candidates.next().map(|space| space.find(event_type, method, &place.path));
        let own = own.unwrap_or_default();
        if self.shares(place) && !own.is_empty() {
            return own;
        }
        candidates.fold(own, |found, space| found.join(space.find(event_type, method, &place.path)))
    }

    /// Returns the routes that a request to `place` can take, those that come first in front.
    fn candidates(&self, place: &Place) -> impl Iterator<Item = &Space> {
        let name = place.space.as_str();
        let hosted = (place.named == Named::Host).then(|| self.hosted.get(name)).flatten();
        let others = self.spaces.iter().filter(move |(other, _)| place.named == Named::No && *other != name);
        let others = others.filter(|_| !self.routing.closed || self.routing.strict);
        hosted.into_iter().chain(self.spaces.get(name)).chain(others.map(|(_, space)| space))
    }

    /// Returns whether a request goes to other spaces only if its own has no subscription for it.
    fn shares(&self, place: &Place) -> bool {
        place.named == Named::No && !self.routing.strict
    }

    /// Describes a request to `place` that takes no route.
    pub(crate) fn unrouted(&self, place: &Place, method: &str) -> Unrouted {
        let allowed = self.candidates(place).flat_map(|space| space.methods(&place.path));
        let routes: Vec<(Method, String)> = self
            .candidates(place)
            .flat_map(Space::http)
            .map(|(method, path)| (method, Spelling::Gateway.respell(path, Spelling::Code)))
            .collect();
        let routes = routes.iter().map(|(method, path)| (*method, path.as_str()));
        Unrouted::new(method, &place.path, allowed, routes)
    }

    /// Returns the subscriptions in `space` to a type of system events. System events are posted to `/`, regardless
    /// of the request that caused them; clients of the hosted original put the name of the space before every path.
    pub(crate) fn system(&self, space: &str, event_type: &str) -> Vec<Arc<Target>> {
        let routes = self.spaces.get(space).filter(|routes| routes.has_subscriptions_to(event_type));
        let Some(routes) = routes else { return Vec::new() };
        let prefixed = format!("/{space}/");
        routes.posted(event_type, "/").chain(routes.posted(event_type, &prefixed)).cloned().collect()
    }

    /// Returns the asynchronous subscriptions for an earlier event that is replayed to `place`.
    pub(crate) fn replayed(&self, place: &Place, event_type: &str, method: &str) -> Vec<Arc<Target>> {
        if is_system_event_type(event_type) {
            self.system(&place.space, event_type)
        } else {
            self.route_to(place, event_type, method).asynchronous
        }
    }

    /// Returns the CORS configuration for requests to `place` with `method`. The configuration of another space is not for
    /// what a function of this one answers.
    pub(crate) fn cors(&self, place: &Place, method: &str) -> Option<&Arc<Cors>> {
        let method = Method::named(method)?;
        let other = method.answered_as().filter(|_| !self.routing.strict);
        let mut methods = std::iter::once(method).chain(other);
        methods.find_map(|method| {
            let mut spaces = self.candidates(place).enumerate();
            let (n, cors) = spaces.find_map(|(n, space)| Some((n, space.cors(method, &place.path)?)))?;
            let mut before = self.candidates(place).take(n).filter(|_| self.shares(place));
            (!before.any(|space| space.answers(method, &place.path))).then_some(cors)
        })
    }

    /// Returns the space and the path for a request to `host` and `path`. A host under `domain` takes precedence, so
    /// that no path leads out of its space.
    pub(crate) fn place(&self, host: &str, path: &str, domain: Option<&str>) -> Place {
        if let Some(space) = domain.and_then(|domain| place::space_of_host(host, domain)) {
            return Place { space, path: path.to_owned(), named: Named::Host };
        }
        let (space, path, named) = self.space_of(path);
        Place { space: space.to_owned(), path: path.to_owned(), named }
    }

    /// Splits the path of a request into the space and the path within it.
    fn space_of<'p>(&self, path: &'p str) -> (&'p str, &'p str, Named) {
        let first = |path: &'p str| path.find('/').map(|end| path.split_at(end));
        if let Some((space, rest)) = path.strip_prefix("/spaces/").and_then(first)
            && self.spaces.contains_key(space)
        {
            return (space, rest, Named::Path);
        }
        if let Some((space, _)) = path.strip_prefix('/').and_then(first)
            && !self.routing.strict
            && space != DEFAULT_SPACE
            && self.hosted.get(space).is_some_and(Space::has_subscriptions)
        {
            return (space, path, Named::Path);
        }
        (DEFAULT_SPACE, path, Named::No)
    }
}

#[cfg(test)]
mod tests;
