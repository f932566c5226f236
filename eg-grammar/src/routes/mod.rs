//! Finds the route of a request, and similar routes for a request that has none. Gateway and runtime decide what a route
//! leads to.
//!
//! A route is a method and a path. Of the routes with a request's method that match its path, the request takes the most
//! specific: segment by segment from the left, a literal goes before a parameter, and a parameter before a wildcard. So
//! two routes can exist side by side unless they have the same method and match the same paths.

mod tree;
mod unrouted;

use std::collections::BTreeMap;

use self::tree::Tree;
pub use self::unrouted::Unrouted;
use crate::{Method, Segment, Spelling};

/// A set of routes, each with a value.
///
/// ```
/// use eg_grammar::{Method, Routes, Spelling};
///
/// let mut routes = Routes::new(Spelling::Code);
/// routes.insert(Method::Get, "/users/{id}", "one").unwrap();
/// routes.insert(Method::Get, "/users/me", "me").unwrap();
/// assert_eq!(routes.insert(Method::Get, "/users/{name}", "other").unwrap_err().value, "one");
///
/// assert_eq!(routes.find(Method::Get, "/users/me").unwrap().value, "me");
/// let route = routes.find(Method::Get, "/users/7").unwrap();
/// assert_eq!(route.value, "one");
/// assert_eq!(routes.captures(route, "/users/7").collect::<Vec<_>>(), [("id", "7")]);
/// ```
#[derive(Debug, Clone)]
pub struct Routes<T> {
    spelling: Spelling,
    empty: bool,
    methods: BTreeMap<Method, Tree<T>>,
}

/// A path and the value of its route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route<T> {
    /// The path, in the spelling of its [`Routes`].
    pub path: String,
    /// The value, for example the function that answers.
    pub value: T,
}

impl<T> Routes<T> {
    /// Returns an empty set of routes, whose paths are in this spelling.
    #[must_use]
    pub fn new(spelling: Spelling) -> Self {
        Self { spelling, empty: false, methods: BTreeMap::new() }
    }

    /// Lets parameters and wildcards match nothing, too: `/users/` takes the route `/users/{id}`. Only `/` itself
    /// always needs its own route. This is the rule of Event Gateway 0.9.1.
    #[must_use]
    pub fn with_empty_values(mut self) -> Self {
        self.empty = true;
        self
    }

    /// Adds a route.
    ///
    /// # Errors
    /// The existing route with the same method that matches the same paths. Then nothing changes.
    pub fn insert(&mut self, method: Method, path: impl Into<String>, value: T) -> Result<(), &Route<T>> {
        let route = Route { path: path.into(), value };
        self.methods.entry(method).or_default().insert(self.spelling, route)
    }

    /// Returns the route that a request with this method and path takes. The path is compared as it was sent, with its
    /// percent-encoding.
    #[must_use]
    pub fn find(&self, method: Method, path: &str) -> Option<&Route<T>> {
        self.methods.get(&method)?.find(path, self.empty && path != "/")
    }

    /// Returns the route with this method that matches the same paths as the route `path` does: their parameters may have
    /// different names.
    ///
    /// ```
    /// # use eg_grammar::{Method, Routes, Spelling};
    /// # let mut routes = Routes::new(Spelling::Code);
    /// routes.insert(Method::Get, "/users/{id}", ()).unwrap();
    /// assert!(routes.like(Method::Get, "/users/{name}").is_some());
    /// assert!(routes.like(Method::Get, "/users/7").is_none());
    /// ```
    #[must_use]
    pub fn like(&self, method: Method, path: &str) -> Option<&Route<T>> {
        self.methods.get(&method)?.like(self.spelling, path)
    }

    /// Returns the methods whose routes take this path.
    pub fn methods(&self, path: &str) -> impl Iterator<Item = Method> {
        self.methods.keys().copied().filter(move |method| self.find(*method, path).is_some())
    }

    /// Returns all routes.
    pub fn iter(&self) -> impl Iterator<Item = (Method, &Route<T>)> {
        self.methods.iter().flat_map(|(method, tree)| tree.routes().map(move |route| (*method, route)))
    }

    /// Returns the names of a route's parameters with their values in a path that takes it, percent-encoded as in the
    /// path.
    pub fn captures<'a>(
        &self,
        route: &'a Route<T>,
        path: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut rest = path.strip_prefix('/').unwrap_or(path);
        self.spelling.segments(&route.path).filter_map(move |segment| {
            let (value, after) = rest.split_once('/').unwrap_or((rest, ""));
            match segment {
                Segment::Wildcard(name) => return Some((name, rest)),
                Segment::Parameter(name) => {
                    rest = after;
                    return Some((name, value));
                }
                Segment::Literal(_) => rest = after,
            }
            None
        })
    }
}

#[cfg(test)]
mod tests;
