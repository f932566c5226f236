//! Reads serde's attributes of one item. Callers list the attributes that they support; others that may change the
//! JSON are refused here, so that a schema is never silently wrong.

use eg_grammar::list;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Token};

use super::own;
use super::rename::Rule;
use crate::errors::Errors;

/// All `#[serde(…)]` attributes of one item.
pub(super) struct Serde(Vec<Entry>);

/// One comma-separated entry.
pub(super) struct Entry {
    name: String,
    pub(super) meta: Meta,
}

/// Attributes that let a function write or read the value.
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

    /// Returns whether a user's function reads the value.
    pub(super) fn reads_by_hand(&self) -> bool {
        self.has("with") || self.has("deserialize_with")
    }

    /// Returns the value of `name = "…"`.
    pub(super) fn text(&self, name: &str, errors: &mut Errors) -> Option<String> {
        self.entry(name).and_then(|entry| entry.text(errors))
    }

    /// Returns the values of all `name = "…"`.
    pub(super) fn texts(&self, name: &str, errors: &mut Errors) -> Vec<String> {
        self.0.iter().filter(|entry| entry.name == name).filter_map(|entry| entry.text(errors)).collect()
    }

    /// Returns the value of `rename_all = "…"`.
    pub(super) fn rule(&self, name: &str, errors: &mut Errors) -> Rule {
        let Some(entry) = self.entry(name) else { return Rule::None };
        let Some(text) = entry.text(errors) else { return Rule::None };
        Rule::of(&text).unwrap_or_else(|| {
            errors.at(&entry.meta, format!("unknown rule {text:?}; the rules are {}", list(&Rule::NAMES)));
            Rule::None
        })
    }

    /// Refuses attributes that are not in `known`.
    pub(super) fn check(&self, known: &[&str], errors: &mut Errors) {
        for Entry { name, meta } in self.0.iter().filter(|entry| !known.contains(&entry.name.as_str())) {
            if CUSTOM.contains(&name.as_str()) {
                let message =
                    format!("with `{name}`, the JSON cannot be derived from the type; {}", own::SAY_ON_FIELD);
                errors.at(meta, message);
            } else {
                let message =
                    format!("the effect of `{name}` on the JSON is not supported; {}", own::SAY_ON_TYPE);
                errors.at(meta, message);
            }
        }
    }

    /// Refuses these attributes for the given reason.
    pub(super) fn refuse(&self, names: &[&str], reason: &str, errors: &mut Errors) {
        for Entry { name, meta } in self.0.iter().filter(|entry| names.contains(&entry.name.as_str())) {
            errors.at(meta, format!("`{name}` {reason}"));
        }
    }
}

impl Entry {
    /// Returns the string after `=`.
    pub(super) fn literal(&self) -> Option<LitStr> {
        match &self.meta {
            Meta::NameValue(pair) => literal(&pair.value),
            _ => None,
        }
    }

    /// Returns the value, which must be the same for both directions.
    fn text(&self, errors: &mut Errors) -> Option<String> {
        let Meta::List(directions) = &self.meta else {
            // serde reports values that are not strings.
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
                format!("one schema covers writing and reading: set `{name}` for both, or for neither"),
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
