//! All resources of the Config API as one value: finds and lists them, and applies changes. `changes` checks the changes;
//! `store` persists them.

use std::collections::BTreeMap;
use std::sync::Arc;

use eg_sdk::config::{self, Cors, EventType, Function, Metadata, Resource as _, Subscription};

use super::refusal::{Kind, Refusal};
use super::routes::Routing;

/// The place of a configuration in the order of its changes. The store counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Version(i64);

impl Version {
    /// Returns the version that a change makes of this one.
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Returns the version after this many changes.
    #[cfg(feature = "postgres")]
    pub(crate) const fn of_number(changes: i64) -> Self {
        Self(changes)
    }

    /// Returns how many changes it has.
    #[cfg(feature = "postgres")]
    pub(crate) fn number(self) -> i64 {
        self.0
    }
}

/// The resources of all spaces.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalog {
    pub(crate) version: Version,
    pub(super) event_types: Table<EventType>,
    pub(super) functions: Table<Function>,
    pub(super) subscriptions: Table<Subscription>,
    pub(super) cors: Table<Cors>,
    /// How requests find the subscriptions.
    pub(crate) routing: Routing,
}

/// The resources of one kind, by space and id.
#[derive(Debug, Clone)]
pub(crate) struct Table<T>(BTreeMap<String, BTreeMap<String, Arc<T>>>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

/// One resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource {
    EventType(Arc<EventType>),
    Function(Arc<Function>),
    Subscription(Arc<Subscription>),
    Cors(Arc<Cors>),
}

/// A change that passed all checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Put(Resource),
    Delete { kind: Kind, space: String, id: String },
}

/// The common interface of all kinds of resources.
pub(crate) trait Entry: config::Resource {
    const KIND: Kind;
    fn metadata(&self) -> &Metadata;
    fn table(catalog: &Catalog) -> &Table<Self>
    where
        Self: Sized;
}

impl Entry for EventType {
    const KIND: Kind = Kind::EventType;
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
    fn table(catalog: &Catalog) -> &Table<Self> {
        &catalog.event_types
    }
}

impl Entry for Function {
    const KIND: Kind = Kind::Function;
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
    fn table(catalog: &Catalog) -> &Table<Self> {
        &catalog.functions
    }
}

impl Entry for Subscription {
    const KIND: Kind = Kind::Subscription;
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
    fn table(catalog: &Catalog) -> &Table<Self> {
        &catalog.subscriptions
    }
}

impl Entry for Cors {
    const KIND: Kind = Kind::Cors;
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
    fn table(catalog: &Catalog) -> &Table<Self> {
        &catalog.cors
    }
}

impl<T: Entry> Table<T> {
    /// Returns the resource `id` of `space`.
    pub(crate) fn get(&self, space: &str, id: &str) -> Option<&Arc<T>> {
        self.0.get(space)?.get(id)
    }

    /// Returns the resource `id` of `space`, or the refusal for a client that asked for it.
    pub(crate) fn find(&self, space: &str, id: &str) -> Result<&Arc<T>, Refusal> {
        self.get(space, id).ok_or_else(|| Refusal::NotFound { kind: <T as Entry>::KIND, id: id.to_owned() })
    }

    /// Returns all resources of `space`, ordered by id.
    pub(crate) fn of_space(&self, space: &str) -> impl DoubleEndedIterator<Item = &Arc<T>> {
        self.0.get(space).into_iter().flat_map(BTreeMap::values)
    }

    /// Returns the spaces that have resources of this kind.
    pub(crate) fn spaces(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns all resources of all spaces.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<T>> {
        self.0.values().flat_map(BTreeMap::values)
    }

    /// Returns the resources of `space` that have all of `labels`, in the order of the API: by id, descending.
    pub(crate) fn list(&self, space: &str, labels: &[(String, String)]) -> Vec<&T> {
        let carries =
            |entry: &&Arc<T>| labels.iter().all(|(key, value)| entry.metadata().get(key) == Some(value));
        self.of_space(space).rev().filter(carries).map(|entry| &**entry).collect()
    }

    fn put(&mut self, space: &str, entry: &Arc<T>) {
        self.0.entry(space.to_owned()).or_default().insert(entry.id().to_owned(), Arc::clone(entry));
    }

    fn remove(&mut self, space: &str, id: &str) {
        if let Some(entries) = self.0.get_mut(space) {
            entries.remove(id);
            if entries.is_empty() {
                self.0.remove(space);
            }
        }
    }
}

impl Catalog {
    /// Returns whether a space has any resource.
    pub(crate) fn has_space(&self, space: &str) -> bool {
        self.functions.of_space(space).next().is_some()
            || self.event_types.of_space(space).next().is_some()
            || self.subscriptions.of_space(space).next().is_some()
            || self.cors.of_space(space).next().is_some()
    }

    pub(crate) fn table<T: Entry>(&self) -> &Table<T> {
        T::table(self)
    }

    /// Applies a change.
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(Resource::EventType(entry)) => self.event_types.put(&entry.space, entry),
            Change::Put(Resource::Function(entry)) => self.functions.put(&entry.space, entry),
            Change::Put(Resource::Subscription(entry)) => self.subscriptions.put(&entry.space, entry),
            Change::Put(Resource::Cors(entry)) => self.cors.put(&entry.space, entry),
            Change::Delete { kind: Kind::EventType, space, id } => self.event_types.remove(space, id),
            Change::Delete { kind: Kind::Function, space, id } => self.functions.remove(space, id),
            Change::Delete { kind: Kind::Subscription, space, id } => self.subscriptions.remove(space, id),
            Change::Delete { kind: Kind::Cors, space, id } => self.cors.remove(space, id),
        }
    }
}

impl Resource {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::EventType(_) => Kind::EventType,
            Self::Function(_) => Kind::Function,
            Self::Subscription(_) => Kind::Subscription,
            Self::Cors(_) => Kind::Cors,
        }
    }

    pub(crate) fn space(&self) -> &str {
        match self {
            Self::EventType(entry) => &entry.space,
            Self::Function(entry) => &entry.space,
            Self::Subscription(entry) => &entry.space,
            Self::Cors(entry) => &entry.space,
        }
    }

    pub(crate) fn id(&self) -> &str {
        match self {
            Self::EventType(entry) => entry.id(),
            Self::Function(entry) => entry.id(),
            Self::Subscription(entry) => entry.id(),
            Self::Cors(entry) => entry.id(),
        }
    }
}
