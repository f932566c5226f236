//! Divides a template with more resources than a stack may have: functions, with what belongs to them alone, go into nested
//! stacks, and everything that holds data or is shared stays in the stack itself. `join` is the inverse. Writing the templates to
//! files or to a bucket is left to the callers.
//!
//! Moving a resource to another stack replaces it, and a function cannot be replaced, because its name is taken until the old one
//! is gone. So what is deployed stays where it is, and where a new function goes depends on no other function.

mod join;
mod place;
mod references;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub(crate) use self::join::joined;
use self::place::{Places, place};
use self::references::{Named, each, is_conditional, plain, rename};
use super::builder::resource;
use super::names::pascal;
use super::{Tree, map};

/// CloudFormation's limits for one template
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>).
const RESOURCES: usize = 500;
const OUTPUTS: usize = 200;
const PARAMETERS: usize = 200;

/// The type of a nested stack, and the property with its template.
const STACK: &str = "AWS::CloudFormation::Stack";
const TEMPLATE: &str = "TemplateURL";

/// The member of the metadata of a nested stack that this module has made.
const NESTED: &str = "NestedFunctions";

/// The function to which a resource belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The logical id of the function.
    pub(crate) function: String,
    pub(crate) service: String,
}

/// The resources that belong to one function, by their logical ids. All others are shared.
pub(crate) type Owners = BTreeMap<String, Owner>;

/// Returns the nested stacks of a template, by their logical ids, each with its own template. In a template that AWS has, that is the
/// URL of a file.
pub(crate) fn nested(template: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let resources = template["Resources"].as_object().into_iter().flatten();
    resources.filter(|(_, one)| is_nested(one)).map(|(id, one)| (id, &one["Properties"][TEMPLATE]))
}

/// The same, to change the templates.
pub(crate) fn nested_mut(template: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    let resources = template.get_mut("Resources").and_then(Value::as_object_mut).into_iter().flatten();
    resources
        .filter(|(_, one)| is_nested(one))
        .filter_map(|(id, one)| Some((id, one.get_mut("Properties")?.get_mut(TEMPLATE)?)))
}

fn is_nested(resource: &Value) -> bool {
    resource["Type"] == STACK && resource["Metadata"][NESTED] == true
}

/// Divides a template if it is too large for one stack, or was before. `before` is the template that the stack has: whole, as
/// this function returns it.
///
/// # Errors
/// Lists the limits that the stacks exceed.
pub(crate) fn divided(tree: Tree, owners: &Owners, before: Option<&Value>) -> Result<Tree, Vec<String>> {
    let was_divided = before.is_some_and(|before| nested(before).next().is_some());
    let sections = match plain(tree.clone()) {
        Tree::Map(sections) if was_divided || size(&sections) > RESOURCES => sections,
        _ => return Ok(tree),
    };
    let mut sections: BTreeMap<String, Tree> = sections.into_iter().collect();
    let mut section = |name: &str| match sections.remove(name) {
        Some(Tree::Map(members)) => members,
        _ => Vec::new(),
    };
    let whole = Whole {
        resources: section("Resources"),
        parameters: section("Parameters"),
        conditions: section("Conditions"),
        outputs: section("Outputs"),
    };
    let places = place(&whole.resources, owners, before);
    let divided = whole.divide(&places)?;
    let heads = ["AWSTemplateFormatVersion", "Description"];
    let heads = heads.map(|name| (name.to_owned(), sections.remove(name).unwrap_or_else(|| "".into())));
    Ok(Tree::Map(heads.into())
        .with("Parameters", Tree::Map(whole.parameters).filled())
        .with("Conditions", Tree::Map(whole.conditions).filled())
        .with("Resources", Some(Tree::Map(divided.resources)))
        .with("Outputs", Tree::Map(divided.outputs).filled()))
}

/// Takes the templates of the nested stacks out of a divided one, and puts in the place of each what `link` returns for the logical
/// id of its stack.
pub(crate) fn separated(tree: &mut Tree, link: impl Fn(&str) -> String) -> Vec<(String, Tree)> {
    let mut found = Vec::new();
    for (id, resource) in member_mut(tree, "Resources").into_iter().flat_map(members_mut) {
        let is_ours = member_mut(resource, "Metadata").is_some_and(|data| member_mut(data, NESTED).is_some());
        let template =
            member_mut(resource, "Properties").and_then(|properties| member_mut(properties, TEMPLATE));
        if let (true, Some(template)) = (is_ours, template) {
            found.push((id.clone(), std::mem::replace(template, link(id).into())));
        }
    }
    found
}

