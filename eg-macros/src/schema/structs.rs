//! Models structs, and the fields of variants, as shapes.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Field, Fields, Ident, Type};

use super::Container;
use super::own::Own;
use super::rename::Rule;
use super::serde::Serde;
use super::shape::{Part, Presence, Shape};
use crate::doc::doc;
use crate::errors::Errors;

/// Attributes about the presence of a field.
const ABSENCE: [&str; 6] =
    ["default", "flatten", "skip", "skip_serializing", "skip_deserializing", "skip_serializing_if"];

pub(super) fn read(fields: &Fields, container: &Container, errors: &mut Errors) -> Shape {
    if container.transparent {
        return transparent(fields, container, errors);
    }
    let mut shape = self::fields(fields, container.rename_all, container, errors);
    if let (Shape::Object { parts, .. }, Some(tag)) = (&mut shape, &container.tag) {
        parts.insert(0, Part::tag(tag, Shape::Words(vec![container.name.clone()])));
    }
    shape
}

/// Returns the shape of the fields of a struct or variant.
pub(super) fn fields(fields: &Fields, rule: Rule, container: &Container, errors: &mut Errors) -> Shape {
    match fields {
        Fields::Unit => Shape::Null,
        Fields::Named(named) => {
            let parts = named.named.iter().flat_map(|one| field(one, rule, container, errors)).collect();
            Shape::Object { parts, closed: container.closed }
        }
        Fields::Unnamed(unnamed) => {
            let mut shapes: Vec<Shape> =
                unnamed.unnamed.iter().map(|field| element(field, container, errors)).collect();
            match (shapes.pop(), shapes.is_empty()) {
                (Some(only), true) => Shape::Newtype(Box::new(only)),
                (last, _) => {
                    shapes.extend(last);
                    Shape::Tuple(shapes)
                }
            }
        }
    }
}

/// Returns the only field that is not skipped.
fn transparent(fields: &Fields, container: &Container, errors: &mut Errors) -> Shape {
    let mut shape = Shape::Null;
    for field in fields {
        let serde = Serde::read(&field.attrs, errors);
        if serde.has("skip") || name_of(&field.ty).is_some_and(|name| name == "PhantomData") {
            continue;
        }
        let own = Own::of_field(&field.attrs, errors);
        serde.check(&known(&own, &["rename", "alias", "default", "borrow", "bound"]), errors);
        shape = value(field, &own, container, errors);
    }
    shape
}

/// Returns the members of a field; several if it has aliases.
fn field(field: &Field, rule: Rule, container: &Container, errors: &mut Errors) -> Vec<Part> {
    let serde = Serde::read(&field.attrs, errors);
    let own = Own::of_field(&field.attrs, errors);
    if serde.has("skip") {
        return Vec::new();
    }
    serde
        .check(&known(&own, &[ABSENCE.as_slice(), &["rename", "alias", "borrow", "bound"]].concat()), errors);
    let shape = value(field, &own, container, errors);
    if serde.has("flatten") {
        if let Some(mark) = &own.sensitive {
            errors.at(mark, "a flattened field has no name of its own to mask: mark the fields of its type");
        }
        if container.closed {
            serde.refuse(&["flatten"], "and `deny_unknown_fields` do not go together in serde", errors);
        }
        return vec![Part::Flat(shape)];
    }
    let name = serde.text("rename", errors).unwrap_or_else(|| match &field.ident {
        Some(ident) => rule.field(ident),
        None => String::new(),
    });
    let aliases = serde.texts("alias", errors);
    let may_be_missing =
        container.default || !aliases.is_empty() || ABSENCE.iter().any(|name| serde.has(name));
    // A stated JSON may hide that serde reads an absent `Option` as `None`.
    let hidden = own.shape().is_some() && name_of(&field.ty).is_some_and(|name| name == "Option");
    let presence = match serde.reads_by_hand() {
        _ if may_be_missing => Presence::Optional,
        true => Presence::Required,
        false if hidden => Presence::Optional,
        false => Presence::AsShape,
    };
    let doc = doc(&field.attrs);
    let part = |name: String| Part::Field { name, doc: doc.clone(), shape: shape.clone(), presence };
    std::iter::once(name).chain(aliases).map(part).collect()
}

/// Returns the shape of an unnamed field.
fn element(field: &Field, container: &Container, errors: &mut Errors) -> Shape {
    let serde = Serde::read(&field.attrs, errors);
    let own = Own::of_field(&field.attrs, errors);
    serde.refuse(&ABSENCE, "changes the position of later fields: give the fields names", errors);
    serde.check(&known(&own, &[ABSENCE.as_slice(), &["borrow", "bound"]].concat()), errors);
    value(field, &own, container, errors)
}

/// Returns the shape of a field's value.
fn value(field: &Field, own: &Own, container: &Container, errors: &mut Errors) -> Shape {
    own.marked(own.shape().unwrap_or_else(|| derived(field, container, errors)))
}

fn derived(field: &Field, container: &Container, errors: &mut Errors) -> Shape {
    if mentions(field.ty.to_token_stream(), &container.ident) {
        let ident = &container.ident;
        let message = format!(
            "`{ident}` is recursive; schemas cannot describe recursive types: add `#[schema(any)]` here"
        );
        errors.at(&field.ty, message);
        return Shape::Any;
    }
    Shape::Of(Box::new(field.ty.clone()))
}

/// The supported serde attributes; more if the JSON is stated explicitly.
pub(super) fn known<'a>(own: &Own, names: &[&'a str]) -> Vec<&'a str> {
    let custom: &[&str] =
        if own.shape().is_some() { &["with", "serialize_with", "deserialize_with"] } else { &[] };
    [names, custom].concat()
}

/// Returns whether a type names the type that contains it. Types of other modules may have the same name.
fn mentions(ty: TokenStream, ident: &Ident) -> bool {
    let mut behind_colon = false;
    for token in ty {
        match &token {
            TokenTree::Group(group) if mentions(group.stream(), ident) => return true,
            TokenTree::Ident(word) if !behind_colon && (word == ident || word == "Self") => return true,
            _ => {}
        }
        behind_colon = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ':');
    }
    false
}

fn name_of(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    }
}
