//! Describes the answer to a request without a route: its status, its `Allow`, and a message that names similar routes.
//! Callers put it into the format of their answers.

use std::fmt;

use crate::suggest::{choice, distance, limit, list};
use crate::{Method, Segment, Spelling};

/// How many similar routes a message names.
const NAMED: usize = 3;

/// The longest path that is compared with routes, and the most routes that it is compared with, so that unknown paths
/// stay cheap to answer.
const COMPARED: (usize, usize) = (256, 256);

/// The longest path that is shown.
const SHOWN: usize = 200;

/// A request that takes no route.
///
/// ```
/// use eg_grammar::{Method, Unrouted};
///
/// let routes = [(Method::Post, "/orders"), (Method::Get, "/orders/{id}")];
/// let unrouted = Unrouted::new("POST", "/ordres", [], routes);
/// assert_eq!(unrouted.status(), 404);
/// assert_eq!(unrouted.to_string(), "no function answers `POST /ordres`; did you mean `POST /orders`?");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrouted {
    request: String,
    allowed: Vec<Method>,
    near: Vec<String>,
}

impl Unrouted {
    /// Describes a request that takes none of `routes`, whose paths are in the spelling of code. `allowed` are the methods
    /// that have a route for the same path; GET includes HEAD.
    pub fn new<'r>(
        method: &str,
        path: &str,
        allowed: impl IntoIterator<Item = Method>,
        routes: impl IntoIterator<Item = (Method, &'r str)>,
    ) -> Self {
        let mut allowed: Vec<Method> = allowed.into_iter().collect();
        if allowed.contains(&Method::Get) {
            allowed.push(Method::Head);
        }
        allowed.sort_unstable();
        allowed.dedup();
        let near = if allowed.is_empty() { near(method, path, routes) } else { Vec::new() };
        let shown: String = path.chars().take(SHOWN).collect();
        let cut = if shown.len() < path.len() { "…" } else { "" };
        Self { request: format!("{method} {shown}{cut}"), allowed, near }
    }

    /// Returns the status: 404 if no route matches the path, 405 if routes with other methods do.
    #[must_use]
    pub fn status(&self) -> u16 {
        if self.allowed.is_empty() { 404 } else { 405 }
    }

    /// Returns the value of the header `Allow`, for a 405.
    #[must_use]
    pub fn allow(&self) -> Option<String> {
        let names: Vec<&str> = self.allowed.iter().map(|method| method.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Returns what the message says after naming the request: the methods of the path or the near routes. Empty if
    /// there are none.
    #[must_use]
    pub fn hint(&self) -> String {
        let names = |words: &[String], list: fn(&[&str]) -> String| {
            list(&words.iter().map(String::as_str).collect::<Vec<_>>())
        };
        if !self.allowed.is_empty() {
            let methods: Vec<String> = self.allowed.iter().map(ToString::to_string).collect();
            return format!("this path accepts {}", names(&methods, list));
        }
        if self.near.is_empty() {
            return String::new();
        }
        format!("did you mean {}?", names(&self.near, choice))
    }
}

impl fmt::Display for Unrouted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no function answers `{}`", self.request)?;
        match self.hint() {
            hint if hint.is_empty() => Ok(()),
            hint => write!(f, "; {hint}"),
        }
    }
}

/// Returns the nearest routes: with the request's method if there are any, else with others.
fn near<'r>(method: &str, path: &str, routes: impl IntoIterator<Item = (Method, &'r str)>) -> Vec<String> {
    if path.len() > COMPARED.0 {
        return Vec::new();
    }
    let wanted = Method::named(method);
    let wanted = wanted.and_then(Method::answered_as).or(wanted);
    let mut found: Vec<(bool, usize, Method, &str)> = routes
        .into_iter()
        .filter_map(|(method, route)| Some((Some(method) != wanted, Words::of(path, route)?, method, route)))
        .take(COMPARED.1)
        .filter_map(|(other, words, method, route)| Some((other, words.distance()?, method, route)))
        .collect();
    found.sort_unstable();
    let nearest = found.first().map(|(other, distance, ..)| (*other, *distance));
    found
        .into_iter()
        .take_while(|(other, distance, ..)| nearest == Some((*other, *distance)))
        .take(NAMED)
        .map(|(.., method, route)| format!("{method} {route}"))
        .collect()
}

/// What a request's path and a route have written differently: both without the segments that the route's parameters
/// match.
struct Words {
    path: String,
    route: String,
}

impl Words {
    /// Returns the words, or `None` if their lengths alone show that the route is not near.
    fn of(path: &str, route: &str) -> Option<Self> {
        let mut words = Self { path: String::new(), route: String::new() };
        let mut given = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
        for segment in Spelling::Code.segments(route) {
            match (segment, given.next()) {
                (Segment::Wildcard(_), Some(value)) if !value.is_empty() => given.by_ref().for_each(drop),
                (Segment::Parameter(_), Some(value)) if !value.is_empty() => {}
                (segment, value) => {
                    words.route.push('/');
                    words.route.push_str(&Spelling::Code.write(segment));
                    if let Some(value) = value {
                        words.path.push('/');
                        words.path.push_str(value);
                    }
                }
            }
        }
        for value in given {
            words.path.push('/');
            words.path.push_str(value);
        }
        (words.path.len().abs_diff(words.route.len()) <= words.limit()).then_some(words)
    }

    fn limit(&self) -> usize {
        match self.path.chars().filter(|c| *c != '/').count() {
            0 => 0,
            letters => limit(letters),
        }
    }

    /// Returns how many characters differ, or `None` if the route is not near.
    fn distance(&self) -> Option<usize> {
        let distance = distance(&self.path, &self.route);
        (distance <= self.limit()).then_some(distance)
    }
}