/// Returns the functions of a template that would be in other stacks than they are. Both templates are whole.
#[cfg(any(feature = "aws", test))]
pub(crate) fn moved(before: &Value, template: &Value) -> Vec<String> {
    let (was, is) = (place::stacks(before), place::stacks(template));
    let differs = |id: &&String| was.get(*id).is_some_and(|stack| is.get(*id) != Some(stack));
    is.keys().filter(differs).cloned().collect()
}

/// The sections of a template for one stack.
struct Whole {
    resources: Vec<(String, Tree)>,
    parameters: Vec<(String, Tree)>,
    conditions: Vec<(String, Tree)>,
    outputs: Vec<(String, Tree)>,
}

struct Divided {
    resources: Vec<(String, Tree)>,
    outputs: Vec<(String, Tree)>,
}

/// Names for values that go from one stack into another. A name stands for one reference only.
struct Names<'a> {
    /// The logical ids of the whole template.
    taken: BTreeSet<&'a str>,
    known: BTreeMap<Named, String>,
}

impl Names<'_> {
    /// Returns the name of a reference. What has a name of its own keeps it, so most of a nested template reads as before.
    fn of(&mut self, named: &Named) -> String {
        if let Some(known) = self.known.get(named) {
            return known.clone();
        }
        let name = match &named.attribute {
            None if !named.name.contains(':') => return named.name.clone(),
            None => pascal(named.name.rsplit(':').next().unwrap_or_default()),
            Some(attribute) => format!("{}{}", named.name, pascal(attribute)),
        };
        let numbered = (2..).map(|number| format!("{name}{number}"));
        let is_free = |name: &String| {
            !self.taken.contains(name.as_str()) && !self.known.values().any(|known| known == name)
        };
        let name = std::iter::once(name.clone()).chain(numbered).find(is_free).unwrap_or_default();
        self.known.insert(named.clone(), name.clone());
        name
    }
}

/// The values that a nested stack gives to others, by their names.
type Exports = BTreeMap<String, BTreeMap<String, Named>>;

impl Whole {
    fn divide(&self, places: &Places) -> Result<Divided, Vec<String>> {
        let ids = self.resources.iter().chain(&self.parameters).map(|(id, _)| id.as_str());
        let mut names = Names { taken: ids.collect(), known: BTreeMap::new() };
        let mut problems: Vec<String> = places
            .stacks()
            .filter(|stack| names.taken.contains(stack))
            .map(|stack| {
                format!("the template has `{stack}` already, which is the name of a nested stack: rename it")
            })
            .collect();
        let (mut exports, mut imports) = (Exports::new(), BTreeMap::<&str, BTreeMap<String, Named>>::new());
        let mut inner: BTreeMap<&str, Vec<(String, Tree)>> = BTreeMap::new();
        let mut conditional: BTreeSet<&str> = BTreeSet::new();
        let mut own = Vec::new();
        for (id, resource) in &self.resources {
            match places.of(id) {
                None => own.push((id.clone(), resource.clone())),
                Some(stack) => {
                    let mut resource = resource.clone();
                    let imports = imports.entry(stack).or_default();
                    import(&mut resource, places, stack, &mut names, imports);
                    if is_conditional(&resource) {
                        conditional.insert(stack);
                    }
                    inner.entry(stack).or_default().push((id.clone(), resource));
                }
            }
        }
        let mut outputs = self.outputs.clone();
        for (_, tree) in own.iter_mut().chain(&mut outputs) {
            rename(tree, &mut |named| export(named, places, &mut names, &mut exports));
        }
        let mut conditions: BTreeMap<&str, Tree> = BTreeMap::new();
        for stack in conditional {
            let mut tree = Tree::Map(self.conditions.clone());
            import(&mut tree, places, stack, &mut names, imports.entry(stack).or_default());
            conditions.insert(stack, tree);
        }
        // What one nested stack gets from another one comes through the stack itself.
        let passed: BTreeMap<&str, Vec<(String, Tree)>> = imports
            .into_iter()
            .map(|(stack, imports)| {
                let mut value =
                    |named: Named| export(&named, places, &mut names, &mut exports).unwrap_or(named).tree();
                (stack, imports.into_iter().map(|(name, named)| (name, value(named))).collect())
            })
            .collect();
        for (stack, resources) in inner {
            let passed = passed.get(stack).cloned().unwrap_or_default();
            let given = exports.remove(stack).unwrap_or_default();
            for (count, limit, what) in [
                (resources.len(), RESOURCES, "resources"),
                (passed.len(), PARAMETERS, "parameters"),
                (given.len(), OUTPUTS, "outputs"),
            ] {
                if count > limit {
                    problems.push(format!(
                        "the nested stack `{stack}` has {count} {what}, and AWS allows {limit}: divide the application into \
                         several, each with an eg.toml"
                    ));
                }
            }
            let parameter = |(name, _): &(String, Tree)| (name.clone(), map! { "Type" => "String" });
            let output = |(name, named): (String, Named)| (name, map! { "Value" => named.tree() });
            let template = map! {
                "AWSTemplateFormatVersion" => "2010-09-09",
                "Description" => format!("{stack}, a part of the application"),
            }
            .with("Parameters", Tree::Map(passed.iter().map(parameter).collect()).filled())
            .with("Conditions", conditions.remove(stack))
            .with("Resources", Some(Tree::Map(resources)))
            .with("Outputs", Tree::Map(given.into_iter().map(output).collect()).filled());
            let properties = map! { TEMPLATE => template }.with("Parameters", Tree::Map(passed).filled());
            let mut nested = resource(STACK, properties);
            if let Tree::Map(members) = &mut nested {
                members.insert(1, ("Metadata".to_owned(), map! { NESTED => true }));
            }
            own.push((stack.to_owned(), nested));
        }
        if own.len() > RESOURCES {
            problems.push(format!(
                "the stack has {} resources besides those of its nested stacks, and AWS allows {RESOURCES}: divide the \
                 application into several, each with an eg.toml{}",
                own.len(),
                if places.keeps_functions() {
                    "; or exclude a function for one deployment, then it goes into a nested stack with the next one"
                } else {
                    ""
                }
            ));
        }
        problems.extend(circle(&own));
        if problems.is_empty() { Ok(Divided { resources: own, outputs }) } else { Err(problems) }
    }
}

