//! `#[schedule("rate(5 minutes)")]`: the schedule of a function.

use eg_grammar::Schedule;
use syn::Error;

use super::attribute_span;
use crate::args::{Args, Positional};
use crate::errors::Errors;

/// Returns the expressions of one attribute.
pub(super) fn schedules(args: &Args, errors: &mut Errors) -> Vec<String> {
    const EXAMPLE: &str = "as in `#[schedule(\"rate(5 minutes)\")]` or `#[schedule(\"cron(0 12 * * ? *)\")]`";
    if args.positional.is_empty() && !args.incomplete {
        errors.push(Error::new(attribute_span(), format!("the schedule is missing, {EXAMPLE}")));
    }
    let mut schedules = Vec::new();
    for argument in &args.positional {
        match argument {
            Positional::Text(text) => match text.value().parse::<Schedule>() {
                Ok(_) if schedules.contains(&text.value()) => {
                    errors.at(text, format!("{:?} is listed twice", text.value()));
                }
                Ok(_) => schedules.push(text.value()),
                Err(mistake) => errors.at(text, mistake),
            },
            Positional::Path(path) if Positional::is_constant(path) => errors.at(path, args.kind.literal()),
            other => errors.at(other.tokens(), format!("write the schedule as a string, {EXAMPLE}")),
        }
    }
    schedules
}
