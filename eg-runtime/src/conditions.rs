//! Compares the conditions of a subscription (`where(…)`) with the type of its event: in constants, so that a mistake is an
//! error at its token, and with an event where the runtime itself decides which functions get it. `eg-macros` makes all checks
//! that need no types.

use eg_sdk::pattern::{Pattern, filterable};
use eg_sdk::schema::{Part, Shape};
use eg_sdk::{CloudEvent, Data};

use crate::checks::{Message, equal};
use crate::probe::{Direction, Events};

/// Returns whether an event matches the pattern of a subscription.
#[must_use]
pub fn takes(pattern: &str, event: &CloudEvent<Data>) -> bool {
    let pattern = serde_json::from_str(pattern).ok().and_then(|pattern| Pattern::read(&pattern).ok());
    pattern.is_some_and(|pattern| pattern.check(&filterable(event)).is_ok())
}

/// What a field is compared with.
#[derive(Debug, Clone, Copy)]
pub enum Operand {
    /// A text, all of it.
    Text(&'static str),
    /// A part of a text, or what stands for several.
    Pattern,
    /// A whole number.
    Integer(i128),
    /// Another number.
    Fraction,
    /// `true` or `false`.
    Flag,
    /// `null`.
    Null,
}

/// Checks that the data of an event type has the field, and that the field has no fields of its own.
///
/// # Panics
/// If it does not.
#[track_caller]
pub const fn check_field(events: &[Events], event_type: &str, path: &[&str]) {
    let Some(shape) = shape_of(events, event_type) else { return };
    match find(shape, path, 1) {
        Found::Field(shape) => {
            if let Some(parts) = members(shape) {
                let mut message = Message::new();
                message.add(&["`"]);
                add_path(&mut message, path, path.len());
                message.add(&["` has fields of its own: name one of them, "]);
                add_fields(&mut message, parts);
                message.fail();
            }
        }
        Found::Nothing { within, depth } => {
            let mut message = Message::new();
            if let Some(parts) = members(within) {
                message.add(&["the data of `", event_type, "` has no field `"]);
                add_path(&mut message, path, depth + 1);
                message.add(&["`"]);
                if let Some(near) = near(path[depth], parts) {
                    message.add(&[" (did you mean `", near, "`?)"]);
                }
                message.add(&[": the fields there are "]);
                add_fields(&mut message, parts);
            } else {
                message.add(&["`"]);
                add_path(&mut message, path, depth);
                message.add(&["` is ", name_of(within), ", which has no field `", path[depth], "`"]);
            }
            message.fail();
        }
    }
}

/// Checks that a field of the data of an event type can be compared with an operand. [`check_field`] reports a field that
/// is missing.
///
/// # Panics
/// If the comparison could never hold.
#[track_caller]
pub const fn check_operand(events: &[Events], event_type: &str, path: &[&str], operand: Operand) {
    let Some(shape) = known(events, event_type) else { return };
    let Found::Field(shape) = find(shape, path, 1) else { return };
    if members(shape).is_some() || accepts(shape, operand) {
        return;
    }
    let shape = value(shape);
    let mut message = Message::new();
    message.add(&["`"]);
    add_path(&mut message, path, path.len());
    message.add(&["` is "]);
    match (shape, operand) {
        (Shape::Words(words), Operand::Text(text)) => {
            message.add(&["never \"", text, "\""]);
            if let Some(near) = nearest(text, words) {
                message.add(&[" (did you mean \"", near, "\"?)"]);
            }
            message.add(&[": its values are "]);
            let mut i = 0;
            while i < words.len() {
                message.add(&[if i == 0 { "\"" } else { ", \"" }, words[i], "\""]);
                i += 1;
            }
        }
        (Shape::Integer { .. }, Operand::Integer(_)) => {
            message.add(&["an integer whose type cannot have this value"]);
        }
        (Shape::Integer { .. }, Operand::Fraction) => {
            message.add(&["an integer, and this is a fraction"]);
        }
        (shape, operand) => {
            message.add(&[name_of(shape), ", and this is ", operand.name()]);
        }
    }
    message.fail();
}

/// Checks that a name is not that of a field of the data, which was probably meant.
///
/// # Panics
/// If it is.
#[track_caller]
pub const fn check_extension(events: &[Events], event_type: &str, path: &[&str]) {
    let Some(shape) = known(events, event_type) else { return };
    let Some(parts) = members(shape) else { return };
    if let Found::Field(_) = find_in(parts, path, 0) {
        let parts =
            ["`", path[0], "` is a field of the data of `", event_type, "`: write `data.", path[0], "`"];
        Message::new().add(&parts).fail();
    }
}

impl Operand {
    const fn name(self) -> &'static str {
        match self {
            Self::Text(_) | Self::Pattern => "a text",
            Self::Integer(_) | Self::Fraction => "a number",
            Self::Flag => "`true` or `false`",
            Self::Null => "`null`",
        }
    }
}

