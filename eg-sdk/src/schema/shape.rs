//! Shapes: what JSON can be, as far as serde makes it. Constants that refer to each other.

use std::fmt;

use super::{Writer, write};

/// What JSON a value is. Displays as JSON Schema.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Any JSON.
    Any,
    /// None: there is no such value.
    Never,
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer {
        /// The lowest.
        min: Option<i64>,
        /// The highest.
        max: Option<i64>,
    },
    /// A number.
    Number,
    /// A string.
    String {
        /// Its format in the sense of JSON Schema, for example `date-time`.
        format: Option<&'static str>,
    },
    /// A string of one character.
    Char,
    /// One of these strings.
    Words(&'static [&'static str]),
    /// This or `null`.
    Optional(&'static Shape),
    /// An array of items of one shape.
    List {
        /// The shape of each.
        items: &'static Shape,
        /// Whether no two are equal.
        unique: bool,
        /// How many there are, where that is fixed.
        length: Option<usize>,
    },
    /// An array with a shape for each place.
    Tuple(&'static [&'static Shape]),
    /// An object with any names.
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
        /// Whether it has no others.
        closed: bool,
    },
    /// One of several.
    AnyOf(&'static [&'static Shape]),
    /// Another shape, in words.
    Described {
        /// The words.
        text: &'static str,
        /// The shape.
        shape: &'static Shape,
    },
    /// Another shape. But serde wants it to be there even where it may be `null`.
    Newtype(&'static Shape),
}

/// Members of an object.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    /// One.
    Field(Field),
    /// All members of this shape, which must be an object.
    Flat(&'static Shape),
}

/// One member of an object.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it means; empty where nobody said.
    pub doc: &'static str,
    /// Its shape.
    pub shape: &'static Shape,
    /// Whether it has to be there.
    pub presence: Presence,
}

/// Whether a member has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It has to.
    Required,
    /// It may be missing.
    Optional,
    /// It may be missing if its shape is [`Shape::Optional`].
    AsShape,
}

impl Shape {
    /// A string.
    pub const STRING: Self = Self::String { format: None };

    /// Whether serde reads it where nothing is.
    pub(super) const fn may_be_missing(&self) -> bool {
        match self {
            Self::Optional(_) => true,
            Self::Described { shape, .. } => shape.may_be_missing(),
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
