//! The options that are about the function as a whole: `timeout` and `memory`, which deployment reads from the manifest,
//! and `body_limit`.

use eg_grammar::{Bound, limits, parse_duration, parse_size};
use syn::{Lit, LitInt};

use crate::args::{Args, SIZE};
use crate::errors::Errors;

/// The options of one function.
#[derive(Default)]
pub(crate) struct Hints {
    /// Seconds.
    pub(crate) timeout: Option<u32>,
    /// Megabytes.
    pub(crate) memory: Option<u32>,
    /// Bytes.
    pub(crate) body_limit: Option<u32>,
}

impl Hints {
    /// Each option applies to the function, so all attributes that set it must agree.
    pub(crate) fn read(all: &[Args], errors: &mut Errors) -> Self {
        let mut hints = Self::default();
        for timeout in all.iter().filter_map(|args| args.timeout.as_ref()) {
            let seconds = seconds(timeout, errors)
                .and_then(|seconds| within(limits::CALL_TIMEOUT, "`timeout`", seconds, timeout, errors));
            agree("timeout", &mut hints.timeout, seconds, timeout, errors);
        }
        for memory in all.iter().filter_map(|args| args.memory.as_ref()) {
            let megabytes = number(limits::MEMORY, "`memory`", memory, errors);
            agree("memory", &mut hints.memory, megabytes, memory, errors);
        }
        for limit in all.iter().filter_map(|args| args.body_limit.as_ref()) {
            agree("body_limit", &mut hints.body_limit, bytes(limit, errors), limit, errors);
        }
        hints
    }
}

fn agree(
    key: &str,
    known: &mut Option<u32>,
    value: Option<u32>,
    at: impl quote::ToTokens,
    errors: &mut Errors,
) {
    match (*known, value) {
        (Some(known), Some(value)) if known != value => {
            errors.at(at, format!("another attribute of the function sets `{key}` to {known}"));
        }
        (None, value) => *known = value,
        _ => {}
    }
}

/// Parses a whole number of seconds: `30`, `"30s"`, `"5m"` or `"1h"`.
pub(super) fn seconds(literal: &Lit, errors: &mut Errors) -> Option<u32> {
    let seconds = match literal {
        Lit::Int(number) => number.base10_parse().ok(),
        Lit::Str(text) => parse_duration(&text.value())
            .ok()
            .filter(|duration| duration.subsec_millis() == 0)
            .and_then(|duration| u32::try_from(duration.as_secs()).ok()),
        _ => None,
    };
    if seconds.is_none() {
        errors.at(literal, "expected a number of seconds, or a duration like `\"30s\"` or `\"5m\"`");
    }
    seconds
}

/// Parses a size of at least one byte: `65536`, `"64KiB"` or `"1MiB"`.
fn bytes(literal: &Lit, errors: &mut Errors) -> Option<u32> {
    let bytes = match literal {
        Lit::Int(number) => number.base10_parse().ok(),
        Lit::Str(text) => parse_size(&text.value()).ok().and_then(|bytes| u32::try_from(bytes).ok()),
        _ => None,
    };
    let bytes = bytes.filter(|bytes| *bytes > 0);
    if bytes.is_none() {
        errors.at(literal, format!("expected {SIZE}"));
    }
    bytes
}

pub(super) fn number(bound: Bound, what: &str, literal: &LitInt, errors: &mut Errors) -> Option<u32> {
    let number = literal.base10_parse().ok().filter(|number: &u32| bound.contains((*number).into()));
    if number.is_none() {
        errors.at(literal, bound.refuse(what, literal.base10_digits()));
    }
    number
}

/// Returns the number if it is within the bounds.
pub(super) fn within(
    bound: Bound,
    what: &str,
    number: u32,
    at: impl quote::ToTokens,
    errors: &mut Errors,
) -> Option<u32> {
    bound.check(what, number.into()).map(|_| number).map_err(|mistake| errors.at(at, mistake)).ok()
}
