//! Parses the arguments of the attributes: `#[http(…)]`, `#[subscribe(…)]`, `#[schedule(…)]`, `#[queue(…)]`,
//! `#[stream(…)]`, `#[authorizer]` and `#[invoke]`. Leaves the rules about their combination to `function`.

mod conditions;
mod cors;
mod eventbridge;
mod json;
mod retry;

use eg_grammar::{StreamKind, did_you_mean, list};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, Lit, LitInt, LitStr, Result, Token, parenthesized};

pub(crate) use self::conditions::{Condition, Conditions, Name, Operation, Test};
pub(crate) use self::cors::Cors;
pub(crate) use self::eventbridge::EventBridge;
pub(crate) use self::json::{Json, Value, quoted};
pub(crate) use self::retry::Retry;
use crate::errors::Errors;

/// The attribute macros.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Http,
    Subscribe,
    Schedule,
    Queue,
    Stream,
    Authorizer,
    Invoke,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Http,
        Self::Subscribe,
        Self::Schedule,
        Self::Queue,
        Self::Stream,
        Self::Authorizer,
        Self::Invoke,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Subscribe => "subscribe",
            Self::Schedule => "schedule",
            Self::Queue => "queue",
            Self::Stream => "stream",
            Self::Authorizer => "authorizer",
            Self::Invoke => "invoke",
        }
    }

    /// Returns the kind of another attribute on the same function, however its macro was imported.
    pub(crate) fn of(path: &syn::Path) -> Option<Self> {
        let last = path.segments.last()?;
        Self::ALL.into_iter().find(|kind| last.ident == kind.name())
    }

    /// Returns what its string literals are.
    fn text(self) -> &'static str {
        match self {
            Self::Http => "a path",
            Self::Subscribe => "an event type",
            Self::Schedule => "a schedule",
            Self::Queue => "the name of a queue",
            Self::Stream => "the name of a table, stream or topic",
            Self::Authorizer | Self::Invoke => "an option",
        }
    }

    /// Returns the advice for a constant or a macro in the place of a string literal.
    pub(crate) fn literal(self) -> String {
        format!(
            "{} is one string literal: an attribute cannot read constants or the result of `concat!`",
            self.text()
        )
    }

    /// Reads the rest of `user.created`, and returns the advice to put it in quotes.
    fn unquoted(self, path: &syn::Path, input: ParseStream<'_>) -> Error {
        let mut tokens = path.to_token_stream();
        while !input.is_empty() && !input.peek(Token![,]) {
            match input.parse::<TokenTree>() {
                Ok(token) => tokens.extend([token]),
                Err(error) => return error,
            }
        }
        let slash = if self == Self::Http { "/" } else { "" };
        let text = tokens.to_string().replace(' ', "");
        Error::new_spanned(
            tokens,
            format!("{} is a string: put it in quotes, `\"{slash}{text}\"`", self.text()),
        )
    }

    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Http => {
                &["name", "mode", "authorizer", "cors", "stream", "body_limit", "timeout", "memory", "crate"]
            }
            Self::Subscribe => {
                &["where", "ordered", "name", "mode", "path", "method", "retry", "timeout", "memory", "crate"]
            }
            Self::Schedule | Self::Invoke => &["name", "timeout", "memory", "crate"],
            Self::Authorizer => &["name", "iam", "timeout", "memory", "crate"],
            Self::Queue => &["name", "batch_size", "window", "timeout", "memory", "crate"],
            Self::Stream => &["name", "batch_size", "window", "retry", "timeout", "memory", "crate"],
        }
    }
}

/// The arguments of one attribute.
pub(crate) struct Args {
    pub(crate) kind: Kind,
    /// `POST`, `"/users"`, `"user.created"`, `UserCreated`, `"rate(1 day)"`, `"orders"`.
    pub(crate) positional: Vec<Positional>,
    pub(crate) name: Option<LitStr>,
    pub(crate) mode: Option<LitStr>,
    pub(crate) path: Option<LitStr>,
    pub(crate) method: Option<Ident>,
    pub(crate) cors: Option<Cors>,
    /// The word `stream`.
    pub(crate) stream: Option<Ident>,
    /// The path of the function that authorizes requests.
    pub(crate) authorizer: Option<syn::Path>,
    /// The word `iam`.
    pub(crate) iam: Option<Ident>,
    pub(crate) retry: Option<Retry>,
    pub(crate) conditions: Option<Conditions>,
    /// The word `ordered`.
    pub(crate) ordered: Option<Ident>,
    pub(crate) batch_size: Option<LitInt>,
    pub(crate) window: Option<Lit>,
    pub(crate) body_limit: Option<Lit>,
    pub(crate) timeout: Option<Lit>,
    pub(crate) memory: Option<LitInt>,
    pub(crate) krate: Option<syn::Path>,
    /// Whether a piece was invalid. Then a missing argument may only be misspelt.
    pub(crate) incomplete: bool,
}

