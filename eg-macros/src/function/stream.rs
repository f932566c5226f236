//! `#[stream(dynamodb("orders"))]`: a stream, with hints for how its records are batched and retried. `eg-grammar` has the
//! rules.

use eg_grammar::{StreamKind, check_stream, limits};
use syn::Error;

use super::hints::{number, seconds, within};
use super::retry::{self, Retry};
use super::{Mode, attribute_span};
use crate::args::{Args, Positional};
use crate::errors::Errors;

/// A stream whose records the function handles.
pub(crate) struct Stream {
    pub(crate) kind: StreamKind,
    pub(crate) name: String,
    /// The maximum number of records per invocation.
    pub(crate) batch_size: Option<u32>,
    /// How long to collect records for a batch, in seconds.
    pub(crate) window: Option<u32>,
    pub(crate) retry: Option<Retry>,
}

pub(super) fn read(args: &Args, errors: &mut Errors) -> Option<Stream> {
    const EXAMPLE: &str = "`#[stream(dynamodb(\"orders\"))]`, `#[stream(kinesis(\"clicks\"))]` or `#[stream(kafka(\"orders\"))]`";
    let mut positional = args.positional.iter();
    let stream = match positional.next() {
        Some(Positional::Stream { kind, name }) => match kind.to_string().parse::<StreamKind>() {
            Ok(known) => {
                if let Err(mistake) = check_stream(known, &name.value()) {
                    errors.at(name, mistake);
                }
                Some((known, name.value()))
            }
            Err(mistake) => {
                errors.at(kind, mistake);
                None
            }
        },
        Some(other) => {
            errors.at(other.tokens(), format!("write where the records come from, as in {EXAMPLE}"));
            None
        }
        None if args.incomplete => None,
        None => {
            errors.push(Error::new(attribute_span(), format!("the stream is missing, as in {EXAMPLE}")));
            None
        }
    };
    for other in positional {
        errors.at(other.tokens(), "`#[stream]` takes one stream; stack a second attribute");
    }
    let batch_size = args.batch_size.as_ref();
    let batch_size =
        batch_size.and_then(|size| number(limits::STREAM_BATCH_SIZE, "`batch_size`", size, errors));
    let window = args.window.as_ref().and_then(|window| {
        within(limits::BATCH_WINDOW, "`window`", seconds(window, errors)?, window, errors)
    });
    let retry = args.retry.as_ref().map(|retry| {
        for backoff in [&retry.min_backoff, &retry.max_backoff].into_iter().flatten() {
            errors.at(backoff, "Lambda determines the pauses between the attempts of a stream");
        }
        retry::read(retry, Mode::Async, errors)
    });
    let (kind, name) = stream?;
    Some(Stream { kind, name, batch_size, window, retry })
}