/// Returns the shape of the data of an event type; `None` if the type has no schema.
///
/// # Panics
/// If nothing says what the data is.
#[track_caller]
const fn shape_of(events: &[Events], event_type: &str) -> Option<&'static Shape> {
    match lookup(events, event_type) {
        Some(schema) => schema,
        None => Message::new()
            .add(&[
                "nothing says which fields the data of `",
                event_type,
                "` has: subscribe by its type, as in `#[subscribe(OrderPlaced, …)]`, or take a `CloudEvent` of the type",
            ])
            .fail(),
    }
}

/// Returns the shape of the data of an event type, if it is known.
const fn known(events: &[Events], event_type: &str) -> Option<&'static Shape> {
    match lookup(events, event_type) {
        Some(schema) => schema,
        None => None,
    }
}

const fn lookup(events: &[Events], event_type: &str) -> Option<Option<&'static Shape>> {
    let mut i = 0;
    while i < events.len() {
        let Events { direction, types, schemas, .. } = &events[i];
        let mut j = 0;
        while matches!(direction, Direction::Received) && j < types.len() {
            if equal(types[j], event_type) {
                return Some(schemas[j]);
            }
            j += 1;
        }
        i += 1;
    }
    None
}

#[derive(Clone, Copy)]
enum Found {
    Field(&'static Shape),
    /// `within` has no member with the name at `depth` of the path.
    Nothing {
        within: &'static Shape,
        depth: usize,
    },
}

/// Finds the rest of a path, from `depth` on.
const fn find(shape: &'static Shape, path: &[&str], depth: usize) -> Found {
    if depth == path.len() {
        return Found::Field(shape);
    }
    match shape {
        Shape::Any => Found::Field(shape),
        Shape::Optional(inner)
        | Shape::Described { shape: inner, .. }
        | Shape::Sensitive(inner)
        | Shape::Newtype(inner)
        | Shape::List { items: inner, .. } => find(inner, path, depth),
        Shape::Map { values, .. } => find(values, path, depth + 1),
        Shape::Object { parts, .. } => match find_in(parts, path, depth) {
            // Reported with all fields of the object.
            Found::Nothing { depth: nearest, .. } if nearest == depth => {
                Found::Nothing { within: shape, depth }
            }
            found => found,
        },
        Shape::AnyOf(shapes) | Shape::Tuple(shapes) => {
            let mut best = Found::Nothing { within: shape, depth };
            let mut i = 0;
            while i < shapes.len() {
                best = better(best, find(shapes[i], path, depth));
                i += 1;
            }
            best
        }
        _ => Found::Nothing { within: shape, depth },
    }
}

const fn find_in(parts: &'static [Part], path: &[&str], depth: usize) -> Found {
    let mut best = Found::Nothing { within: &Shape::Never, depth };
    let mut i = 0;
    while i < parts.len() {
        match &parts[i] {
            Part::Field(field) => {
                if equal(field.name, path[depth]) {
                    return find(field.shape, path, depth + 1);
                }
            }
            Part::Flat(shape) => best = better(best, find(shape, path, depth)),
        }
        i += 1;
    }
    best
}

const fn better(one: Found, other: Found) -> Found {
    match (one, other) {
        (Found::Field(_), _) => one,
        (_, Found::Field(_)) => other,
        (Found::Nothing { depth: first, within }, Found::Nothing { depth: second, .. }) => {
            // An object says which fields there are.
            if second > first || (second == first && members(within).is_none()) { other } else { one }
        }
    }
}

/// Returns the shape of a value that is no list and is present.
const fn value(shape: &'static Shape) -> &'static Shape {
    match shape {
        Shape::Optional(inner)
        | Shape::Described { shape: inner, .. }
        | Shape::Sensitive(inner)
        | Shape::Newtype(inner)
        | Shape::List { items: inner, .. } => value(inner),
        shape => shape,
    }
}

/// Returns the members of an object.
const fn members(shape: &'static Shape) -> Option<&'static [Part]> {
    match value(shape) {
        Shape::Object { parts, .. } => Some(parts),
        _ => None,
    }
}

/// Returns whether a value of this shape can be equal to the operand, match it, or be on both sides of it.
const fn accepts(shape: &'static Shape, operand: Operand) -> bool {
    match (shape, operand) {
        (Shape::Optional(_) | Shape::Null, Operand::Null) | (Shape::Any, _) => true,
        (
            Shape::Optional(inner)
            | Shape::Described { shape: inner, .. }
            | Shape::Sensitive(inner)
            | Shape::Newtype(inner)
            | Shape::List { items: inner, .. },
            _,
        ) => accepts(inner, operand),
        (Shape::AnyOf(shapes) | Shape::Tuple(shapes), _) => {
            let mut i = 0;
            while i < shapes.len() {
                if accepts(shapes[i], operand) {
                    return true;
                }
                i += 1;
            }
            false
        }
        (Shape::Words(words), Operand::Text(text)) => {
            let mut i = 0;
            while i < words.len() {
                if equal(words[i], text) {
                    return true;
                }
                i += 1;
            }
            false
        }
        (Shape::Integer { min, max }, Operand::Integer(number)) => {
            let above = match min {
                Some(min) => number >= *min as i128,
                None => true,
            };
            let below = match max {
                Some(max) => number <= *max as i128,
                None => true,
            };
            above && below
        }
        (Shape::Bool, Operand::Flag)
        | (Shape::Number, Operand::Integer(_) | Operand::Fraction)
        | (Shape::String { .. } | Shape::Char, Operand::Text(_) | Operand::Pattern)
        | (Shape::Words(_), Operand::Pattern) => true,
        _ => false,
    }
}

const fn name_of(shape: &'static Shape) -> &'static str {
    match value(shape) {
        Shape::Any => "any JSON",
        Shape::Never => "never present",
        Shape::Null => "`null`",
        Shape::Bool => "`true` or `false`",
        Shape::Integer { .. } => "an integer",
        Shape::Number => "a number",
        Shape::String { .. } | Shape::Char => "a text",
        Shape::Words(_) => "one of several texts",
        Shape::Map { .. } | Shape::Object { .. } => "an object",
        _ => "one of several types",
    }
}

/// Adds the first `length` names of a path.
const fn add_path(message: &mut Message, path: &[&str], length: usize) {
    let mut i = 0;
    while i < length {
        message.add(&[if i == 0 { "" } else { "." }, path[i]]);
        i += 1;
    }
}

const fn add_fields(message: &mut Message, parts: &'static [Part]) {
    let (mut i, mut added) = (0, false);
    while i < parts.len() {
        match &parts[i] {
            Part::Field(field) => message.add(&[if added { ", `" } else { "`" }, field.name, "`"]),
            Part::Flat(_) => message.add(&[if added { ", " } else { "" }, "and those of a flattened type"]),
        };
        added = true;
        i += 1;
    }
}

/// Returns the field that was probably meant.
const fn near(name: &str, parts: &'static [Part]) -> Option<&'static str> {
    let (mut i, mut best, mut least) = (0, None, usize::MAX);
    while i < parts.len() {
        if let Part::Field(field) = &parts[i] {
            let distance = distance(name, field.name);
            if distance < least && distance <= name.len() / 3 + 1 {
                least = distance;
                best = Some(field.name);
            }
        }
        i += 1;
    }
    best
}

/// Returns the word that was probably meant.
const fn nearest(text: &str, words: &[&'static str]) -> Option<&'static str> {
    let (mut i, mut best, mut least) = (0, None, usize::MAX);
    while i < words.len() {
        let distance = distance(text, words[i]);
        if distance < least && distance <= text.len() / 3 + 1 {
            least = distance;
            best = Some(words[i]);
        }
        i += 1;
    }
    best
}

/// The longest names that are compared, in bytes.
const LONGEST: usize = 40;

/// Returns how many bytes to add, remove or replace. Ignores case, and takes `_` for a letter like any other.
const fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let mut row = [0; LONGEST + 1];
    let mut j = 0;
    while j <= b.len() {
        row[j] = j;
        j += 1;
    }
    let mut i = 0;
    while i < a.len() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        let mut j = 0;
        while j < b.len() {
            let mut best = diagonal + if a[i].eq_ignore_ascii_case(&b[j]) { 0 } else { 1 };
            diagonal = row[j + 1];
            if row[j] + 1 < best {
                best = row[j] + 1;
            }
            if diagonal + 1 < best {
                best = diagonal + 1;
            }
            row[j + 1] = best;
            j += 1;
        }
        i += 1;
    }
    row[b.len()]
}
