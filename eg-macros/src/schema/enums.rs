//! Models enums as shapes, in serde's four representations.

use syn::{Fields, Variant};

use super::own::{self, Own};
use super::rename::Rule;
use super::serde::Serde;
use super::shape::{Part, Presence, Shape};
use super::{Container, structs};
use crate::doc::doc;
use crate::errors::Errors;

/// A variant with its attributes.
struct Read {
    /// Its name and aliases; empty for the `other` variant.
    names: Option<Vec<String>>,
    doc: String,
    untagged: bool,
    /// Whether it is a unit variant.
    unit: bool,
    /// The shape of its content.
    content: Shape,
    /// Whether serde reads absent content as `None`.
    newtype: bool,
}

pub(super) fn read<'a>(
    variants: impl Iterator<Item = &'a Variant>,
    container: &Container,
    errors: &mut Errors,
) -> Shape {
    let variants: Vec<Read> = variants.filter_map(|one| variant(one, container, errors)).collect();
    // Unit variants form one list.
    let bare =
        |variant: &Read| variant.unit && !variant.untagged && container.tag.is_none() && !container.untagged;
    let words: Vec<String> =
        variants.iter().filter(|one| bare(one)).filter_map(|one| one.names.clone()).flatten().collect();
    let mut shapes = if words.is_empty() { Vec::new() } else { vec![Shape::Words(words)] };
    for variant in variants.iter().filter(|one| !bare(one) || one.names.is_none()) {
        for shape in alternatives(variant, container) {
            shapes.push(shape.described(variant.doc.clone()));
        }
    }
    Shape::any_of(shapes)
}

fn variant(variant: &Variant, container: &Container, errors: &mut Errors) -> Option<Read> {
    let serde = Serde::read(&variant.attrs, errors);
    if serde.has("skip") {
        return None;
    }
    let own = Own::read(&variant.attrs, &own::KEYS, errors);
    let known = [
        "rename",
        "alias",
        "rename_all",
        "other",
        "untagged",
        "skip_serializing",
        "skip_deserializing",
        "bound",
        "borrow",
    ];
    serde.check(&structs::known(&own, &known), errors);
    for mark in variant.attrs.iter().filter(|attribute| attribute.path().is_ident("event")) {
        errors.at(
            mark,
            "a variant cannot be sensitive as a whole: mark its fields, or the field that has the enum",
        );
    }
    if own.shape().is_some() {
        Own::refuse_marks_of(&variant.fields, own::STATED, errors);
    }
    let rule = serde.rule("rename_all", errors).or(container.rename_all_fields);
    let content = own.shape().unwrap_or_else(|| content(&variant.fields, rule, container, errors));
    let name = serde.text("rename", errors).unwrap_or_else(|| container.rename_all.variant(&variant.ident));
    let names: Vec<String> = std::iter::once(name).chain(serde.texts("alias", errors)).collect();
    let newtype = matches!(&variant.fields, Fields::Unnamed(fields) if fields.unnamed.len() == 1);
    if let (Some(tag), None, Fields::Unnamed(fields)) = (&container.tag, &container.content, &variant.fields)
        && !newtype
        && own.shape().is_none()
    {
        errors.at(fields, format!("a variant without field names cannot contain the tag `{tag}`: name its fields, or add `content = \"…\"`"));
    }
    Some(Read {
        names: (!serde.has("other")).then_some(names),
        doc: doc(&variant.attrs),
        untagged: serde.has("untagged") || container.untagged,
        unit: matches!(variant.fields, Fields::Unit),
        content,
        newtype,
    })
}

/// Returns the shape of a variant's fields. A newtype variant has the shape of its field.
fn content(fields: &Fields, rule: Rule, container: &Container, errors: &mut Errors) -> Shape {
    match structs::fields(fields, rule, container, errors) {
        Shape::Newtype(inner) => *inner,
        other => other,
    }
}

fn alternatives(variant: &Read, container: &Container) -> Vec<Shape> {
    let Read { names, unit, content, .. } = variant;
    if variant.untagged {
        return vec![content.clone()];
    }
    let closed = container.closed;
    let name = names.clone().map_or(Shape::Text(None), Shape::Words);
    match (&container.tag, &container.content) {
        (None, _) if *unit => vec![name],
        (None, _) => {
            let object =
                |name: &String| Shape::Object { parts: vec![Part::tag(name, content.clone())], closed: true };
            names.iter().flatten().map(object).collect()
        }
        (Some(tag), None) => {
            let mut parts = vec![Part::tag(tag, name)];
            match content {
                Shape::Object { parts: own, .. } => parts.extend(own.iter().cloned()),
                Shape::Null => {}
                other => parts.push(Part::Flat(other.clone())),
            }
            vec![Shape::Object { parts, closed }]
        }
        (Some(tag), Some(member)) => {
            let mut parts = vec![Part::tag(tag, name)];
            if !unit {
                let presence = if variant.newtype { Presence::AsShape } else { Presence::Required };
                let (name, doc, shape) = (member.clone(), String::new(), content.clone());
                parts.push(Part::Field { name, doc, shape, presence });
            }
            vec![Shape::Object { parts, closed }]
        }
    }
}
