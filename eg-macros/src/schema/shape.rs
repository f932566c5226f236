//! The model of a shape: like `eg_sdk::schema::Shape`, with types instead of their shapes.

use syn::Type;

/// The JSON of a type.
#[derive(Clone)]
pub(crate) enum Shape {
    /// The JSON of this type.
    Of(Box<Type>),
    Any,
    Never,
    Null,
    /// A string with an optional format.
    Text(Option<String>),
    Words(Vec<String>),
    Tuple(Vec<Self>),
    Object {
        parts: Vec<Part>,
        closed: bool,
    },
    AnyOf(Vec<Self>),
    Newtype(Box<Self>),
    Sensitive(Box<Self>),
    Described(String, Box<Self>),
}

/// Members of an object.
#[derive(Clone)]
pub(crate) enum Part {
    Field { name: String, doc: String, shape: Shape, presence: Presence },
    Flat(Shape),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Required,
    Optional,
    AsShape,
}

impl Shape {
    /// Adds all types in it to `types`.
    pub(super) fn types<'a>(&'a self, types: &mut Vec<&'a Type>) {
        match self {
            Self::Of(ty) => types.push(ty),
            Self::Newtype(inner) | Self::Sensitive(inner) | Self::Described(_, inner) => inner.types(types),
            Self::Tuple(shapes) | Self::AnyOf(shapes) => shapes.iter().for_each(|shape| shape.types(types)),
            Self::Object { parts, .. } => parts.iter().for_each(|part| match part {
                Part::Field { shape, .. } | Part::Flat(shape) => shape.types(types),
            }),
            Self::Any | Self::Never | Self::Null | Self::Text(_) | Self::Words(_) => {}
        }
    }

    pub(super) fn described(self, doc: String) -> Self {
        if doc.is_empty() { self } else { Self::Described(doc, Box::new(self)) }
    }

    /// One of `shapes`.
    pub(super) fn any_of(mut shapes: Vec<Self>) -> Self {
        match (shapes.pop(), shapes.is_empty()) {
            (None, _) => Self::Never,
            (Some(only), true) => only,
            (Some(last), false) => {
                shapes.push(last);
                Self::AnyOf(shapes)
            }
        }
    }
}

impl Part {
    /// A member that identifies the variant.
    pub(super) fn tag(name: &str, shape: Shape) -> Self {
        Self::Field { name: name.to_owned(), doc: String::new(), shape, presence: Presence::Required }
    }
}
