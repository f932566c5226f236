//! What a function asks of the machine it runs on: `timeout` and `memory`. Whoever deploys it reads them in the
//! manifest; bounds are Lambda's.

use syn::{Lit, LitInt};

use crate::args::Args;
use crate::errors::Errors;

/// What the attributes of one function ask for.
#[derive(Default)]
pub(crate) struct Hints {
    /// Seconds.
    pub(crate) timeout: Option<u32>,
    /// Megabytes.
    pub(crate) memory: Option<u32>,
}

impl Hints {
    /// Each hint is for the function, so one attribute gives it, or all that give it agree.
    pub(crate) fn read(all: &[Args], errors: &mut Errors) -> Self {
        let mut hints = Self::default();
        for timeout in all.iter().filter_map(|args| args.timeout.as_ref()) {
            let seconds = seconds(timeout, "a timeout", 1..=900, errors);
            agree("timeout", &mut hints.timeout, seconds, timeout, errors);
        }
        for memory in all.iter().filter_map(|args| args.memory.as_ref()) {
            let megabytes = number(memory, "memory", "megabytes", 128..=10_240, errors);
            agree("memory", &mut hints.memory, megabytes, memory, errors);
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
            errors.at(at, format!("another attribute of the function says `{key}` is {known}"));
        }
        (None, value) => *known = value,
        _ => {}
    }
}

/// A number of seconds: `30`, `"30s"`, `"5m"` or `"1h"`.
pub(super) fn seconds(
    literal: &Lit,
    what: &str,
    bounds: std::ops::RangeInclusive<u32>,
    errors: &mut Errors,
) -> Option<u32> {
    let seconds = match literal {
        Lit::Int(number) => number.base10_parse().ok(),
        Lit::Str(text) => duration(&text.value()),
        _ => None,
    };
    let Some(seconds) = seconds else {
        errors.at(literal, "expected a number of seconds, or a duration like `\"30s\"` or `\"5m\"`");
        return None;
    };
    if !bounds.contains(&seconds) {
        let (min, max) = bounds.into_inner();
        errors.at(literal, format!("{what} is {min} to {max} seconds, not {seconds}"));
        return None;
    }
    Some(seconds)
}

fn duration(text: &str) -> Option<u32> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        _ => return None,
    };
    number.parse::<u32>().ok()?.checked_mul(factor)
}

pub(super) fn number(
    literal: &LitInt,
    what: &str,
    unit: &str,
    bounds: std::ops::RangeInclusive<u32>,
    errors: &mut Errors,
) -> Option<u32> {
    let number = literal.base10_parse().ok().filter(|number| bounds.contains(number));
    if number.is_none() {
        let (min, max) = bounds.into_inner();
        errors.at(literal, format!("{what} is {min} to {max} {unit}, not {}", literal.base10_digits()));
    }
    number
}
