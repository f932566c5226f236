//! Reads `#[schema(as = …)]`, `#[schema(format = "…")]` and `#[schema(any)]`, which state the JSON explicitly.

use eg_grammar::{did_you_mean, list};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Attribute, Error, Ident, LitStr, Path, Result, Token, Type};

use super::shape::Shape;
use crate::errors::Errors;

/// The options of `#[schema(…)]` on types, variants and fields.
pub(super) const KEYS: [&str; 3] = ["as", "format", "any"];

/// The advice for a field whose JSON cannot be derived.
pub(super) const SAY_ON_FIELD: &str = "state the JSON of the field: `#[schema(as = String)]` (any type with the same JSON), or `#[schema(any)]`";
/// The advice for a type whose JSON cannot be derived.
pub(super) const SAY_ON_TYPE: &str =
    "state the JSON of the type: `#[schema(as = String)]` (any type with the same JSON), or `#[schema(any)]`";

/// The attribute on one item.
#[derive(Default)]
pub(super) struct Own {
    said: Option<Shape>,
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

    /// The stated JSON.
    pub(super) fn shape(&self) -> Option<Shape> {
        self.said.clone()
    }

    fn parse(&mut self, input: ParseStream<'_>, keys: &[&str]) -> Result<()> {
        while !input.is_empty() {
            let key = input.call(Ident::parse_any)?;
            let name = key.to_string();
            if !keys.contains(&name.as_str()) {
                let hint = did_you_mean(&name, keys);
                let message =
                    format!("`#[schema]` has no option `{name}`{hint}; its options are {}", list(keys));
                return Err(Error::new(key.span(), message));
            }
            if name == "crate" {
                input.parse::<Token![=]>()?;
                self.krate = Some(input.call(Path::parse_mod_style)?);
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