/// Makes parameters of what a resource in a nested stack refers to outside of it.
fn import(
    tree: &mut Tree,
    places: &Places,
    stack: &str,
    names: &mut Names<'_>,
    imports: &mut BTreeMap<String, Named>,
) {
    rename(tree, &mut |named| {
        let is_of_stack = matches!(named.name.as_str(), "AWS::StackName" | "AWS::StackId");
        let is_of_aws = named.name.starts_with("AWS::") && !is_of_stack;
        if is_of_aws || places.of(&named.name) == Some(stack) {
            return None;
        }
        let name = names.of(named);
        imports.insert(name.clone(), named.clone());
        Some(Named::whole(&name))
    });
}

/// Returns how the stack itself refers to what is in a nested one. `None`: it is not in one.
fn export(named: &Named, places: &Places, names: &mut Names<'_>, exports: &mut Exports) -> Option<Named> {
    let stack = places.of(&named.name)?;
    let name = names.of(named);
    exports.entry(stack.to_owned()).or_default().insert(name.clone(), named.clone());
    Some(Named::attribute(stack, &format!("Outputs.{name}")))
}

/// Returns the problem with resources of a stack that wait for each other.
fn circle(resources: &[(String, Tree)]) -> Option<String> {
    let mut waits: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (id, tree) in resources {
        // The template of a nested stack refers to nothing outside of it.
        let mut shallow = tree.clone();
        if let Some(properties) = member_mut(&mut shallow, "Properties")
            && let Tree::Map(members) = properties
        {
            members.retain(|(key, value)| key != TEMPLATE || !matches!(value, Tree::Map(_)));
        }
        let names = waits.entry(id).or_default();
        each(&shallow, &mut |named| names.extend([named.name.clone()]));
    }
    // What waits for nothing that is left can be made; what is left in the end is a circle, or waits for one.
    loop {
        let known: BTreeSet<String> = waits.keys().map(|id| (*id).to_owned()).collect();
        let before = waits.len();
        waits.retain(|_, names| names.iter().any(|name| known.contains(name)));
        if waits.len() == before {
            break;
        }
    }
    let names: Vec<&str> = waits.into_keys().collect();
    (!names.is_empty()).then(|| {
        format!(
            "{} refer to each other across nested stacks: exclude one of their functions for one deployment, then it is placed anew",
            eg_grammar::list(&names)
        )
    })
}

/// Returns the number of resources of a template with these sections.
fn size(sections: &[(String, Tree)]) -> usize {
    match sections.iter().find(|(name, _)| name == "Resources") {
        Some((_, Tree::Map(resources))) => resources.len(),
        _ => 0,
    }
}

fn member_mut<'a>(tree: &'a mut Tree, name: &str) -> Option<&'a mut Tree> {
    members_mut(tree).find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn members_mut(tree: &mut Tree) -> impl Iterator<Item = (&mut String, &mut Tree)> {
    let members = if let Tree::Map(members) = tree { members.as_mut_slice() } else { &mut [] };
    members.iter_mut().map(|(key, value)| (key, value))
}

#[cfg(test)]
mod tests;
