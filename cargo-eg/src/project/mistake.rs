//! Locates and explains the mistakes in an `eg.toml`.

use std::ops::Range;

use eg_grammar::{did_you_mean, list};
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

/// What is wrong with a file.
#[derive(Debug)]
pub(crate) struct Wrong {
    /// The line and the column of the mistake, from 1, as `line:column`. `None` if it concerns the whole file.
    pub(super) at: Option<String>,
    pub(super) text: String,
    /// Whether it is in `[deploy]`.
    pub(super) of_deploy: bool,
}

impl Wrong {
    /// A mistake of the whole file.
    pub(super) fn file(text: impl Into<String>) -> Self {
        Self { at: None, text: text.into(), of_deploy: false }
    }

    /// A mistake at a place.
    pub(super) fn at(at: &str, text: impl Into<String>) -> Self {
        Self { at: Some(at.to_owned()), ..Self::file(text) }
    }
}

/// Reads the whole text of a file.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Wrong> {
    let place = |at: Range<usize>| position(text, at.start);
    let document = toml::Deserializer::parse(text)
        .map_err(|error| Wrong { at: error.span().map(place), ..Wrong::file(error.message()) })?;
    serde_path_to_error::deserialize(document).map_err(|error| {
        let mut keys = error.path().iter().filter_map(key);
        let of_deploy = keys.next() == Some("deploy");
        let key = error.path().iter().filter_map(key).next_back().map(str::to_owned);
        let error = error.into_inner();
        let text = explained(error.message(), key.as_deref());
        Wrong { at: error.span().map(place), text, of_deploy }
    })
}

/// Returns the key of a segment of a path to a value. `Spanned` adds segments of its own.
fn key(segment: &Segment) -> Option<&str> {
    match segment {
        Segment::Map { key } if !key.starts_with('$') => Some(key),
        _ => None,
    }
}

/// Returns the message of a value that cannot be read. serde's messages about unknown words get a hint, others name the
/// key.
fn explained(message: &str, key: Option<&str>) -> String {
    // ``unknown field `a`, expected one of `b`, `c` ``
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (kind, kinds) = match message {
        _ if message.starts_with("unknown field ") => ("key", "the keys here are"),
        _ if message.starts_with("unknown variant ") => ("value", "the values are"),
        _ if message.starts_with("missing field ") => return message.replacen("field", "key", 1),
        _ => {
            return match key {
                Some(key) if !message.contains(&format!("`{key}`")) => format!("`{key}`: {message}"),
                _ => message.to_owned(),
            };
        }
    };
    let Some((word, known)) = words.split_first() else { return message.to_owned() };
    format!("unknown {kind} `{word}`{}; {kinds} {}", did_you_mean(word, known), list(known))
}

/// Returns the line of a place in the text, from 1.
pub(super) fn line(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Returns `line:column` of a place in the text, from 1.
pub(super) fn position(text: &str, at: usize) -> String {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    format!("{}:{}", line(text, at), text[start..at].chars().count() + 1)
}
