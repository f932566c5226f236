//! The attributes of serde on one item. What changes the JSON has to be known to the module that asks; everything
//! else is refused here, so that a schema is never wrong in silence.

use eg_grammar::list;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Token};

use super::own;
use super::rename::Rule;
use crate::errors::Errors;

/// `#[serde(…)]`, all of them on one item.
pub(super) struct Serde(Vec<Entry>);

/// One piece between the commas.
pub(super) struct Entry {
    name: String,
    pub(super) meta: Meta,
}

/// What lets a function write or read in the type's place.
const CUSTOM: [&str; 3] = ["with", "serialize_with", "deserialize_with"];

impl Serde {
    pub(super) fn read(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let mut entries = Vec::new();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
            let metas = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
            for meta in errors.ok(metas).into_iter().flatten() {
                let name = meta.path().segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
                entries.push(Entry { name, meta });
            }
        }
        Self(entries)
    }

    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.name == name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// Whether a function of the user's reads the value.
    pub(super) fn reads_by_hand(&self) -> bool {
        self.has("with") || self.has("deserialize_with")
    }

    /// The value of `name = "…"`.
    pub(super) fn text(&self, name: &str, errors: &mut Errors) -> Option<String> {
        self.entry(name).and_then(|entry| entry.text(errors))
    }

    /// The values of all `name = "…"`.
    pub(super) fn texts(&self, name: &str, errors: &mut Errors) -> Vec<String> {
        self.0.iter().filter(|entry| entry.name == name).filter_map(|entry| entry.text(errors)).collect()
    }

    /// The value of `rename_all = "…"`.
    pub(super) fn rule(&self, name: &str, errors: &mut Errors) -> Rule {
        let Some(entry) = self.entry(name) else { return Rule::None };
        let Some(text) = entry.text(errors) else { return Rule::None };
        Rule::of(&text).unwrap_or_else(|| {
            errors.at(&entry.meta, format!("unknown rule {text:?}; the rules are {}", list(&Rule::NAMES)));
            Rule::None
        })
    }

    /// Refuses what is not among `known`.
    pub(super) fn check(&self, known: &[&str], errors: &mut Errors) {
        for Entry { name, meta } in self.0.iter().filter(|entry| !known.contains(&entry.name.as_str())) {
            if CUSTOM.contains(&name.as_str()) {
                let message =
                    format!("with `{name}`, the type does not tell the JSON; {}", own::SAY_ON_FIELD);
                errors.at(meta, message);
            } else {
                let message =
                    format!("what `{name}` does to the JSON is not known here; {}", own::SAY_ON_TYPE);
                errors.at(meta, message);
            }
        }
    }

    /// Refuses these, for the reason given.
    pub(super) fn refuse(&self, names: &[&str], reason: &str, errors: &mut Errors) {
        for Entry { name, meta } in self.0.iter().filter(|entry| names.contains(&entry.name.as_str())) {
            errors.at(meta, format!("`{name}` {reason}"));
        }
    }
}

impl Entry {
    /// The string behind `=`.
    pub(super) fn literal(&self) -> Option<LitStr> {
        match &self.meta {
            Meta::NameValue(pair) => literal(&pair.value),
            _ => None,
        }
    }

    /// The value, which has to be the same for both directions.
    fn text(&self, errors: &mut Errors) -> Option<String> {
        let Meta::List(directions) = &self.meta else {
            // Anything else than a string is for serde to explain.
            return self.literal().map(|literal| literal.value());
        };
        let pairs = directions.parse_args_with(Punctuated::<syn::MetaNameValue, Token![,]>::parse_terminated);
        let pairs = errors.ok(pairs)?;
        let value = |direction: &str| {
            let pair = pairs.iter().find(|pair| pair.path.is_ident(direction))?;
            literal(&pair.value).map(|literal| literal.value())
        };
        let written = value("serialize");
        if written.is_none() || written != value("deserialize") {
            let name = &self.name;
            errors.at(
                &self.meta,
                format!("one schema says what is written and what is read: give `{name}` for both, or none"),
            );
        }
        written
    }
}

fn literal(value: &Expr) -> Option<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.clone()),
        _ => None,
    }
}
