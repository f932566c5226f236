//! `#[queue("orders")]`: an SQS queue, with hints for how its messages are batched. `eg-grammar` has the rules.

use eg_grammar::{BatchMistake, QueueName, check_batch};
use syn::{Error, LitInt};

use super::attribute_span;
use super::hints::seconds;
use crate::args::{Args, Positional};
use crate::errors::Errors;

/// A queue whose messages the function handles.
pub(crate) struct Queue {
    pub(crate) name: String,
    /// The maximum number of messages per invocation.
    pub(crate) batch_size: Option<u32>,
    /// How long to collect messages for a batch, in seconds.
    pub(crate) window: Option<u32>,
}

pub(super) fn read(args: &Args, errors: &mut Errors) -> Option<Queue> {
    let mut positional = args.positional.iter();
    let name = match positional.next() {
        Some(Positional::Text(name)) => Some(name),
        Some(Positional::Path(path)) => {
            let message = match Positional::is_constant(path) {
                true => args.kind.literal(),
                false => format!("write the queue's name as a string: `\"{}\"`", quote::quote!(#path)),
            };
            errors.at(path, message);
            None
        }
        Some(other) => {
            errors.at(other.tokens(), "write the queue's name as a string: `\"orders\"`");
            None
        }
        None if args.incomplete => None,
        None => {
            errors.push(Error::new(
                attribute_span(),
                "the queue's name is missing, as in `#[queue(\"orders\")]`",
            ));
            None
        }
    };
    for other in positional {
        errors.at(other.tokens(), "`#[queue]` takes one queue; stack a second attribute");
    }
    let value = name.map(syn::LitStr::value).unwrap_or_default();
    // A value that is not a number is larger than every bound.
    let size = |size: &LitInt| size.base10_parse().unwrap_or(u64::MAX);
    let batch_size = args.batch_size.as_ref().map(size);
    let window = args.window.as_ref().and_then(|window| seconds(window, errors));
    match check_batch(&value, batch_size, window.map(u64::from)) {
        Ok(()) => {}
        Err(BatchMistake::Size(mistake)) => errors.at(&args.batch_size, mistake),
        Err(BatchMistake::Window(mistake)) => errors.at(&args.window, mistake),
    }
    if let Err(mistake) = value.parse::<QueueName>() {
        errors.at(name?, mistake);
    }
    Some(Queue { name: value, batch_size: batch_size.and_then(|size| u32::try_from(size).ok()), window })
}
