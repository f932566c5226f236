//! The map of an application: which events, requests, schedules, queues and streams lead to which functions, and what those emit.
//! Derived from the registrations of a gateway and the notes in them. `text` writes it in the formats of other programs,
//! and `layout` places it on a page.

pub(crate) mod layout;
mod loops;
mod text;

use std::collections::BTreeMap;

use eg_grammar::{HTTP_REQUEST, Spelling, is_system_event_type, websocket};
use eg_sdk::config::{Function, FunctionNotes, Subscription, SubscriptionType};
use serde::Serialize;

/// The map of an application.
///
/// ```
/// use eg_dashboard::Graph;
/// use eg_sdk::config::{Function, Provider, Subscription};
///
/// let mail = Function::new("mail", Provider::Http { url: "http://localhost:3000/".into() });
/// let graph = Graph::of(&[mail], &[Subscription::asynchronous("user.created", "mail")]);
/// assert_eq!(graph.nodes.len(), 2);
/// assert!(graph.to_mermaid().contains("user.created"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Graph {
    /// The nodes, ordered by kind and name.
    pub nodes: Vec<Node>,
    /// The edges, ordered by their ends.
    pub edges: Vec<Edge>,
}

/// A node of a [`Graph`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Its name, which is unique within its kind: the type of an event, the id of a function, the method and path of a route.
    pub name: String,
    /// The service of a function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// `file:line` of a function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What is remarkable about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// HTTP requests with a method and path.
    Route,
    /// A schedule.
    Schedule,
    /// A queue.
    Queue,
    /// A stream of records.
    Stream,
    /// An event type.
    Event,
    /// A function.
    Function,
}

/// What is remarkable about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Remark {
    /// No function emits the event. Another program may.
    NeverEmitted,
    /// No function subscribes to the event.
    NeverSubscribed,
    /// Nothing calls the function.
    NeverCalled,
    /// The event may lead back to itself.
    Loop,
}

/// An edge of a [`Graph`]: from a trigger to the function that it calls, or from a function to an event that it may emit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct Edge {
    /// The position of its first node.
    pub from: usize,
    /// The position of its last node.
    pub to: usize,
    /// Whether somebody waits for the answer of the function.
    pub waits: bool,
    /// Whether it is part of a loop.
    #[serde(rename = "loop")]
    pub in_loop: bool,
}

/// A node while the graph is made: its kind and name.
type Key = (Kind, String);

impl Graph {
    /// Returns the map of these functions and subscriptions.
    #[must_use]
    pub fn of(functions: &[Function], subscriptions: &[Subscription]) -> Self {
        let mut nodes: BTreeMap<Key, FunctionNotes> = BTreeMap::new();
        let mut edges: Vec<(Key, Key, bool)> = Vec::new();
        for function in functions {
            let notes = FunctionNotes::of(function);
            let own = (Kind::Function, function.function_id.clone());
            let triggers = [
                (Kind::Schedule, &notes.schedules),
                (Kind::Queue, &notes.queues),
                (Kind::Stream, &notes.streams),
            ];
            for (kind, names) in triggers {
                edges.extend(names.iter().map(|name| ((kind, name.clone()), own.clone(), false)));
            }
            edges.extend(notes.emits.iter().map(|ty| (own.clone(), (Kind::Event, ty.clone()), false)));
            nodes.insert(own, notes);
        }
        for one in subscriptions {
            let function = (Kind::Function, one.function_id.clone());
            edges.push((trigger(one), function, one.kind == SubscriptionType::Sync));
        }
        for (from, to, _) in &edges {
            for key in [from, to] {
                nodes.entry(key.clone()).or_default();
            }
        }
        let at: BTreeMap<&Key, usize> = nodes.keys().enumerate().map(|(at, key)| (key, at)).collect();
        let mut edges: Vec<Edge> = edges
            .iter()
            .map(|(from, to, waits)| Edge { from: at[from], to: at[to], waits: *waits, in_loop: false })
            .collect();
        edges.sort_unstable();
        edges.dedup();
        let loops = loops::loops(nodes.len(), &edges);
        for edge in &mut edges {
            edge.in_loop = loops[edge.from].is_some() && loops[edge.from] == loops[edge.to];
        }
        let (mut has_cause, mut has_effect) = (vec![false; nodes.len()], vec![false; nodes.len()]);
        for edge in &edges {
            (has_cause[edge.to], has_effect[edge.from]) = (true, true);
        }
        let nodes = nodes.into_iter().enumerate().map(|(at, ((kind, name), notes))| {
            let remarks = remarks(kind, &name, (has_cause[at], has_effect[at]), loops[at].is_some());
            Node { kind, name, service: notes.service, source: notes.source, remarks }
        });
        Self { nodes: nodes.collect(), edges }
    }

    /// Returns the part of the map with the functions of a service, and what they are directly connected with.
    #[must_use]
    pub fn of_service(&self, service: &str) -> Self {
        let is_own = |at: usize| self.nodes[at].service.as_deref() == Some(service);
        let kept = self.edges.iter().filter(|edge| is_own(edge.from) || is_own(edge.to));
        let mut wanted: Vec<bool> = (0..self.nodes.len()).map(is_own).collect();
        let kept: Vec<Edge> = kept.copied().collect();
        for edge in &kept {
            (wanted[edge.from], wanted[edge.to]) = (true, true);
        }
        let (mut positions, mut count) = (Vec::with_capacity(wanted.len()), 0);
        for wanted in &wanted {
            positions.push(count);
            count += usize::from(*wanted);
        }
        let moved = |edge: Edge| Edge { from: positions[edge.from], to: positions[edge.to], ..edge };
        let nodes = self.nodes.iter().zip(&wanted).filter(|(_, wanted)| **wanted);
        Self {
            nodes: nodes.map(|(node, _)| node.clone()).collect(),
            edges: kept.into_iter().map(moved).collect(),
        }
    }

    /// Returns the services of the functions, ordered by name.
    #[must_use]
    pub fn services(&self) -> Vec<&str> {
        let mut services: Vec<&str> = self.nodes.iter().filter_map(|node| node.service.as_deref()).collect();
        services.sort_unstable();
        services.dedup();
        services
    }
}

/// Returns the node from which a subscription leads to its function.
fn trigger(subscription: &Subscription) -> Key {
    let Subscription { event_type, method, path, .. } = subscription;
    let path = Spelling::Gateway.respell(path, Spelling::Code);
    if event_type == HTTP_REQUEST {
        (Kind::Route, format!("{method} {path}"))
    } else if method == "POST" && path == "/" {
        (Kind::Event, event_type.clone())
    } else {
        (Kind::Event, format!("{event_type} at {method} {path}"))
    }
}

/// Returns what is remarkable about a node, which something leads to, and which leads to something, or not.
fn remarks(kind: Kind, name: &str, (has_cause, has_effect): (bool, bool), in_loop: bool) -> Vec<Remark> {
    // Clients post to places of their own, and the gateway makes some events itself.
    let is_from_outside = name.contains(' ') || is_system_event_type(name) || websocket::is_event(name);
    let found = match kind {
        Kind::Event if !has_cause && !is_from_outside => Some(Remark::NeverEmitted),
        Kind::Event if !has_effect => Some(Remark::NeverSubscribed),
        Kind::Function if !has_cause => Some(Remark::NeverCalled),
        _ => None,
    };
    let in_loop = (in_loop && kind == Kind::Event).then_some(Remark::Loop);
    found.into_iter().chain(in_loop).collect()
}

#[cfg(test)]
mod tests;
