//! The tree of synchronous routes: finds conflicting paths, and the route that a request takes. Rules and texts are
//! those of Event Gateway 0.9.1; `router` has one tree for each method and event type.

use std::collections::BTreeMap;

use eg_grammar::{Segment, Spelling};

/// Captured path parameters, percent-encoded as in the request.
pub(crate) type Params = BTreeMap<String, String>;

/// Routes and their values.
///
/// `/` is special. Any other path is split at each `/`, so `/a/` ends with an empty segment and differs from `/a`.
#[derive(Debug, Clone)]
pub(crate) struct RouteTree<T> {
    root: Option<T>,
    top: Node<T>,
}

#[derive(Debug, Clone)]
struct Node<T> {
    value: Option<T>,
    children: Children<T>,
}

/// A node has any number of static segments, or one parameter, or one wildcard.
#[derive(Debug, Clone)]
enum Children<T> {
    Static(BTreeMap<String, Node<T>>),
    Param(String, Box<Node<T>>),
    Wildcard(String, T),
}

/// The reason why a route cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Conflict {
    #[error("parameter with different name (\"{existing}\") already defined: for route: {route}")]
    Param { existing: String, route: String },
    #[error("static route already defined for route: {route}")]
    Static { route: String },
    #[error("wildcard with different name (\"{existing}\") already defined: for route: {route}")]
    Wildcard { existing: String, route: String },
    #[error("wildcard must be the last parameter")]
    WildcardNotLast,
    #[error("route {route} conflicts with existing route")]
    Taken { route: String },
}

impl<T> Default for RouteTree<T> {
    fn default() -> Self {
        Self { root: None, top: Node::default() }
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { value: None, children: Children::Static(BTreeMap::new()) }
    }
}

impl<T> RouteTree<T> {
    /// Adds `path`, which starts with `/`. A refused path adds no route, but may add empty branches.
    pub(crate) fn insert(&mut self, path: &str, value: T) -> Result<(), Conflict> {
        let taken = || Conflict::Taken { route: path.to_owned() };
        if path == "/" {
            return if self.root.replace(value).is_some() { Err(taken()) } else { Ok(()) };
        }
        let mut node = &mut self.top;
        let mut segments = Spelling::Gateway.segments(path).peekable();
        while let Some(segment) = segments.next() {
            if let Segment::Wildcard(name) = segment {
                if segments.peek().is_some() {
                    return Err(Conflict::WildcardNotLast);
                }
                return match &node.children {
                    Children::Static(nodes) if nodes.is_empty() => {
                        node.children = Children::Wildcard(name.to_owned(), value);
                        Ok(())
                    }
                    Children::Wildcard(existing, _) if existing == name => Err(taken()),
                    other => Err(Conflict::Wildcard { existing: other.name(), route: path.to_owned() }),
                };
            }
            node = node.child(segment, path)?;
        }
        if node.value.is_some() {
            return Err(taken());
        }
        node.value = Some(value);
        Ok(())
    }

    /// Returns the value of the route that `path` takes, and the captured parameters: `None` for the route `/`, which
    /// cannot have parameters.
    pub(crate) fn lookup(&self, path: &str) -> Option<(&T, Option<Params>)> {
        if path == "/" {
            return self.root.as_ref().map(|value| (value, None));
        }
        let mut params = Params::new();
        let mut node = &self.top;
        let mut rest = path.strip_prefix('/').unwrap_or(path);
        loop {
            let (segment, after) = match rest.split_once('/') {
                Some((segment, after)) => (segment, Some(after)),
                None => (rest, None),
            };
            node = match &node.children {
                Children::Static(nodes) => nodes.get(segment)?,
                Children::Param(name, node) => {
                    params.insert(name.clone(), segment.to_owned());
                    node
                }
                Children::Wildcard(name, value) => {
                    params.insert(name.clone(), rest.to_owned());
                    return Some((value, Some(params)));
                }
            };
            match after {
                Some(after) => rest = after,
                None => return node.value.as_ref().map(|value| (value, Some(params))),
            }
        }
    }
}

impl<T> Node<T> {
    /// Returns the child for a segment, created if necessary. A wildcard has none.
    fn child(&mut self, segment: Segment<'_>, route: &str) -> Result<&mut Self, Conflict> {
        let route = || route.to_owned();
        if let Segment::Parameter(name) = segment
            && matches!(&self.children, Children::Static(nodes) if nodes.is_empty())
        {
            self.children = Children::Param(name.to_owned(), Box::default());
        }
        match (&mut self.children, segment) {
            (Children::Static(nodes), Segment::Literal(text)) => {
                Ok(nodes.entry(text.to_owned()).or_default())
            }
            (Children::Static(_), _) => Err(Conflict::Static { route: route() }),
            (Children::Param(existing, node), Segment::Parameter(name)) if existing == name => Ok(node),
            (Children::Param(existing, _), _) => {
                Err(Conflict::Param { existing: existing.clone(), route: route() })
            }
            (Children::Wildcard(existing, _), _) => {
                Err(Conflict::Wildcard { existing: existing.clone(), route: route() })
            }
        }
    }
}

impl<T> Children<T> {
    fn name(&self) -> String {
        match self {
            Self::Param(name, _) | Self::Wildcard(name, _) => name.clone(),
            Self::Static(_) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests;
