//! Decides which stack each function belongs to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::references::each;
use super::{Owner, Owners, nested};
use crate::template::Tree;
use crate::template::names::pascal;

/// Up to how many resources a stack gets new functions. The rest is for what its functions get later: they cannot move.
const ROOM: usize = 450;

/// Over how many more nested stacks a service is spread that does not fit into one.
const MORE: u8 = 8;

/// The nested stacks of resources.
pub(super) struct Places {
    /// By the logical ids of the resources. What is not here is in the stack itself.
    stacks: BTreeMap<String, String>,
    keeps_functions: bool,
}

impl Places {
    /// Returns the logical id of the nested stack of a resource. `None`: it is in the stack itself.
    pub(super) fn of(&self, resource: &str) -> Option<&str> {
        self.stacks.get(resource).map(String::as_str)
    }

    /// Returns the logical ids of the nested stacks.
    pub(super) fn stacks(&self) -> impl Iterator<Item = &str> {
        self.stacks.values().map(String::as_str).collect::<BTreeSet<_>>().into_iter()
    }

    /// Whether functions are in the stack itself.
    pub(super) fn keeps_functions(&self) -> bool {
        self.keeps_functions
    }
}

/// Returns the nested stack of each function of a template, or `None` if it is in the stack itself.
pub(super) fn stacks(template: &Value) -> BTreeMap<String, Option<String>> {
    let functions = |template: &Value, stack: Option<&String>| {
        let resources = template["Resources"].as_object().into_iter().flatten();
        let of_lambda = resources.filter(|(_, one)| one["Type"] == "AWS::Lambda::Function");
        of_lambda.map(|(id, _)| (id.clone(), stack.cloned())).collect::<Vec<_>>()
    };
    let own = functions(template, None);
    let inner = nested(template).flat_map(|(stack, template)| functions(template, Some(stack)));
    own.into_iter().chain(inner).collect()
}

/// Decides about the functions of a template that is too large for one stack, or was before.
pub(super) fn place(resources: &[(String, Tree)], owners: &Owners, before: Option<&Value>) -> Places {
    let known = before.map(stacks).unwrap_or_default();
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut functions: BTreeMap<&str, &Owner> = BTreeMap::new();
    for owner in resources.iter().filter_map(|(id, _)| owners.get(id)) {
        *sizes.entry(&owner.function).or_default() += 1;
        functions.insert(&owner.function, owner);
    }
    let shared = resources.len() - sizes.values().sum::<usize>();
    let is_new = |function: &&str| !known.contains_key(*function);
    let size = |function: &&str| sizes[*function];
    let in_itself = |function: &&str| known.get(*function) == Some(&None);
    let kept: usize = functions.keys().filter(|one| in_itself(one)).map(size).sum();
    let new: usize = functions.keys().filter(|one| is_new(one)).map(size).sum();
    // A stack that is not divided grows until it is full.
    let has_room = !known.is_empty() && shared + kept + new <= ROOM;
    let named = if has_room { BTreeSet::new() } else { named(resources, owners) };
    let mut chosen: BTreeMap<&str, Option<String>> = BTreeMap::new();
    for (function, owner) in &functions {
        let stack = match known.get(*function) {
            Some(stack) => stack.clone(),
            None if has_room || named.contains(*function) => None,
            None => {
                let stack = format!("{}Functions", pascal(&owner.service));
                let would_be = |one: &&str| {
                    functions[*one].service == owner.service
                        && match known.get(*one) {
                            Some(place) => *place == Some(stack.clone()),
                            None => !named.contains(*one),
                        }
                };
                let together: usize = functions.keys().filter(|one| would_be(one)).map(size).sum();
                match together <= ROOM {
                    true => Some(stack),
                    // Which one it is depends on nothing but the function.
                    false => Some(format!("{stack}{}", Sha256::digest(function)[0] % MORE + 1)),
                }
            }
        };
        chosen.insert(function, stack);
    }
    let stacks = resources.iter().filter_map(|(id, _)| {
        let stack = chosen.get(owners.get(id)?.function.as_str())?.clone()?;
        Some((id.clone(), stack))
    });
    Places { stacks: stacks.collect(), keeps_functions: chosen.values().any(Option::is_none) }
}

/// Returns the functions to which other functions or shared resources refer: an API may ask one of them before it calls another.
/// In stacks of their own, they could wait for each other. Nothing waits for the policies of queues.
fn named<'a>(resources: &[(String, Tree)], owners: &'a Owners) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    for (id, tree) in resources {
        let own = owners.get(id);
        let is_policy = matches!(tree, Tree::Map(members) if members.iter().any(|(key, value)| {
            key == "Type" && value.as_text() == Some("AWS::SQS::QueuePolicy")
        }));
        if is_policy {
            continue;
        }
        each(tree, &mut |named| {
            if let Some(owner) = owners.get(&named.name)
                && own != Some(owner)
            {
                found.insert(owner.function.as_str());
            }
        });
    }
    found
}
