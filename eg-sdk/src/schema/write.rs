//! Writes shapes as JSON Schema in constants.

use super::Writer;
use super::shape::{Field, Part, Shape};

/// What the context of a shape adds to it.
#[derive(Clone, Copy)]
struct Context<'a> {
    /// A description that replaces its own.
    doc: &'a str,
    /// Whether `null` is allowed, too.
    nullable: bool,
    /// Whether other members are allowed beside its own.
    open: bool,
    /// Whether it is for functions only.
    sensitive: bool,
}

impl Context<'_> {
    /// The context of a shape that stands alone.
    const NONE: Self = Self { doc: "", nullable: false, open: false, sensitive: false };
}

/// The members that an object takes over from a flattened shape.
enum Flat<'a> {
    Parts(&'a [Part]),
    Values(&'a Shape),
    OneOf,
    Anything,
    Nothing,
}

/// Writes `shape` as JSON Schema.
///
/// # Panics
/// If `shape` has no JSON: a map whose keys are not strings, words or whole numbers, or flattened members of a shape that
/// is no object. In a constant, that is an error of the compiler.
pub const fn write(out: &mut Writer<'_>, shape: &Shape) {
    schema(out, shape, Context::NONE);
}

const fn schema(out: &mut Writer<'_>, shape: &Shape, context: Context<'_>) {
    let Context { doc, nullable, open, .. } = context;
    match shape {
        Shape::Described { text, shape } if doc.is_empty() => {
            schema(out, shape, Context { doc: text, ..context });
        }
        Shape::Described { shape, .. } | Shape::Newtype(shape) => schema(out, shape, context),
        Shape::Optional(shape) => schema(out, shape, Context { nullable: true, ..context }),
        Shape::Sensitive(shape) => schema(out, shape, Context { sensitive: true, ..context }),
        Shape::Any => {
            begin(out, context, false).raw("}");
        }
        Shape::Never if !nullable => {
            begin(out, context, true).raw("\"not\":{}}");
        }
        Shape::Never | Shape::Null => {
            typed(out, Context { nullable: false, ..context }, "null").raw("}");
        }
        Shape::Bool => {
            typed(out, context, "boolean").raw("}");
        }
        Shape::Number => {
            typed(out, context, "number").raw("}");
        }
        Shape::Char => {
            typed(out, context, "string").raw(",\"minLength\":1,\"maxLength\":1}");
        }
        Shape::String { format } => {
            typed(out, context, "string");
            if let Some(format) = format {
                out.raw(",\"format\":").text(format);
            }
            out.raw("}");
        }
        Shape::Integer { min, max } => {
            typed(out, context, "integer");
            if let Some(min) = min {
                out.raw(",\"minimum\":").signed(*min);
            }
            if let Some(max) = max {
                out.raw(",\"maximum\":").signed(*max);
            }
            out.raw("}");
        }
        Shape::Words(words) => self::words(begin(out, context, true), words, nullable),
        Shape::List { items, unique, length } => {
            typed(out, context, "array").raw(",\"items\":");
            write(out, items);
            if *unique {
                out.raw(",\"uniqueItems\":true");
            }
            if let Some(length) = length {
                let length = *length as u64;
                out.raw(",\"minItems\":").number(length).raw(",\"maxItems\":").number(length);
            }
            out.raw("}");
        }
        Shape::Tuple(shapes) => tuple(typed(out, context, "array"), shapes),
        Shape::Map { keys, values } => {
            // Names cannot be masked one by one.
            let sensitive = context.sensitive || has_marks(keys);
            names(typed(out, Context { sensitive, ..context }, "object"), keys);
            write(out.raw(",\"additionalProperties\":"), values);
            out.raw("}");
        }
        Shape::Object { parts, closed } => {
            object(typed(out, context, "object"), parts, *closed && !open);
        }
        Shape::AnyOf(shapes) => {
            any_of(begin(out, context, true), shapes, nullable, open);
        }
    }
}

/// Writes the annotations of a schema, and a comma if more follows.
const fn begin<'w, 'a>(out: &'w mut Writer<'a>, context: Context<'_>, more: bool) -> &'w mut Writer<'a> {
    let Context { doc, sensitive, .. } = context;
    out.raw("{");
    if sensitive {
        out.raw("\"writeOnly\":true").raw(if more || !doc.is_empty() { "," } else { "" });
    }
    if !doc.is_empty() {
        out.raw("\"description\":").text(doc).raw(if more { "," } else { "" });
    }
    out
}

/// Writes the start of the schema of a JSON type.
const fn typed<'w, 'a>(out: &'w mut Writer<'a>, context: Context<'_>, ty: &str) -> &'w mut Writer<'a> {
    begin(out, context, true).raw("\"type\":");
    if context.nullable { out.list(&[ty, "null"]) } else { out.text(ty) }
}

const fn words(out: &mut Writer<'_>, words: &[&str], nullable: bool) {
    if let [word] = words
        && !nullable
    {
        out.raw("\"const\":").text(word).raw("}");
        return;
    }
    out.raw("\"enum\":[");
    let mut i = 0;
    while i < words.len() {
        out.comma(i).text(words[i]);
        i += 1;
    }
    if nullable {
        out.comma(i).raw("null");
    }
    out.raw("]}");
}

const fn tuple(out: &mut Writer<'_>, shapes: &[&Shape]) {
    if shapes.is_empty() {
        out.raw(",\"maxItems\":0}");
        return;
    }
    out.raw(",\"prefixItems\":[");
    let mut i = 0;
    while i < shapes.len() {
        write(out.comma(i), shapes[i]);
        i += 1;
    }
    out.raw("],\"items\":false,\"minItems\":").number(i as u64).raw("}");
}

const fn any_of(out: &mut Writer<'_>, shapes: &[&Shape], nullable: bool, open: bool) {
    out.raw("\"anyOf\":[");
    let mut i = 0;
    while i < shapes.len() {
        schema(out.comma(i), shapes[i], Context { open, ..Context::NONE });
        i += 1;
    }
    if nullable {
        out.comma(i).raw("{\"type\":\"null\"}");
    }
    out.raw("]}");
}

/// Writes the schema of a map's keys. JSON keys are strings, and `serde_json` turns some other types into strings.
const fn names(out: &mut Writer<'_>, keys: &Shape) {
    match keys {
        Shape::Described { shape, .. } | Shape::Newtype(shape) | Shape::Sensitive(shape) => names(out, shape),
        Shape::Any | Shape::String { format: None } => {}
        Shape::String { .. } | Shape::Char | Shape::Words(_) | Shape::AnyOf(_) => {
            write(out.raw(",\"propertyNames\":"), keys);
        }
        Shape::Bool => {
            out.raw(",\"propertyNames\":{\"enum\":[\"true\",\"false\"]}");
        }
        Shape::Integer { .. } => {
            out.raw(",\"propertyNames\":{\"pattern\":\"^-?[0-9]+$\"}");
        }
        _ => panic!(
            "the keys of a map have to be strings, words or whole numbers to be the names of a JSON object"
        ),
    }
}

const fn object(out: &mut Writer<'_>, parts: &[Part], closed: bool) {
    out.raw(",\"properties\":{");
    properties(out, parts, 0);
    out.raw("}");
    let mut measure = Writer::measure();
    if required(&mut measure, parts, 0) > 0 {
        required(out.raw(",\"required\":["), parts, 0);
        out.raw("]");
    }
    if alternatives(out, parts, false, 0) > 0 {
        out.raw("]");
    }
    match others(parts) {
        Flat::Values(shape) => write(out.raw(",\"additionalProperties\":"), shape),
        Flat::Nothing if closed => {
            out.raw(",\"additionalProperties\":false");
        }
        _ => {}
    }
    out.raw("}");
}

/// Writes the named members after `written` others, and returns the total.
const fn properties(out: &mut Writer<'_>, parts: &[Part], mut written: usize) -> usize {
    let mut i = 0;
    while i < parts.len() {
        match &parts[i] {
            Part::Field(Field { name, doc, shape, .. }) => {
                out.comma(written).text(name).raw(":");
                schema(out, shape, Context { doc, ..Context::NONE });
                written += 1;
            }
            Part::Flat(shape) => {
                if let (Flat::Parts(parts), _) = flat(shape, false) {
                    written = properties(out, parts, written);
                }
            }
        }
        i += 1;
    }
    written
}

/// Writes the names of the required members after `written` others, and returns the total.
const fn required(out: &mut Writer<'_>, parts: &[Part], mut written: usize) -> usize {
    let mut i = 0;
    while i < parts.len() {
        match &parts[i] {
            Part::Field(field) => {
                if field.is_required() {
                    out.comma(written).text(field.name);
                    written += 1;
                }
            }
            Part::Flat(shape) => {
                if let (Flat::Parts(parts), false) = flat(shape, false) {
                    written = required(out, parts, written);
                }
            }
        }
        i += 1;
    }
    written
}

/// Writes the alternatives of flattened enums after `written` others, and returns the total. Those that may be absent have no
/// effect, and are only written to show what is sensitive.
const fn alternatives(out: &mut Writer<'_>, parts: &[Part], optional: bool, mut written: usize) -> usize {
    let mut i = 0;
    while i < parts.len() {
        if let Part::Flat(shape) = parts[i] {
            match flat(shape, optional) {
                (Flat::OneOf, optional) if !optional || has_marks(shape) => {
                    out.raw(if written == 0 { ",\"allOf\":[" } else { "," });
                    out.raw(if optional { "{\"anyOf\":[{}," } else { "" });
                    schema(out, shape, Context { open: true, ..Context::NONE });
                    out.raw(if optional { "]}" } else { "" });
                    written += 1;
                }
                (Flat::Parts(parts), optional) => written = alternatives(out, parts, optional, written),
                _ => {}
            }
        }
        i += 1;
    }
    written
}

/// Returns whether a value of this shape is or contains something sensitive.
const fn has_marks(shape: &Shape) -> bool {
    match shape {
        Shape::Sensitive(_) => true,
        Shape::Described { shape, .. } | Shape::Newtype(shape) | Shape::Optional(shape) => has_marks(shape),
        Shape::List { items, .. } => has_marks(items),
        Shape::Map { keys, values } => has_marks(keys) || has_marks(values),
        Shape::Tuple(shapes) | Shape::AnyOf(shapes) => {
            let mut i = 0;
            while i < shapes.len() && !has_marks(shapes[i]) {
                i += 1;
            }
            i < shapes.len()
        }
        Shape::Object { parts, .. } => {
            let mut i = 0;
            while i < parts.len() {
                if let Part::Field(Field { shape, .. }) | Part::Flat(shape) = &parts[i]
                    && has_marks(shape)
                {
                    return true;
                }
                i += 1;
            }
            false
        }
        _ => false,
    }
}

/// The members that an object may have beside the named ones: none, those of a map, or unknown ones.
const fn others(parts: &[Part]) -> Flat<'_> {
    let mut found = Flat::Nothing;
    let mut i = 0;
    while i < parts.len() {
        if let Part::Flat(shape) = &parts[i] {
            let (mut inner, _) = flat(shape, false);
            if let Flat::Parts(parts) = inner {
                inner = others(parts);
            }
            match (&inner, &found) {
                (Flat::Nothing, _) => {}
                (Flat::Values(values), Flat::Nothing) => found = Flat::Values(values),
                _ if is_marked(&inner) || is_marked(&found) => panic!(
                    "a map with sensitive values cannot be flattened beside another map or an enum: give it a name"
                ),
                _ => found = Flat::Anything,
            }
        }
        i += 1;
    }
    found
}

const fn is_marked(members: &Flat<'_>) -> bool {
    match members {
        Flat::Values(values) => has_marks(values),
        _ => false,
    }
}

/// Returns the members of `shape`, and whether all of them may be absent.
const fn flat(shape: &Shape, optional: bool) -> (Flat<'_>, bool) {
    let members = match shape {
        Shape::Described { shape, .. } | Shape::Newtype(shape) => return flat(shape, optional),
        Shape::Optional(shape) => return flat(shape, true),
        Shape::Sensitive(_) => panic!("what is flattened cannot be sensitive as a whole: mark its fields"),
        Shape::Object { parts, .. } => Flat::Parts(parts),
        Shape::Map { keys, .. } if has_marks(keys) => {
            panic!("a map with sensitive keys cannot be flattened: mark the values, or give the map a name")
        }
        Shape::Map { values, .. } => Flat::Values(values),
        Shape::AnyOf(_) | Shape::Never => Flat::OneOf,
        Shape::Any => Flat::Anything,
        Shape::Null => Flat::Nothing,
        _ => panic!(
            "what is flattened, or stands in a variant beside its tag, has to be a struct, a map, or an enum of these"
        ),
    };
    (members, optional)
}
