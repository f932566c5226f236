//! Parses the option `retry`. Leaves bounds to `function::retry`.

use eg_grammar::{did_you_mean, list};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Error, Ident, Lit, LitInt, Result, parenthesized};

use super::{DURATION, each, value};
use crate::errors::Errors;

/// `retry(attempts = 5, max_age = "1h")`. Absent limits mean the gateway's defaults.
pub(crate) struct Retry {
    /// The word `retry`.
    pub(crate) key: Ident,
    pub(crate) attempts: Option<LitInt>,
    pub(crate) max_age: Option<Lit>,
    pub(crate) min_backoff: Option<Lit>,
    pub(crate) max_backoff: Option<Lit>,
}

impl Retry {
    const KEYS: [&'static str; 4] = ["attempts", "max_age", "min_backoff", "max_backoff"];

    pub(super) fn parse(key: &Ident, input: ParseStream<'_>) -> Result<Self> {
        if !input.peek(syn::token::Paren) {
            let message = "`retry` takes its limits in parentheses: `retry(attempts = 5, max_age = \"1h\")`";
            return Err(Error::new(key.span(), message));
        }
        let content;
        parenthesized!(content in input);
        let mut retry =
            Self { key: key.clone(), attempts: None, max_age: None, min_backoff: None, max_backoff: None };
        let mut errors = Errors::default();
        if content.is_empty() {
            errors.at(key, format!("`retry` needs at least one limit: {}", list(&Self::KEYS)));
        }
        each(content.parse()?, &mut errors, |input| retry.one(input));
        errors.finish(retry)
    }

    fn one(&mut self, input: ParseStream<'_>) -> Result<()> {
        let key = input.call(Ident::parse_any)?;
        let name = key.to_string();
        let again = match name.as_str() {
            "attempts" => self.attempts.replace(value(&key, input, "a number of attempts")?).is_some(),
            "max_age" => self.max_age.replace(value(&key, input, DURATION)?).is_some(),
            "min_backoff" => self.min_backoff.replace(value(&key, input, DURATION)?).is_some(),
            "max_backoff" => self.max_backoff.replace(value(&key, input, DURATION)?).is_some(),
            _ => {
                let hint = did_you_mean(&name, &Self::KEYS);
                let message =
                    format!("`retry` has no option `{name}`{hint}; its options are {}", list(&Self::KEYS));
                return Err(Error::new(key.span(), message));
            }
        };
        if again { Err(Error::new(key.span(), format!("`{name}` is given twice"))) } else { Ok(()) }
    }
}
