//! Parses the option `cors`.

use eg_grammar::cors::{check_origin, check_origins};
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
        let cors = errors.finish(cors)?;
        cors.check_origins(seen.iter().find(|key| *key == "credentials"))?;
        Ok(cors)
    }

    /// Checks the origins by the rule of the gateway. `credentials` is the key of that option.
    fn check_origins(&self, credentials: Option<&Ident>) -> Result<()> {
        let mut errors = Errors::default();
        for origin in &self.origins {
            if let Err(mistake) = check_origin(&origin.value()) {
                errors.at(origin, mistake);
            }
        }
        errors.finish(())?;
        let origins: Vec<String> = self.origins.iter().map(LitStr::value).collect();
        check_origins(origins.iter().map(String::as_str), self.credentials)
            .map_err(|mistake| Error::new_spanned(credentials, mistake))
    }

    fn one(&mut self, input: ParseStream<'_>, seen: &mut Vec<Ident>) -> Result<()> {
        let key = input.call(Ident::parse_any)?;
        let name = key.to_string();
        if seen.contains(&key) {
            return Err(Error::new(key.span(), format!("`{name}` is given twice")));
        }
        seen.push(key.clone());
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
