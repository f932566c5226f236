//! Shapes: constants that describe the JSON that serde produces.

use std::fmt;

use super::{Writer, write};

/// The shape of a JSON value. Displays as JSON Schema.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Any JSON.
    Any,
    /// No value.
    Never,
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// An integer.
    Integer {
        /// The minimum.
        min: Option<i64>,
        /// The maximum.
        max: Option<i64>,
    },
    /// A number.
    Number,
    /// A string.
    String {
        /// The format in the sense of JSON Schema, for example `date-time`.
        format: Option<&'static str>,
    },
    /// A string of one character.
    Char,
    /// One of these strings.
    Words(&'static [&'static str]),
    /// This shape or `null`.
    Optional(&'static Shape),
    /// An array whose items have one shape.
    List {
        /// The shape of each item.
        items: &'static Shape,
        /// Whether all items are different.
        unique: bool,
        /// The number of items, if it is fixed.
        length: Option<usize>,
    },
    /// An array with one shape per position.
    Tuple(&'static [&'static Shape]),
    /// An object with arbitrary names.
    Map {
        /// The shape of the names, which are strings.
        keys: &'static Shape,
        /// The shape of each value.
        values: &'static Shape,
    },
    /// An object with known names.
    Object {
        /// Its members.
        parts: &'static [Part],
        /// Whether other members are forbidden.
        closed: bool,
    },
    /// One of several shapes.
    AnyOf(&'static [&'static Shape]),
    /// Another shape with a description.
    Described {
        /// The description.
        text: &'static str,
        /// The shape.
        shape: &'static Shape,
    },
    /// Another shape, whose values the gateway masks for everybody but functions.
    Sensitive(&'static Shape),
    /// Another shape that serde requires to be present even if it may be `null`.
    Newtype(&'static Shape),
}

/// A part of an object.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    /// One member.
    Field(Field),
    /// All members of this shape, which must be an object (serde's `flatten`).
    Flat(&'static Shape),
}

/// One member of an object.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// The description; empty if there is none.
    pub doc: &'static str,
    /// Its shape.
    pub shape: &'static Shape,
    /// Whether it is required.
    pub presence: Presence,
}

/// Whether a member is required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The member is required.
    Required,
    /// The member may be absent.
    Optional,
    /// The member may be absent if its shape is [`Shape::Optional`].
    AsShape,
}

impl Shape {
    /// A string.
    pub const STRING: Self = Self::String { format: None };

    /// Returns whether serde accepts an absent value.
    pub(super) const fn may_be_missing(&self) -> bool {
        match self {
            Self::Optional(_) => true,
            Self::Described { shape, .. } | Self::Sensitive(shape) => shape.may_be_missing(),
            _ => false,
        }
    }
}

impl Field {
    pub(super) const fn is_required(&self) -> bool {
        match self.presence {
            Presence::Required => true,
            Presence::Optional => false,
            Presence::AsShape => !self.shape.may_be_missing(),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut measure = Writer::measure();
        write(&mut measure, self);
        let mut bytes = vec![0; measure.len()];
        write(&mut Writer::new(&mut bytes), self);
        f.write_str(&String::from_utf8_lossy(&bytes))
    }
}
