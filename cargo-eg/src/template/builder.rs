//! Collects the resources of a template with their names, and what is to be said about them.

use std::collections::BTreeMap;

use super::{Tree, map};

/// The resources so far.
#[derive(Debug, Default)]
pub(super) struct Builder {
    /// In the order of the template.
    pub(super) resources: Vec<(String, Tree)>,
    /// What AWS does differently.
    pub(super) notes: Vec<String>,
    /// What AWS cannot do.
    pub(super) problems: Vec<String>,
    /// The names in use, and what they stand for.
    names: BTreeMap<String, String>,
}

impl Builder {
    /// Adds a resource for `what`, a function for example.
    pub(super) fn add(&mut self, id: String, what: &str, resource: Tree) {
        self.take(&id, what);
        self.resources.push((id, resource));
    }

    /// Reserves a name. Two things with the same name are a problem.
    pub(super) fn take(&mut self, id: &str, what: &str) {
        if let Some(first) = self.names.insert(id.to_owned(), what.to_owned()) {
            self.problems
                .push(format!("{first} and {what} would both be `{id}` in the template: rename one"));
        }
    }

    /// Returns what has a name.
    pub(super) fn owner(&self, id: &str) -> Option<&str> {
        self.names.get(id).map(String::as_str)
    }

    /// Returns a name that is free: `id`, or `id` with a number.
    pub(super) fn free(&self, id: String) -> String {
        if !self.names.contains_key(&id) {
            return id;
        }
        (2..).map(|number| format!("{id}{number}")).find(|id| !self.names.contains_key(id)).unwrap_or(id)
    }
}

/// Returns a resource of a type.
pub(super) fn resource(ty: &str, properties: Tree) -> Tree {
    map! { "Type" => ty, "Properties" => properties }
}

/// Returns a resource that stays when the stack is removed or the resource is replaced, because its content cannot be made again.
pub(super) fn kept(ty: &str, properties: Tree) -> Tree {
    map! {
        "Type" => ty,
        "DeletionPolicy" => "Retain",
        "UpdateReplacePolicy" => "Retain",
        "Properties" => properties,
    }
}
