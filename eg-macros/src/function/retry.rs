//! `retry(attempts = 5, max_age = "1h")`: how often and how long a subscription's deliveries are tried. Bounds are
//! the gateway's.

use super::hints::{number, seconds};
use super::trigger::Mode;
use crate::args;
use crate::errors::Errors;

/// A year: the longest that the gateway counts with.
const LONGEST: u32 = 366 * 24 * 60 * 60;

/// Limits of the attempts to deliver; seconds.
#[derive(Clone)]
pub(crate) struct Retry {
    pub(crate) attempts: Option<u32>,
    pub(crate) max_age: Option<u32>,
    pub(crate) min_backoff: Option<u32>,
    pub(crate) max_backoff: Option<u32>,
}

pub(super) fn read(retry: &args::Retry, mode: Mode, errors: &mut Errors) -> Retry {
    if mode == Mode::Sync {
        let message = "a sync subscription has no retries: the emitter gets the answer, and may ask again";
        errors.at(&retry.key, message);
    }
    let attempts = retry.attempts.as_ref().and_then(|attempts| {
        number(attempts, "`attempts`", "deliveries, the first one included", 1..=10_000, errors)
    });
    let max_age = retry.max_age.as_ref().and_then(|age| seconds(age, "`max_age`", 1..=LONGEST, errors));
    let mut backoff = |literal: &Option<syn::Lit>, what| {
        literal.as_ref().and_then(|literal| seconds(literal, what, 0..=LONGEST, errors))
    };
    let (min_backoff, max_backoff) =
        (backoff(&retry.min_backoff, "`min_backoff`"), backoff(&retry.max_backoff, "`max_backoff`"));
    if let Some((min, max)) = min_backoff.zip(max_backoff)
        && min > max
    {
        let message = format!("`min_backoff` is {min} seconds, which is more than `max_backoff`, {max}");
        errors.at(&retry.min_backoff, message);
    }
    Retry { attempts, max_age, min_backoff, max_backoff }
}