pub(crate) enum Positional {
    Text(LitStr),
    Path(syn::Path),
    /// `eventbridge(…)` of `#[subscribe]`.
    EventBridge(Box<EventBridge>),
    /// `dynamodb("…")`, `kinesis("…")` or `kafka("…")` of `#[stream]`.
    Stream {
        kind: Ident,
        name: LitStr,
    },
}

impl Args {
    pub(crate) fn parse(kind: Kind, tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self {
            kind,
            positional: Vec::new(),
            name: None,
            mode: None,
            path: None,
            method: None,
            cors: None,
            stream: None,
            authorizer: None,
            iam: None,
            retry: None,
            conditions: None,
            ordered: None,
            batch_size: None,
            window: None,
            body_limit: None,
            timeout: None,
            memory: None,
            krate: None,
            incomplete: false,
        };
        each(tokens, errors, |input| {
            let result = args.one(input);
            args.incomplete |= result.is_err() || !(input.is_empty() || input.peek(Token![,]));
            result
        });
        args
    }

    /// The positional arguments as written.
    pub(crate) fn positional_texts(&self) -> Vec<String> {
        self.positional.iter().map(|argument| argument.tokens().to_string()).collect()
    }

    fn one(&mut self, input: ParseStream<'_>) -> Result<()> {
        if input.peek(LitStr) {
            self.positional.push(Positional::Text(input.parse()?));
            return Ok(());
        }
        let word = input.fork().call(Ident::parse_any).map(|word| word.to_string()).unwrap_or_default();
        if self.kind == Kind::Subscribe && word == "eventbridge" && !input.peek2(Token![::]) {
            self.positional.push(Positional::EventBridge(Box::new(EventBridge::parse(input)?)));
            return Ok(());
        }
        if self.kind == Kind::Stream && input.peek2(syn::token::Paren) && word != "retry" {
            let kind = input.call(Ident::parse_any)?;
            let content;
            parenthesized!(content in input);
            let name = content.parse().map_err(|e| {
                let at = if content.is_empty() { kind.span() } else { e.span() };
                Error::new(at, format!("expected a name in quotes: `{kind}(\"orders\")`"))
            })?;
            if !content.is_empty() {
                return Err(content.error(format!("`{kind}` takes one name; stack a second attribute")));
            }
            self.positional.push(Positional::Stream { kind, name });
            return Ok(());
        }
        let keyed = input.peek(Ident::peek_any) && (input.peek2(Token![=]) || input.peek2(syn::token::Paren));
        // These have their own messages about what must follow.
        let own = ["cors", "retry", "stream", "iam", "where", "ordered"];
        let group = input.fork().call(Ident::parse_any).is_ok_and(|word| own.iter().any(|own| word == own));
        if keyed || (group && !input.peek2(Token![::])) {
            let key = input.call(Ident::parse_any)?;
            return self.option(&key, input);
        }
        if let Ok(key) = input.fork().call(Ident::parse_any)
            && self.kind.keys().contains(&key.to_string().as_str())
            && !input.peek2(Token![::])
        {
            input.call(Ident::parse_any)?;
            return Err(Error::new(key.span(), format!("option `{key}` needs a value: `{key} = …`")));
        }
        let path: syn::Path = input.parse().map_err(|e| Error::new(e.span(), self.expected()))?;
        if input.peek(Token![!]) {
            return Err(Error::new_spanned(path, self.kind.literal()));
        }
        if input.peek(Token![.]) || input.peek(Token![-]) {
            return Err(self.kind.unquoted(&path, input));
        }
        if self.kind == Kind::Http && input.peek(LitStr) {
            let method = path.to_token_stream();
            return Err(input.error(format!("a comma is missing between `{method}` and the path")));
        }
        self.positional.push(Positional::Path(path));
        Ok(())
    }

    fn expected(&self) -> String {
        let positional = match self.kind {
            Kind::Http => "a method and a path, as in `#[http(POST, \"/users\")]`",
            Kind::Subscribe => {
                "an event type, as in `#[subscribe(\"user.created\")]` or `#[subscribe(UserCreated)]`"
            }
            Kind::Schedule => "a rate or cron expression, as in `#[schedule(\"rate(5 minutes)\")]`",
            Kind::Queue => "the name of a queue, as in `#[queue(\"orders\")]`",
            Kind::Stream => "a stream, as in `#[stream(dynamodb(\"orders\"))]`",
            Kind::Authorizer | Kind::Invoke => {
                return format!("expected one of the options {}", list(self.kind.keys()));
            }
        };
        format!("expected {positional}, or one of the options {}", list(self.kind.keys()))
    }

