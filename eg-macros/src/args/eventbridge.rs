//! Parses `eventbridge(source = "…", detail_type = "…", detail = {…})`, an argument of `#[subscribe]`. `function::bus` has
//! the rules for its contents.

use eg_grammar::{did_you_mean, list};
use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Error, Ident, LitStr, Result, Token, parenthesized};

use super::json::Json;
use super::{Texts, each, value};
use crate::errors::Errors;

/// A pattern for events of EventBridge.
pub(crate) struct EventBridge {
    /// The word `eventbridge`.
    pub(crate) key: Ident,
    pub(crate) sources: Vec<LitStr>,
    pub(crate) detail_types: Vec<LitStr>,
    pub(crate) detail: Option<Json>,
    /// The argument as written.
    pub(crate) tokens: TokenStream,
}

impl EventBridge {
    const KEYS: [&'static str; 3] = ["source", "detail_type", "detail"];
    pub(crate) const EXAMPLE: &'static str =
        "`eventbridge(source = \"aws.s3\", detail_type = \"Object Created\")`";

    pub(super) fn parse(input: ParseStream<'_>) -> Result<Self> {
        let key = input.call(Ident::parse_any)?;
        if !input.peek(syn::token::Paren) {
            let message = format!("`eventbridge` takes its pattern in parentheses: {}", Self::EXAMPLE);
            return Err(Error::new(key.span(), message));
        }
        let content;
        parenthesized!(content in input);
        let content: TokenStream = content.parse()?;
        let mut tokens = key.to_token_stream();
        tokens.extend(content.clone());
        let mut pattern = Self { key, sources: Vec::new(), detail_types: Vec::new(), detail: None, tokens };
        let mut errors = Errors::default();
        let mut seen = Vec::new();
        each(content, &mut errors, |input| pattern.one(input, &mut seen));
        errors.finish(pattern)
    }

    fn one(&mut self, input: ParseStream<'_>, seen: &mut Vec<Ident>) -> Result<()> {
        let key = input.call(Ident::parse_any)?;
        let name = key.to_string();
        if seen.contains(&key) {
            return Err(Error::new(key.span(), format!("`{name}` is given twice")));
        }
        seen.push(key.clone());
        match name.as_str() {
            "source" => self.sources = texts(&key, input)?,
            "detail_type" => self.detail_types = texts(&key, input)?,
            "detail" => {
                self.detail =
                    Some(value(&key, input, "JSON, as in `{\"bucket\": {\"name\": [\"pictures\"]}}`")?);
            }
            _ => {
                let hint = did_you_mean(&name, &Self::KEYS);
                let message = format!(
                    "`eventbridge` has no option `{name}`{hint}; its options are {}",
                    list(&Self::KEYS)
                );
                return Err(Error::new(key.span(), message));
            }
        }
        Ok(())
    }
}

/// Parses `= "…"` or `= ["…", "…"]`.
fn texts(key: &Ident, input: ParseStream<'_>) -> Result<Vec<LitStr>> {
    const EXPECTED: &str = "a string literal, or a list of them: `[\"…\"]`";
    let is_list = input.peek2(syn::token::Bracket);
    if input.peek(Token![=]) && is_list {
        let Texts(values) = value(key, input, EXPECTED)?;
        return Ok(values.into_iter().collect());
    }
    value(key, input, EXPECTED).map(|text| vec![text])
}
