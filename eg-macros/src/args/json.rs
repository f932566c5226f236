//! Parses JSON that is written as tokens, so that mistakes in it are reported at the token. What the JSON may contain is
//! left to its users.

use std::fmt::Write as _;

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitBool, LitFloat, LitInt, LitStr, Result, Token, braced, bracketed};

/// A JSON value and its tokens.
pub(crate) struct Json {
    pub(crate) value: Value,
    pub(crate) tokens: TokenStream,
}

pub(crate) enum Value {
    Text(String),
    /// A number as written in JSON.
    Number(String),
    Flag(bool),
    Null,
    Array(Vec<Json>),
    /// Members in their order.
    Object(Vec<(LitStr, Json)>),
}

impl Parse for Json {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let tokens = |at: &dyn quote::ToTokens| at.to_token_stream();
        if input.peek(LitStr) {
            let text: LitStr = input.parse()?;
            return Ok(Self { value: Value::Text(text.value()), tokens: tokens(&text) });
        }
        if input.peek(LitBool) {
            let flag: LitBool = input.parse()?;
            return Ok(Self { value: Value::Flag(flag.value), tokens: tokens(&flag) });
        }
        if input.peek(Token![-]) || input.peek(LitInt) || input.peek(LitFloat) {
            return number(input);
        }
        if input.peek(syn::token::Bracket) {
            let whole: TokenStream = group(input)?;
            let content;
            bracketed!(content in input);
            let elements = Punctuated::<Self, Token![,]>::parse_terminated(&content)?;
            return Ok(Self { value: Value::Array(elements.into_iter().collect()), tokens: whole });
        }
        if input.peek(syn::token::Brace) {
            let whole: TokenStream = group(input)?;
            let content;
            braced!(content in input);
            let members = Punctuated::<Member, Token![,]>::parse_terminated(&content)?;
            let members = members.into_iter().map(|Member(name, value)| (name, value)).collect();
            return Ok(Self { value: Value::Object(members), tokens: whole });
        }
        let word: Ident = input.parse().map_err(|e| Error::new(e.span(), "expected a JSON value"))?;
        if word != "null" {
            return Err(Error::new(word.span(), format!("`{word}` is no JSON: put texts in quotes")));
        }
        Ok(Self { value: Value::Null, tokens: tokens(&word) })
    }
}

/// Returns the next group without consuming it.
fn group(input: ParseStream<'_>) -> Result<TokenStream> {
    input.fork().parse::<proc_macro2::TokenTree>().map(TokenStream::from)
}

fn number(input: ParseStream<'_>) -> Result<Json> {
    let minus: Option<Token![-]> = input.parse()?;
    let mut tokens = minus.to_token_stream();
    let digits = if input.peek(LitFloat) {
        let number: LitFloat = input.parse()?;
        number.to_tokens(&mut tokens);
        let digits = number.base10_digits().to_owned();
        // Rust allows `1.`, and JSON does not.
        if digits.ends_with('.') { digits + "0" } else { digits }
    } else {
        let number: LitInt = input.parse()?;
        number.to_tokens(&mut tokens);
        number.base10_digits().to_owned()
    };
    let sign = if minus.is_some() { "-" } else { "" };
    Ok(Json { value: Value::Number(format!("{sign}{digits}")), tokens })
}

/// A member of an object.
struct Member(LitStr, Json);

impl Parse for Member {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let name = input.parse().map_err(|e| Error::new(e.span(), "expected a name in quotes"))?;
        input.parse::<Token![:]>()?;
        Ok(Self(name, input.parse()?))
    }
}

impl Json {
    /// Writes the value as JSON text.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match &self.value {
            Value::Text(text) => quoted(text, out),
            Value::Number(number) => out.push_str(number),
            Value::Flag(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Value::Null => out.push_str("null"),
            Value::Array(elements) => {
                out.push('[');
                for (n, element) in elements.iter().enumerate() {
                    out.push_str(if n == 0 { "" } else { "," });
                    element.write(out);
                }
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                for (n, (name, value)) in members.iter().enumerate() {
                    out.push_str(if n == 0 { "" } else { "," });
                    quoted(&name.value(), out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// Writes a text as JSON.
pub(crate) fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if u32::from(c) < 0x20 => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
