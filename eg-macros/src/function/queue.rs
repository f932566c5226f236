//! `#[queue("orders")]`: an SQS queue, with hints for how its messages are batched. Bounds are those of Lambda's
//! event source mappings.

use syn::Error;

use super::attribute_span;
use super::hints::{number, seconds};
use crate::args::{Args, Positional};
use crate::errors::Errors;

/// A queue whose messages the function handles.
pub(crate) struct Queue {
    pub(crate) name: String,
    /// Messages at most in one invocation.
    pub(crate) batch_size: Option<u32>,
    /// Seconds that messages may wait for others.
    pub(crate) window: Option<u32>,
}

pub(super) fn read(args: &Args, errors: &mut Errors) -> Option<Queue> {
    let mut positional = args.positional.iter();
    let name = match positional.next() {
        Some(Positional::Text(name)) => Some(name),
        Some(Positional::Path(path)) => {
            errors.at(path, format!("the name of a queue is a string: `\"{}\"`", quote::quote!(#path)));
            None
        }
        None if args.incomplete => None,
        None => {
            errors.push(Error::new(attribute_span(), "which queue? As in `#[queue(\"orders\")]`"));
            None
        }
    };
    for other in positional {
        errors.at(other.tokens(), "`#[queue]` takes one queue; stack a second attribute");
    }
    let fifo = name.is_some_and(|name| name.value().ends_with(".fifo"));
    let batch_size = args.batch_size.as_ref().and_then(|size| {
        let max = if fifo { 10 } else { 10_000 };
        let what = if fifo { "the batch size of a FIFO queue" } else { "a batch size" };
        number(size, what, "records", 1..=max, errors)
    });
    let window =
        args.window.as_ref().and_then(|window| seconds(window, "a batching window", 0..=300, errors));
    if let Some(window) = args.window.as_ref().filter(|_| fifo) {
        errors.at(window, "FIFO queues have no batching window");
    } else if let Some(size) = &args.batch_size
        && batch_size.is_some_and(|size| size > 10)
        && window.unwrap_or_default() == 0
    {
        errors.at(size, "batches of more than 10 records need time to fill: add `window = \"1s\"` or more");
    }
    let name = name?;
    let value = name.value();
    let base = value.strip_suffix(".fifo").unwrap_or(&value);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if base.is_empty() || value.len() > 80 || !base.bytes().all(allowed) {
        errors.at(
            name,
            format!("{value:?} cannot name a queue: use up to 80 letters, digits, `-` and `_`, with `.fifo` behind them for FIFO queues"),
        );
    }
    Some(Queue { name: value, batch_size, window })
}
