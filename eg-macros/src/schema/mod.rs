//! `#[derive(Schema)]`: derives the JSON of a type from its definition and serde's attributes.
//!
//! Attributes (`serde`, `own`) → model (`shape`, made by `structs` and `enums`) → tokens (`expand`).

mod enums;
mod expand;
mod own;
mod rename;
mod serde;
mod shape;
mod structs;

use proc_macro2::TokenStream;
use syn::{Data, DeriveInput, Path, Result, Type};

use self::own::Own;
use self::rename::Rule;
use self::serde::Serde;
use self::shape::Shape;
use crate::doc::doc;
use crate::errors::Errors;

/// Expands to `impl Schema`, naming the crate `krate`.
pub(crate) fn derive(item: TokenStream, krate: &Path) -> TokenStream {
    let implement = |input: DeriveInput| {
        let mut errors = Errors::default();
        let own = Own::read(&input.attrs, &[own::ON_VALUES.as_slice(), &["crate"]].concat(), &mut errors);
        let krate = own.krate.clone().unwrap_or_else(|| krate.clone());
        let shape = read(&input, &own, &mut errors);
        errors.finish(expand::implementation(&input, &shape, &krate))
    };
    syn::parse2(item).and_then(implement).unwrap_or_else(|error| error.to_compile_error())
}

/// Expands to `impl Schema` for an event, whose own attribute names the crate.
pub(crate) fn of_event(input: &DeriveInput, krate: &Path) -> Result<TokenStream> {
    let mut errors = Errors::default();
    let own = Own::read(&input.attrs, &own::ON_VALUES, &mut errors);
    let shape = read(input, &own, &mut errors);
    errors.finish(expand::implementation(input, &shape, krate))
}

pub(crate) use self::expand::bounded;

/// Refuses to mark anything of an event as sensitive that has no schema.
pub(crate) fn refuse_marks(input: &DeriveInput, errors: &mut Errors) {
    let why = "the schema says what is sensitive, and this event has none: remove `schema = false`, or leave this out";
    let own = Own::read(&input.attrs, &own::ON_VALUES, errors);
    if let Some(mark) = own.sensitive {
        errors.at(mark, why);
    }
    Own::refuse_marks(&input.data, why, errors);
}

/// The container's attributes that affect its contents.
struct Container {
    /// The name that serde uses.
    name: String,
    /// The type's own name, to detect recursion in its fields.
    ident: syn::Ident,
    rename_all: Rule,
    rename_all_fields: Rule,
    tag: Option<String>,
    content: Option<String>,
    untagged: bool,
    /// All members are optional.
    default: bool,
    /// Other members are refused.
    closed: bool,
    transparent: bool,
}

fn read(input: &DeriveInput, own: &Own, errors: &mut Errors) -> Shape {
    own.marked(unmarked(input, own, errors))
}

fn unmarked(input: &DeriveInput, own: &Own, errors: &mut Errors) -> Shape {
    let doc = doc(&input.attrs);
    if let Some(said) = own.shape() {
        Own::refuse_marks(&input.data, own::STATED, errors);
        return said.described(doc);
    }
    let serde = Serde::read(&input.attrs, errors);
    serde.check(
        &[
            "rename",
            "rename_all",
            "rename_all_fields",
            "deny_unknown_fields",
            "tag",
            "content",
            "untagged",
            "default",
            "transparent",
            "from",
            "try_from",
            "into",
            "bound",
            "crate",
            "expecting",
        ],
        errors,
    );
    if let Some(shape) = converted(&serde, errors) {
        Own::refuse_marks(&input.data, own::STATED, errors);
        return shape.described(doc);
    }
    let container = Container {
        name: serde.text("rename", errors).unwrap_or_else(|| rename::unraw(&input.ident)),
        ident: input.ident.clone(),
        rename_all: serde.rule("rename_all", errors),
        rename_all_fields: serde.rule("rename_all_fields", errors),
        tag: serde.text("tag", errors),
        content: serde.text("content", errors),
        untagged: serde.has("untagged"),
        default: serde.has("default"),
        closed: serde.has("deny_unknown_fields"),
        transparent: serde.has("transparent"),
    };
    let shape = match &input.data {
        Data::Struct(data) => structs::read(&data.fields, &container, errors),
        Data::Enum(data) => enums::read(data.variants.iter(), &container, errors),
        Data::Union(union) => {
            errors.at(union.union_token, "a union has no JSON; use a struct or an enum");
            Shape::Any
        }
    };
    shape.described(doc)
}

/// Returns the type that serde reads and writes instead.
fn converted(serde: &Serde, errors: &mut Errors) -> Option<Shape> {
    let from = serde.entry("from").or_else(|| serde.entry("try_from"));
    let into = serde.entry("into");
    let entry = from.or(into)?;
    let text = |entry: &serde::Entry| entry.literal().map(|literal| literal.value());
    if from.and_then(text) != into.and_then(text) {
        errors.at(&entry.meta, format!("serde reads and writes different types here; {}", own::SAY_ON_TYPE));
        return Some(Shape::Any);
    }
    let ty = entry.literal().map(|literal| literal.parse::<Type>());
    ty.and_then(|ty| errors.ok(ty)).map(|ty| Shape::Of(Box::new(ty))).or(Some(Shape::Any))
}
