//! Names of an `eg.toml` with their places. What they name is left to the siblings.

use toml::Spanned;

/// Returns `line:column` of a place in the file.
pub(super) type At<'a> = &'a dyn Fn(usize) -> String;

/// A name and its place in the file, as `line:column`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) at: String,
}

impl Named {
    pub(super) fn of(name: Spanned<String>, at: At<'_>) -> Self {
        Self { at: at(name.span().start), name: name.into_inner() }
    }
}
