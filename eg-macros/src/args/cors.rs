//! Parses the option `cors`.

use eg_grammar::{did_you_mean, list};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Error, Ident, LitBool, LitStr, Result, Token, parenthesized};

use super::{Texts, each, value};
use crate::errors::Errors;

/// `cors`, or `cors(origins = […], …)`. Empty lists mean the gateway's defaults.
#[derive(Clone, Default)]
pub(crate) struct Cors {
    pub(crate) origins: Vec<LitStr>,
    pub(crate) methods: Vec<LitStr>,
    pub(crate) headers: Vec<LitStr>,
    pub(crate) credentials: bool,
}

impl Cors {
    const KEYS: [&'static str; 4] = ["origins", "methods", "headers", "credentials"];

    pub(super) fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut cors = Self::default();
        if input.peek(Token![=]) {
            return Err(input.error("`cors` takes no value; write `cors`, or `cors(origins = [\"…\"])`"));
        }
        if !input.peek(syn::token::Paren) {
            return Ok(cors);
        }
        let content;
        parenthesized!(content in input);
        let mut errors = Errors::default();
        let mut seen = Vec::new();
        each(content.parse()?, &mut errors, |input| cors.one(input, &mut seen));
        errors.finish(cors)
    }

    fn one(&mut self, input: ParseStream<'_>, seen: &mut Vec<String>) -> Result<()> {
        let key = input.call(Ident::parse_any)?;
        let name = key.to_string();
        if seen.contains(&name) {
            return Err(Error::new(key.span(), format!("`{name}` is given twice")));
        }
        seen.push(name.clone());
        let list_of = match name.as_str() {
            "origins" => &mut self.origins,
            "methods" => &mut self.methods,
            "headers" => &mut self.headers,
            "credentials" => {
                let credentials: LitBool = value(&key, input, "`true` or `false`")?;
                self.credentials = credentials.value;
                return Ok(());
            }
            _ => {
                let hint = did_you_mean(&name, &Self::KEYS);
                let message =
                    format!("`cors` has no option `{name}`{hint}; its options are {}", list(&Self::KEYS));
                return Err(Error::new(key.span(), message));
            }
        };
        let Texts(values) = value(&key, input, "a list of string literals: `[\"…\"]`")?;
        list_of.extend(values);
        Ok(())
    }
}