    fn option(&mut self, key: &Ident, input: ParseStream<'_>) -> Result<()> {
        let name = key.to_string();
        if self.kind == Kind::Stream && name.parse::<StreamKind>().is_ok() {
            return Err(Error::new(
                key.span(),
                format!("write `{name}(\"NAME\")` instead of `{name} = \"NAME\"`"),
            ));
        }
        if !self.kind.keys().contains(&name.as_str()) {
            let keys = self.kind.keys();
            return Err(Error::new(
                key.span(),
                format!(
                    "`#[{}]` has no option `{name}`{}; its options are {}",
                    self.kind.name(),
                    did_you_mean(&name, keys),
                    list(keys)
                ),
            ));
        }
        let again = match name.as_str() {
            "name" => self.name.replace(value(key, input, "a string literal")?).is_some(),
            "mode" => self.mode.replace(value(key, input, "a string literal")?).is_some(),
            "path" => self.path.replace(value(key, input, "a string literal")?).is_some(),
            "body_limit" => self.body_limit.replace(value(key, input, SIZE)?).is_some(),
            "timeout" => self.timeout.replace(value(key, input, DURATION)?).is_some(),
            "window" => self.window.replace(value(key, input, DURATION)?).is_some(),
            "memory" => self.memory.replace(value(key, input, "a number of megabytes")?).is_some(),
            "batch_size" => self.batch_size.replace(value(key, input, "a number of records")?).is_some(),
            "method" => {
                let Word(method) = value(key, input, "an HTTP method without quotes, for example `PUT`")?;
                self.method.replace(method).is_some()
            }
            "crate" => {
                let ModPath(path) = value(key, input, "a path without quotes, for example `my::eg_runtime`")?;
                self.krate.replace(path).is_some()
            }
            "authorizer" => {
                let ModPath(path) =
                    value(key, input, "the path of a function with `#[authorizer]`, without quotes")?;
                self.authorizer.replace(path).is_some()
            }
            "ordered" if !(input.is_empty() || input.peek(Token![,])) => {
                return Err(input.error("`ordered` takes no value"));
            }
            "ordered" => self.ordered.replace(key.clone()).is_some(),
            "where" => self.conditions.replace(Conditions::parse(key, input)?).is_some(),
            "iam" if !(input.is_empty() || input.peek(Token![,])) => {
                return Err(input.error("`iam` takes no value"));
            }
            "iam" => self.iam.replace(key.clone()).is_some(),
            "stream" if !(input.is_empty() || input.peek(Token![,])) => {
                return Err(input.error("`stream` takes no value"));
            }
            "stream" => self.stream.replace(key.clone()).is_some(),
            "retry" => self.retry.replace(Retry::parse(key, input)?).is_some(),
            _ => self.cors.replace(Cors::parse(input)?).is_some(),
        };
        if again { Err(Error::new(key.span(), format!("option `{name}` is given twice"))) } else { Ok(()) }
    }
}

pub(crate) const SIZE: &str = "a number of bytes, or a size like `\"64KiB\"` or `\"1MiB\"`";
const DURATION: &str = "a number of seconds, or a duration like `\"30s\"` or `\"5m\"`";

/// Parses `= value`.
fn value<T: Parse>(key: &Ident, input: ParseStream<'_>, what: &str) -> Result<T> {
    input.parse::<Token![=]>()?;
    // The end of the attribute has no token to point at.
    let nothing = (input.is_empty() || input.peek(Token![,])).then(|| key.span());
    input.parse().map_err(|e| Error::new(nothing.unwrap_or(e.span()), format!("expected {what}")))
}

/// Parses a word, keyword or not.
struct Word(Ident);

impl Parse for Word {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        input.call(Ident::parse_any).map(Self)
    }
}

/// Parses `["a", "b"]`. Reads the brackets as one token, so that parsing continues after a mistake inside.
struct Texts(Punctuated<LitStr, Token![,]>);

impl Parse for Texts {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        match input.parse()? {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                Punctuated::parse_terminated.parse2(group.stream()).map(Self)
            }
            other => Err(Error::new(other.span(), "expected a list")),
        }
    }
}

/// Parses a path without arguments.
struct ModPath(syn::Path);

impl Parse for ModPath {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        input.call(syn::Path::parse_mod_style).map(Self)
    }
}

/// Calls `one` for each comma-separated piece. Continues after the next comma if one fails.
fn each(tokens: TokenStream, errors: &mut Errors, mut one: impl FnMut(ParseStream<'_>) -> Result<()>) {
    let parser = |input: ParseStream<'_>| {
        while !input.is_empty() {
            let result = one(input).and_then(|()| match input.is_empty() || input.peek(Token![,]) {
                true => Ok(()),
                false => Err(input.error("a comma is missing before this")),
            });
            errors.ok(result);
            while !input.is_empty() && !input.peek(Token![,]) {
                input.parse::<TokenTree>()?;
            }
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(())
    };
    let result = parser.parse2(tokens);
    errors.ok(result);
}

impl Positional {
    /// Returns whether a path names a constant, by its form: `USERS`, `paths::USERS`.
    pub(crate) fn is_constant(path: &syn::Path) -> bool {
        let name = path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
        name.len() > 1 && !name.contains(char::is_lowercase)
    }

    /// Formats tokens for messages.
    pub(crate) fn tokens(&self) -> TokenStream {
        match self {
            Self::Text(text) => text.to_token_stream(),
            Self::Path(path) => path.to_token_stream(),
            Self::EventBridge(pattern) => pattern.tokens.clone(),
            Self::Stream { kind, name } => quote::quote!(#kind(#name)),
        }
    }
}
