//! Finds and renames what a value of CloudFormation refers to: `Ref`, `Fn::GetAtt`, `${…}` in `Fn::Sub`, and `DependsOn`.

use serde_json::Value;

use super::super::{Tree, map};

/// What a value refers to: a resource, a parameter or a name of AWS, or an attribute of a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) attribute: Option<String>,
}

impl Named {
    pub(super) fn whole(name: &str) -> Self {
        Self { name: name.to_owned(), attribute: None }
    }

    pub(super) fn attribute(name: &str, attribute: &str) -> Self {
        Self { name: name.to_owned(), attribute: Some(attribute.to_owned()) }
    }

    /// Returns the reference that a value is, if it is one and nothing else.
    pub(super) fn of(value: &Tree) -> Option<Self> {
        let Tree::Map(members) = value else { return None };
        match members.as_slice() {
            [(key, Tree::Text(name))] if key == "Ref" => Some(Self::whole(name)),
            [(key, argument)] if key == "Fn::GetAtt" => Self::of_attribute(argument),
            _ => None,
        }
    }

    /// Reads the argument of `Fn::GetAtt`.
    fn of_attribute(argument: &Tree) -> Option<Self> {
        match argument {
            Tree::Text(text) => text.split_once('.').map(|(name, rest)| Self::attribute(name, rest)),
            Tree::List(parts) => match parts.as_slice() {
                [Tree::Text(name), Tree::Text(attribute)] => Some(Self::attribute(name, attribute)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Reads what is between `${` and `}`.
    fn substituted(text: &str) -> Self {
        match text.trim().split_once('.') {
            Some((name, attribute)) => Self::attribute(name, attribute),
            None => Self::whole(text.trim()),
        }
    }

    /// Returns the reference as a value.
    pub(super) fn tree(&self) -> Tree {
        match &self.attribute {
            Some(attribute) => map! { "Fn::GetAtt" => vec![self.name.as_str(), attribute.as_str()] },
            None => map! { "Ref" => self.name.as_str() },
        }
    }

    fn text(&self) -> String {
        match &self.attribute {
            Some(attribute) => format!("{}.{attribute}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Returns a tree in which nothing is JSON but numbers, flags and nulls.
pub(super) fn plain(tree: Tree) -> Tree {
    match tree {
        Tree::Json(Value::Object(members)) => {
            Tree::Map(members.into_iter().map(|(key, value)| (key, plain(value.into()))).collect())
        }
        Tree::Json(Value::Array(items)) => {
            Tree::List(items.into_iter().map(|item| plain(item.into())).collect())
        }
        Tree::Json(Value::String(text)) => Tree::Text(text),
        Tree::Map(members) => {
            Tree::Map(members.into_iter().map(|(key, value)| (key, plain(value))).collect())
        }
        Tree::List(items) => Tree::List(items.into_iter().map(plain).collect()),
        other => other,
    }
}

/// Gives other names to what a plain tree refers to. `None` leaves a reference as it is.
pub(super) fn rename(tree: &mut Tree, new: &mut impl FnMut(&Named) -> Option<Named>) {
    match tree {
        Tree::List(items) => items.iter_mut().for_each(|item| rename(item, new)),
        Tree::Map(members) => {
            for (key, value) in members.iter_mut() {
                match (key.as_str(), &mut *value) {
                    // Handled below, because the key changes, too.
                    ("Ref" | "Fn::GetAtt", _) => {}
                    ("DependsOn", Tree::Text(name)) => depend(name, new),
                    ("DependsOn", Tree::List(names)) => {
                        for name in names.iter_mut() {
                            if let Tree::Text(name) = name {
                                depend(name, new);
                            }
                        }
                        // Several resources may have become one stack.
                        names.dedup();
                    }
                    ("Fn::Sub", Tree::Text(text)) => *text = substitute(text, &[], new),
                    ("Fn::Sub", Tree::List(parts)) => {
                        let own: Vec<String> = match parts.get(1) {
                            Some(Tree::Map(own)) => own.iter().map(|(name, _)| name.clone()).collect(),
                            _ => Vec::new(),
                        };
                        if let Some(Tree::Text(text)) = parts.first_mut() {
                            *text = substitute(text, &own, new);
                        }
                        parts.iter_mut().skip(1).for_each(|part| rename(part, new));
                    }
                    _ => rename(value, new),
                }
            }
            match Named::of(tree) {
                Some(named) => {
                    if let Some(new) = new(&named) {
                        *tree = new.tree();
                    }
                }
                None => members_of(tree, new),
            }
        }
        _ => {}
    }
}

/// Renames within `Ref` and `Fn::GetAtt` that are more than a reference.
fn members_of(tree: &mut Tree, new: &mut impl FnMut(&Named) -> Option<Named>) {
    let Tree::Map(members) = tree else { return };
    for (_, value) in members.iter_mut().filter(|(key, _)| key == "Ref" || key == "Fn::GetAtt") {
        rename(value, new);
    }
}

fn depend(name: &mut String, new: &mut impl FnMut(&Named) -> Option<Named>) {
    if let Some(new) = new(&Named::whole(name)) {
        *name = new.name;
    }
}

/// Renames in a text with `${…}`, except for names that the text brings itself.
fn substitute(text: &str, own: &[String], new: &mut impl FnMut(&Named) -> Option<Named>) -> String {
    let mut parts = text.split("${");
    let mut renamed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        renamed += "${";
        match part.split_once('}') {
            Some((inner, rest))
                if !inner.starts_with('!') && !own.iter().any(|name| name == inner.trim()) =>
            {
                match new(&Named::substituted(inner)) {
                    Some(named) => renamed += &named.text(),
                    None => renamed += inner,
                }
                renamed.push('}');
                renamed += rest;
            }
            _ => renamed += part,
        }
    }
    renamed
}

/// Calls `found` with everything that a plain tree refers to.
pub(super) fn each(tree: &Tree, found: &mut impl FnMut(&Named)) {
    // A copy costs less than a second walk that must know the same forms.
    let mut copy = tree.clone();
    rename(&mut copy, &mut |named| {
        found(named);
        None
    });
}

/// Whether a plain tree depends on a condition of the template.
pub(super) fn is_conditional(tree: &Tree) -> bool {
    match tree {
        Tree::List(items) => items.iter().any(is_conditional),
        Tree::Map(members) => members.iter().any(|(key, value)| {
            let names_one = key == "Condition" && matches!(value, Tree::Text(_));
            key == "Fn::If" || names_one || is_conditional(value)
        }),
        _ => false,
    }
}
