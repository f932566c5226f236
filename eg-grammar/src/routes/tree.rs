//! The routes of one method as a tree with a level for each segment. `Routes` chooses the method.

use std::collections::BTreeMap;

use super::Route;
use crate::{Segment, Spelling};

/// The nodes are in one list and refer to each other by position, so that no path is too deep for the stack.
#[derive(Debug, Clone)]
pub(super) struct Tree<T> {
    /// The first one is the top.
    nodes: Vec<Node>,
    routes: Vec<Route<T>>,
}

/// A place in a path, between two segments.
#[derive(Debug, Clone, Default)]
struct Node {
    /// The nodes behind literals.
    literals: BTreeMap<String, usize>,
    /// The node behind a parameter. Its name belongs to the route.
    parameter: Option<usize>,
    /// The route that matches the rest.
    wildcard: Option<usize>,
    /// The route that ends here.
    end: Option<usize>,
}

/// Where a search continues.
#[derive(Clone, Copy)]
enum Step<'p> {
    /// At a node, with the rest of the path; `None` behind the last segment.
    Node(usize, Option<&'p str>),
    /// At a wildcard's route, which is found.
    Wildcard(usize),
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], routes: Vec::new() }
    }
}

impl<T> Tree<T> {
    /// Adds a route, unless there is one that matches the same paths. Segments after a wildcard do not count.
    pub(super) fn insert(&mut self, spelling: Spelling, route: Route<T>) -> Result<(), &Route<T>> {
        let mut at = 0;
        let mut wild = false;
        for segment in spelling.segments(&route.path) {
            let next = self.nodes.len();
            let node = &mut self.nodes[at];
            at = match segment {
                Segment::Literal(text) => match node.literals.get(text) {
                    Some(known) => *known,
                    None => *node.literals.entry(text.to_owned()).or_insert(next),
                },
                Segment::Parameter(_) => *node.parameter.get_or_insert(next),
                Segment::Wildcard(_) => {
                    wild = true;
                    break;
                }
            };
            if at == next {
                self.nodes.push(Node::default());
            }
        }
        let node = &mut self.nodes[at];
        let place = if wild { &mut node.wildcard } else { &mut node.end };
        match *place {
            Some(taken) => Err(&self.routes[taken]),
            None => {
                *place = Some(self.routes.len());
                self.routes.push(route);
                Ok(())
            }
        }
    }

    /// Returns the route that matches the same paths as the route `path` does.
    pub(super) fn like(&self, spelling: Spelling, path: &str) -> Option<&Route<T>> {
        let mut node = self.nodes.first()?;
        for segment in spelling.segments(path) {
            let next = match segment {
                Segment::Literal(text) => node.literals.get(text).copied(),
                Segment::Parameter(_) => node.parameter,
                Segment::Wildcard(_) => return self.routes.get(node.wildcard?),
            };
            node = self.nodes.get(next?)?;
        }
        self.routes.get(node.end?)
    }

    /// Returns the most specific route that matches `path`. With `empty`, parameters and wildcards also match nothing.
    pub(super) fn find(&self, path: &str, empty: bool) -> Option<&Route<T>> {
        let mut step = Step::Node(0, Some(path.strip_prefix('/').unwrap_or(path)));
        // The steps to try if the more specific ones lead nowhere, the most specific last.
        let mut untried = Vec::new();
        loop {
            let next = match step {
                Step::Wildcard(route) => return self.routes.get(route),
                Step::Node(node, None) => match self.nodes[node].end {
                    Some(route) => return self.routes.get(route),
                    None => None,
                },
                Step::Node(node, Some(rest)) => {
                    let node = &self.nodes[node];
                    let (segment, rest_after) = match rest.split_once('/') {
                        Some((segment, after)) => (segment, Some(after)),
                        None => (rest, None),
                    };
                    let literal = node.literals.get(segment).map(|node| Step::Node(*node, rest_after));
                    let parameter = node.parameter.filter(|_| empty || !segment.is_empty());
                    let parameter = parameter.map(|node| Step::Node(node, rest_after));
                    let wildcard = node.wildcard.filter(|_| empty || !rest.is_empty()).map(Step::Wildcard);
                    let mut steps = [literal, parameter, wildcard].into_iter().flatten();
                    let next = steps.next();
                    untried.extend(steps.rev());
                    next
                }
            };
            step = next.or_else(|| untried.pop())?;
        }
    }

    pub(super) fn routes(&self) -> impl Iterator<Item = &Route<T>> {
        self.routes.iter()
    }
}
