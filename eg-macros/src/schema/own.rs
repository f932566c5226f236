//! Reads `#[schema(as = …)]`, `#[schema(format = "…")]` and `#[schema(any)]`, which state the JSON explicitly, and
//! `#[event(sensitive)]`.

use eg_grammar::{did_you_mean, list};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Attribute, Data, Error, Fields, Ident, LitStr, Path, Result, Token, Type};

use super::shape::Shape;
use crate::errors::Errors;

/// The options of `#[schema(…)]` on variants.
pub(super) const KEYS: [&str; 3] = ["as", "format", "any"];

/// The options of `#[schema(…)]` on types and fields.
pub(super) const ON_VALUES: [&str; 4] = ["as", "format", "any", SENSITIVE];

/// The option that hides a value from everybody but functions. Fields of events may also have it in `#[event(…)]`.
const SENSITIVE: &str = "sensitive";

/// Why fields cannot be sensitive where the JSON around them is stated.
pub(super) const STATED: &str = "the JSON around this is stated by another attribute, so nobody knows where the field is: mark all of it as sensitive where it is used";

/// The advice for a field whose JSON cannot be derived.
pub(super) const SAY_ON_FIELD: &str = "state the JSON of the field: `#[schema(as = String)]` (any type with the same JSON), or `#[schema(any)]`";
/// The advice for a type whose JSON cannot be derived.
pub(super) const SAY_ON_TYPE: &str =
    "state the JSON of the type: `#[schema(as = String)]` (any type with the same JSON), or `#[schema(any)]`";

/// The attribute on one item.
#[derive(Default)]
pub(super) struct Own {
    said: Option<Shape>,
    /// The option, where it is written.
    pub(super) sensitive: Option<Ident>,
    pub(super) krate: Option<Path>,
}

impl Own {
    pub(super) fn read(attributes: &[Attribute], keys: &[&str], errors: &mut Errors) -> Self {
        let mut own = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("schema")) {
            errors.ok(attribute.parse_args_with(|input: ParseStream<'_>| own.parse(input, keys)));
        }
        own
    }

    /// Reads the attributes of a field.
    pub(super) fn of_field(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let mut own = Self::read(attributes, &ON_VALUES, errors);
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("event")) {
            errors.ok(attribute
                .parse_args_with(|input: ParseStream<'_>| own.parse_of("event", input, &[SENSITIVE])));
        }
        own
    }

    /// Returns the shape, marked as sensitive if it is.
    pub(super) fn marked(&self, shape: Shape) -> Shape {
        if self.sensitive.is_some() { Shape::Sensitive(Box::new(shape)) } else { shape }
    }

    /// The stated JSON.
    pub(super) fn shape(&self) -> Option<Shape> {
        self.said.clone()
    }

    /// Refuses to mark the value with these attributes as sensitive.
    pub(super) fn refuse_mark(attributes: &[Attribute], why: &str, errors: &mut Errors) {
        if let Some(mark) = Self::of_field(attributes, errors).sensitive {
            errors.at(mark, why);
        }
    }

    /// Refuses to mark parts of a type as sensitive.
    pub(super) fn refuse_marks(data: &Data, why: &str, errors: &mut Errors) {
        match data {
            Data::Struct(data) => Self::refuse_marks_of(&data.fields, why, errors),
            Data::Enum(data) => {
                for variant in &data.variants {
                    Self::refuse_mark(&variant.attrs, why, errors);
                    Self::refuse_marks_of(&variant.fields, why, errors);
                }
            }
            Data::Union(_) => {}
        }
    }

    /// Refuses to mark fields as sensitive.
    pub(super) fn refuse_marks_of(fields: &Fields, why: &str, errors: &mut Errors) {
        fields.iter().for_each(|field| Self::refuse_mark(&field.attrs, why, errors));
    }

    fn parse(&mut self, input: ParseStream<'_>, keys: &[&str]) -> Result<()> {
        self.parse_of("schema", input, keys)
    }

    fn parse_of(&mut self, attribute: &str, input: ParseStream<'_>, keys: &[&str]) -> Result<()> {
        while !input.is_empty() {
            let key = input.call(Ident::parse_any)?;
            let name = key.to_string();
            if !keys.contains(&name.as_str()) {
                let hint = did_you_mean(&name, keys);
                let message =
                    format!("`#[{attribute}]` has no option `{name}`{hint}; its options are {}", list(keys));
                return Err(Error::new(key.span(), message));
            }
            if name == "crate" {
                input.parse::<Token![=]>()?;
                self.krate = Some(input.call(Path::parse_mod_style)?);
            } else if name == SENSITIVE {
                if self.sensitive.is_some() {
                    return Err(Error::new(key.span(), "`sensitive` is given twice"));
                }
                self.sensitive = Some(key);
            } else {
                let shape = Self::say(&name, &key, input)?;
                if self.said.replace(shape).is_some() {
                    return Err(Error::new(key.span(), "the JSON of this is stated twice"));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    }

    fn say(name: &str, key: &Ident, input: ParseStream<'_>) -> Result<Shape> {
        if name == "any" {
            return Ok(Shape::Any);
        }
        input.parse::<Token![=]>().map_err(|_| {
            let example = if name == "as" { "as = String" } else { "format = \"date-time\"" };
            Error::new(key.span(), format!("`{name}` needs a value: `#[schema({example})]`"))
        })?;
        if name == "as" {
            return input.parse::<Type>().map(|ty| Shape::Of(Box::new(ty)));
        }
        let format: LitStr = input.parse().map_err(|e| {
            Error::new(e.span(), "expected the name of a format, for example `\"date-time\"`")
        })?;
        Ok(Shape::Text(Some(format.value())))
    }
}
