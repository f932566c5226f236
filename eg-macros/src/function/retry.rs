//! `retry(attempts = 5, max_age = "1h")`: how often and how long a subscription's deliveries are attempted. `eg-grammar`
//! has the bounds.

use eg_grammar::limits;

use super::hints::{number, seconds, within};
use super::mode::Mode;
use crate::args;
use crate::errors::Errors;

/// The limits of delivery attempts, in seconds.
#[derive(Clone)]
pub(crate) struct Retry {
    pub(crate) attempts: Option<u32>,
    pub(crate) max_age: Option<u32>,
    pub(crate) min_backoff: Option<u32>,
    pub(crate) max_backoff: Option<u32>,
}

pub(super) fn read(retry: &args::Retry, mode: Mode, errors: &mut Errors) -> Retry {
    if mode == Mode::Sync {
        let message =
            "a synchronous subscription has no retries: the emitter gets the answer and can retry itself";
        errors.at(&retry.key, message);
    }
    let attempts = retry.attempts.as_ref();
    let attempts =
        attempts.and_then(|attempts| number(limits::RETRY_ATTEMPTS, "`attempts`", attempts, errors));
    let mut time = |literal: &Option<syn::Lit>, bound, what| {
        let literal = literal.as_ref()?;
        within(bound, what, seconds(literal, errors)?, literal, errors)
    };
    let max_age = time(&retry.max_age, limits::RETRY_MAX_AGE, "`max_age`");
    let min_backoff = time(&retry.min_backoff, limits::RETRY_BACKOFF, "`min_backoff`");
    let max_backoff = time(&retry.max_backoff, limits::RETRY_BACKOFF, "`max_backoff`");
    if let Some((min, max)) = min_backoff.zip(max_backoff)
        && let Err(mistake) =
            limits::check_backoffs(("`min_backoff`", min.into()), ("`max_backoff`", max.into()))
    {
        errors.at(&retry.min_backoff, mistake);
    }
    Retry { attempts, max_age, min_backoff, max_backoff }
}
