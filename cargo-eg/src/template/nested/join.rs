//! Puts the parts of a divided template together again, so that everything that reads or compares templates sees one stack.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::references::{Named, plain, rename};
use super::{TEMPLATE, is_nested, nested};
use crate::template::Tree;

/// Returns a template as if it had not been divided.
pub(crate) fn joined(template: &Value) -> Cow<'_, Value> {
    if nested(template).next().is_none() {
        return Cow::Borrowed(template);
    }
    let mut whole = template.clone();
    let mut stacks = Stacks::default();
    let mut inner = Vec::new();
    let resources = whole.get_mut("Resources").and_then(Value::as_object_mut);
    let resources = resources.map(std::mem::take).unwrap_or_default();
    let (nested, own): (Map<String, Value>, Map<String, Value>) =
        resources.into_iter().partition(|(_, resource)| is_nested(resource));
    for (id, resource) in nested {
        let Value::Object(mut properties) = resource["Properties"].clone() else { continue };
        let mut part = properties.remove(TEMPLATE).unwrap_or_default();
        let outputs = named(&part["Outputs"], |output| &output["Value"]);
        stacks.outputs.insert(id.clone(), outputs);
        let passed = named(&properties.remove("Parameters").unwrap_or_default(), |value| value);
        let resources = part.get_mut("Resources").and_then(Value::as_object_mut).map(std::mem::take);
        inner.push((passed, resources.unwrap_or_default()));
    }
    let mut all = Map::new();
    for (id, resource) in own {
        all.insert(id, renamed(resource, &mut |named| stacks.resolved(named)));
    }
    for (passed, resources) in inner {
        for (id, resource) in resources {
            let resource = renamed(resource, &mut |named| {
                let from = passed.get(&named.name).filter(|_| named.attribute.is_none())?;
                Some(stacks.resolved(from).unwrap_or_else(|| from.clone()))
            });
            all.insert(id, resource);
        }
    }
    whole["Resources"] = Value::Object(all);
    let outputs = whole["Outputs"].take();
    if !outputs.is_null() {
        whole["Outputs"] = renamed(outputs, &mut |named| stacks.resolved(named));
    } else if let Some(members) = whole.as_object_mut() {
        members.remove("Outputs");
    }
    Cow::Owned(whole)
}

/// What the nested stacks give, by their logical ids and the names of their outputs.
#[derive(Default)]
struct Stacks {
    outputs: BTreeMap<String, BTreeMap<String, Named>>,
}

impl Stacks {
    /// Returns the resource behind an output of a nested stack.
    fn resolved(&self, named: &Named) -> Option<Named> {
        let output = named.attribute.as_deref()?.strip_prefix("Outputs.")?;
        self.outputs.get(&named.name)?.get(output).cloned()
    }
}

/// Returns the references that the members of a map are.
fn named<'a>(map: &'a Value, value: impl Fn(&'a Value) -> &'a Value) -> BTreeMap<String, Named> {
    let members = map.as_object().into_iter().flatten();
    members
        .filter_map(|(name, one)| Some((name.clone(), Named::of(&plain(value(one).clone().into()))?)))
        .collect()
}

fn renamed(value: Value, new: &mut impl FnMut(&Named) -> Option<Named>) -> Value {
    let mut tree = plain(Tree::Json(value));
    rename(&mut tree, new);
    // A tree of JSON is JSON.
    serde_json::to_value(&tree).unwrap_or_default()
}
