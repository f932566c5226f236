//! The model of an annotated function, and its rules. The result of `read` is valid and can be expanded.

mod bus;
mod conditions;
mod hints;
mod mode;
mod queue;
mod retry;
mod signature;
mod stream;
mod timed;
mod trigger;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Attribute, Error, Ident, Meta, ReturnType, Type};

pub(crate) use self::bus::Bus;
pub(crate) use self::conditions::{Check, Checked, Filter};
use self::hints::Hints;
pub(crate) use self::mode::Mode;
pub(crate) use self::queue::Queue;
pub(crate) use self::retry::Retry;
pub(crate) use self::stream::Stream;
pub(crate) use self::trigger::{EventType, Subscription, Trigger, check_event_type};
use crate::args::{Args, Kind};
use crate::doc::doc;
use crate::errors::Errors;
use crate::item::Item;

/// A function with its triggers, all rules checked.
pub(crate) struct Function {
    pub(crate) ident: Ident,
    /// The name in the manifest.
    pub(crate) name: String,
    /// The first paragraph of its documentation.
    pub(crate) doc: String,
    pub(crate) krate: syn::Path,
    pub(crate) triggers: Vec<Trigger>,
    pub(crate) hints: Hints,
    pub(crate) inputs: Vec<Input>,
    pub(crate) output: ReturnType,
}

/// An argument of the function.
pub(crate) struct Input {
    pub(crate) ty: Type,
    /// The predicates of its `#[cfg(…)]` attributes: it exists only if all of them hold.
    pub(crate) cfgs: Vec<TokenStream>,
}

impl Input {
    /// Returns its `#[cfg(…)]` attributes.
    pub(crate) fn cfgs(&self) -> TokenStream {
        let predicates = &self.cfgs;
        quote!(#(#[cfg(#predicates)])*)
    }
}

impl Function {
    /// Returns whether the function authorizes requests.
    pub(crate) fn is_authorizer(&self) -> bool {
        self.triggers.iter().any(|trigger| matches!(trigger, Trigger::Authorizer { .. }))
    }

    /// Returns whether the function takes payloads as they are (`#[invoke]`).
    pub(crate) fn is_invoked(&self) -> bool {
        self.triggers.iter().any(|trigger| matches!(trigger, Trigger::Invoke))
    }

    /// Removes and returns the sibling attributes of `item`.
    pub(crate) fn siblings(item: &mut Item) -> Vec<Attribute> {
        item.attrs.extract_if(.., |attribute| Kind::of(attribute.path()).is_some()).collect()
    }

    /// Reads the attribute `kind(args)` on `item`, and its siblings.
    pub(crate) fn read(
        kind: Kind,
        args: TokenStream,
        siblings: &[Attribute],
        item: &Item,
    ) -> Result<Self, Error> {
        let mut errors = Errors::default();
        if item.attrs.iter().any(is_marker) {
            let name = kind.name();
            errors.push(Error::new(
                attribute_span(),
                format!("another attribute has registered this function: to stack several, use `{name}` under its own name"),
            ));
        }
        let mut all = vec![Args::parse(kind, args, &mut errors)];
        for sibling in siblings {
            all.extend(
                Kind::of(sibling.path()).map(|kind| Args::parse(kind, tokens_of(sibling), &mut errors)),
            );
        }

        let triggers: Vec<Trigger> = all.iter().flat_map(|args| Trigger::read(args, &mut errors)).collect();
        check_twice(&all, &mut errors);
        check_alone(&all, &mut errors);
        let inputs = signature::check(&item.sig, &triggers, &mut errors);
        let name = name(&all, &item.sig.ident, &mut errors);
        let hints = Hints::read(&all, &mut errors);
        let krate = all.iter_mut().find_map(|args| args.krate.take());
        errors.finish(Self {
            ident: item.sig.ident.clone(),
            name,
            doc: doc(&item.attrs),
            krate: krate.unwrap_or_else(|| syn::parse_quote!(::eg_runtime)),
            triggers,
            hints,
            inputs,
            output: item.sig.output.clone(),
        })
    }
}

/// Checks for duplicate triggers, which would be registered twice.
fn check_twice(all: &[Args], errors: &mut Errors) {
    for (at, args) in all.iter().enumerate() {
        let earlier = all[..at].iter().filter(|other| other.kind == args.kind);
        let earlier: Vec<Vec<String>> = earlier.map(Args::positional_texts).collect();
        if args.kind == Kind::Http {
            if let Some(first) =
                args.positional.first().filter(|_| earlier.contains(&args.positional_texts()))
            {
                errors.at(first.tokens(), "duplicate trigger: another attribute already declares it");
            }
            continue;
        }
        let earlier: Vec<String> = earlier.concat();
        for argument in &args.positional {
            if earlier.contains(&argument.tokens().to_string()) {
                let text = argument.tokens();
                errors
                    .at(argument.tokens(), format!("{text} is already in another attribute of the function"));
            }
        }
    }
}

/// Checks that `#[invoke]` and `#[authorizer]` are alone: one takes every payload, the other answers questions only.
fn check_alone(all: &[Args], errors: &mut Errors) {
    if all.len() > 1 && all.iter().any(|args| args.kind == Kind::Authorizer) {
        let message = "`#[authorizer]` decides about the requests to other functions, so the function can have no other \
                       attribute: write a second function for the other trigger";
        errors.push(Error::new(attribute_span(), message));
    }
    if all.len() > 1 && all.iter().any(|args| args.kind == Kind::Invoke) {
        let message = "`#[invoke]` takes every payload as it is, so the function can have no other attribute: write a \
                       second function for the other trigger";
        errors.push(Error::new(attribute_span(), message));
    }
}

/// An attribute without effect that tells this macro, under another name, that the function is registered. The compiler
/// ignores the attributes of a tool that it knows.
pub(crate) fn marker() -> Attribute {
    syn::parse_quote!(#[rustfmt::registered_by_eg_runtime])
}

fn is_marker(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|last| last.ident == "registered_by_eg_runtime")
}

fn tokens_of(attribute: &Attribute) -> TokenStream {
    match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    }
}

/// Returns the name set by an attribute, else the function's own.
fn name(all: &[Args], ident: &Ident, errors: &mut Errors) -> String {
    let mut given = all.iter().filter_map(|args| args.name.as_ref());
    let Some(name) = given.next() else {
        let name = unraw(ident);
        if let Err(mistake) = eg_grammar::check_function_name(&name) {
            errors.at(ident, format!("{mistake}; or give it another one with `name = \"…\"`"));
        }
        return name;
    };
    for other in given {
        if other.value() != name.value() {
            errors
                .at(other, format!("the function is already named {:?} by another attribute", name.value()));
        }
    }
    let value = name.value();
    if let Err(mistake) = eg_grammar::check_function_name(&value) {
        errors.at(name, mistake);
    }
    value
}

fn unraw(ident: &Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").unwrap_or(&text).to_owned()
}

/// Returns the position of the attribute, for errors without a token of their own.
fn attribute_span() -> Span {
    Span::call_site()
}
