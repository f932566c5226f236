//! Parses `where(data.amount > 500, data.country in ["DE", "AT"])`, an argument of `#[subscribe]`. `function::conditions` has
//! the rules for its contents, and the compiler checks the fields.

use eg_grammar::did_you_mean;
use proc_macro2::{Span, TokenStream};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitStr, Result, Token, bracketed, parenthesized};

use super::each;
use super::json::{Json, Value};
use crate::errors::Errors;

/// The conditions of a subscription, all of which an event must meet.
pub(crate) struct Conditions {
    /// The word `where`.
    pub(crate) key: Ident,
    pub(crate) all: Vec<Condition>,
}

pub(crate) enum Condition {
    Test(Test),
    /// `any(…)`: an event must meet one of them.
    Any {
        key: Ident,
        alternatives: Vec<Condition>,
    },
    /// `all(…)` within `any`.
    All {
        key: Ident,
        conditions: Vec<Condition>,
    },
}

/// One condition on one field.
pub(crate) struct Test {
    pub(crate) path: Vec<Name>,
    /// The first token of the operator.
    pub(crate) operator: Span,
    pub(crate) negated: bool,
    pub(crate) operation: Operation,
}

/// A name of a path.
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Span,
}

pub(crate) enum Operation {
    Exists,
    /// `== 5`, `in [5, 6]`.
    OneOf(Vec<Json>),
    /// Lower and upper bound, each with its sign: `> 5`, `in 5..=10`.
    Range(Vec<(&'static str, Json)>),
    /// An operator of EventBridge that takes a text, and the text.
    Text(&'static str, LitStr),
}

/// The operators that are words, with those of EventBridge.
const WORDS: [(&str, &str); 4] = [
    ("starts_with", "prefix"),
    ("ends_with", "suffix"),
    ("like", "wildcard"),
    ("equals_ignore_case", "equals-ignore-case"),
];

const OPERATORS: &str = "`==`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `exists`, `starts_with`, `ends_with`, `like`, \
                         `equals_ignore_case`, or `not` and one of the words";

impl Conditions {
    pub(crate) const EXAMPLE: &'static str = "`where(data.amount > 500, data.country in [\"DE\", \"AT\"])`";

    pub(super) fn parse(key: &Ident, input: ParseStream<'_>) -> Result<Self> {
        if !input.peek(syn::token::Paren) {
            let message = format!("`where` takes its conditions in parentheses: {}", Self::EXAMPLE);
            return Err(Error::new(key.span(), message));
        }
        let all = group(key, input)?;
        if all.is_empty() {
            return Err(Error::new(key.span(), format!("`where` has no condition: {}", Self::EXAMPLE)));
        }
        Ok(Self { key: key.clone(), all })
    }
}

/// Parses `(condition, condition)`.
fn group(key: &Ident, input: ParseStream<'_>) -> Result<Vec<Condition>> {
    if !input.peek(syn::token::Paren) {
        return Err(Error::new(key.span(), format!("`{key}` takes its conditions in parentheses")));
    }
    let content;
    parenthesized!(content in input);
    let content: TokenStream = content.parse()?;
    let mut errors = Errors::default();
    let mut conditions = Vec::new();
    each(content, &mut errors, |input| {
        conditions.push(condition(input)?);
        Ok(())
    });
    errors.finish(conditions)
}

fn condition(input: ParseStream<'_>) -> Result<Condition> {
    if let Ok(key) = input.fork().call(Ident::parse_any)
        && (key == "any" || key == "all")
        && input.peek2(syn::token::Paren)
    {
        input.call(Ident::parse_any)?;
        let conditions = group(&key, input)?;
        return Ok(match key == "any" {
            true => Condition::Any { key, alternatives: conditions },
            false => Condition::All { key, conditions },
        });
    }
    let path = path(input)?;
    let span = path.last().map_or_else(Span::call_site, |name| name.span);
    let at = if input.is_empty() || input.peek(Token![,]) { span } else { input.span() };
    let (negated, operation) = operation(input, at)?;
    Ok(Condition::Test(Test { path, operator: at, negated, operation }))
}

/// Parses `data.order."line-items"`.
fn path(input: ParseStream<'_>) -> Result<Vec<Name>> {
    let mut path = Vec::new();
    loop {
        if input.peek(LitStr) && !path.is_empty() {
            let text: LitStr = input.parse()?;
            path.push(Name { text: text.value(), span: text.span() });
        } else {
            let name = input.call(Ident::parse_any).map_err(|e| {
                let example = "`data.amount > 500` or `source == \"/shop\"`";
                Error::new(
                    e.span(),
                    format!("expected a field of the event and a condition, as in {example}"),
                )
            })?;
            let text = name.to_string();
            let text = text.strip_prefix("r#").unwrap_or(&text).to_owned();
            path.push(Name { text, span: name.span() });
        }
        if input.peek(syn::token::Bracket) {
            let message =
                "a list has no positions here: a condition on its elements holds if it holds for one of them";
            return Err(input.error(message));
        }
        if !input.peek(Token![.]) || input.peek(Token![..]) {
            return Ok(path);
        }
        input.parse::<Token![.]>()?;
    }
}

fn operation(input: ParseStream<'_>, at: Span) -> Result<(bool, Operation)> {
    for (sign, peeked) in [
        ("==", input.peek(Token![==])),
        ("!=", input.peek(Token![!=])),
        (">=", input.peek(Token![>=])),
        ("<=", input.peek(Token![<=])),
        (">", input.peek(Token![>])),
        ("<", input.peek(Token![<])),
    ] {
        if !peeked {
            continue;
        }
        // The first of one or two characters.
        input.parse::<proc_macro2::TokenTree>()?;
        if sign.len() == 2 {
            input.parse::<proc_macro2::TokenTree>()?;
        }
        let operand = operand(input, at, "a text in quotes, a number, `true`, `false` or `null`")?;
        return Ok(match sign {
            "==" => (false, Operation::OneOf(vec![operand])),
            "!=" => (true, Operation::OneOf(vec![operand])),
            sign => (false, Operation::Range(vec![(sign, operand)])),
        });
    }
    if input.peek(Token![=]) {
        return Err(Error::new(at, "write `==` to compare"));
    }
    if let Ok(word) = input.fork().call(Ident::parse_any) {
        input.call(Ident::parse_any)?;
        if word != "not" {
            return named(&word, input).map(|operation| (false, operation));
        }
        let word = input
            .call(Ident::parse_any)
            .map_err(|_| Error::new(word.span(), "`not` needs a word after it, as in `not in [\"DE\"]`"))?;
        return named(&word, input).map(|operation| (true, operation));
    }
    Err(Error::new(at, format!("expected a condition on this field: {OPERATORS}")))
}

/// Parses what follows an operator that is a word.
fn named(word: &Ident, input: ParseStream<'_>) -> Result<Operation> {
    let name = word.to_string();
    match name.as_str() {
        "exists" => return Ok(Operation::Exists),
        "in" if input.peek(syn::token::Bracket) => {
            let content;
            let brackets = bracketed!(content in input);
            let values = Punctuated::<Json, Token![,]>::parse_terminated(&content)?;
            if values.is_empty() {
                return Err(Error::new(brackets.span.join(), "this list is empty, so no event could match"));
            }
            return Ok(Operation::OneOf(values.into_iter().collect()));
        }
        "in" if input.peek(Ident) => {
            let range = input.call(Ident::parse_any)?;
            if range != "cidr" || !input.peek(syn::token::Paren) {
                let message = "`in` takes a list, a range of numbers, or `cidr(\"10.0.0.0/8\")`";
                return Err(Error::new(range.span(), message));
            }
            let content;
            parenthesized!(content in input);
            return text(&range, &content).map(|text| Operation::Text("cidr", text));
        }
        "in" => return range(word, input),
        _ => {}
    }
    if let Some((_, operator)) = WORDS.iter().find(|(known, _)| *known == name) {
        return text(word, input).map(|text| Operation::Text(operator, text));
    }
    let known = ["exists", "in", "not", "starts_with", "ends_with", "like", "equals_ignore_case"];
    let hint = did_you_mean(&name, &known);
    Err(Error::new(
        word.span(),
        format!("there is no operator `{name}`{hint}; the operators are {OPERATORS}"),
    ))
}

fn text(word: &Ident, input: ParseStream<'_>) -> Result<LitStr> {
    let nothing = (input.is_empty() || input.peek(Token![,])).then(|| word.span());
    input.parse().map_err(|e: Error| {
        Error::new(nothing.unwrap_or(e.span()), format!("`{word}` takes a text in quotes"))
    })
}

/// Parses `5..=10`, `5..10`, `5..` or `..=10`.
fn range(word: &Ident, input: ParseStream<'_>) -> Result<Operation> {
    const EXPECTED: &str = "a list such as `[\"DE\", \"AT\"]`, or a range of numbers such as `5..=10`";
    let is_end = |input: ParseStream<'_>| input.is_empty() || input.peek(Token![,]);
    let mut bounds = Vec::new();
    if !input.peek(Token![..]) {
        bounds.push((">=", operand(input, word.span(), EXPECTED)?));
    }
    if !input.peek(Token![..]) {
        return Err(Error::new(word.span(), format!("`in` takes {EXPECTED}")));
    }
    let upper = if input.peek(Token![..=]) {
        input.parse::<Token![..=]>()?;
        "<="
    } else {
        input.parse::<Token![..]>()?;
        "<"
    };
    if !is_end(input) {
        bounds.push((upper, operand(input, word.span(), "a number")?));
    }
    if bounds.is_empty() {
        return Err(Error::new(word.span(), "this range has no bound, so every number is in it"));
    }
    Ok(Operation::Range(bounds))
}

/// Parses a value that is no list and no object.
fn operand(input: ParseStream<'_>, at: Span, expected: &str) -> Result<Json> {
    let nothing = (input.is_empty() || input.peek(Token![,])).then_some(at);
    let wrong = |span: Span| Error::new(span, format!("expected {expected}"));
    let value: Json = input.parse().map_err(|e: Error| wrong(nothing.unwrap_or(e.span())))?;
    match value.value {
        Value::Array(_) => Err(Error::new_spanned(
            value.tokens.to_token_stream(),
            "to compare with several values, write `in [\"a\", \"b\"]`",
        )),
        Value::Object(_) => Err(Error::new_spanned(value.tokens, format!("expected {expected}"))),
        _ => Ok(value),
    }
}
