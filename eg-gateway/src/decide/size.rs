//! Decides whether functions can take an event of some size. `emission` asks before it stores the event or calls a
//! function; the limits are those of `eg_grammar::limits`.

use eg_grammar::limits;
use eg_sdk::config::{Function, Provider};

use super::catalog::Catalog;

/// No provider has a lower limit, so smaller events need no check.
const LEAST: usize = limits::QUEUE_MESSAGE;

/// An event is larger than a function can take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "as JSON, in which binary data is base64, the event has {size} bytes; function \"{function}\" takes at most {limit}, \
     the limit of {service}: send less, or a reference to the data"
)]
pub(crate) struct TooLarge {
    size: usize,
    function: String,
    limit: usize,
    service: &'static str,
}

/// Checks that each function of `space` with one of these ids takes an event whose JSON has `size` bytes.
pub(crate) fn check<'f>(
    catalog: &Catalog,
    space: &str,
    functions: impl IntoIterator<Item = &'f str>,
    size: usize,
) -> Result<(), TooLarge> {
    if size <= LEAST {
        return Ok(());
    }
    let known = |id: &str| catalog.table::<Function>().get(space, id);
    functions.into_iter().filter_map(known).try_for_each(|function| fits(function, size))
}

/// Checks that a function takes a payload of `size` bytes.
pub(crate) fn fits(function: &Function, size: usize) -> Result<(), TooLarge> {
    let (limit, service) = match function.provider {
        Provider::AwsLambda { .. } => (limits::PAYLOAD, "AWS Lambda"),
        Provider::AwsSqs { .. } => (limits::QUEUE_MESSAGE, "Amazon SQS"),
        // Streams say themselves what they take, and it varies. HTTP has no limit.
        _ => return Ok(()),
    };
    let refused = || TooLarge { size, function: function.function_id.clone(), limit, service };
    if size > limit { Err(refused()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use eg_sdk::config::Aws;

    use super::*;

    #[test]
    fn what_each_provider_takes() {
        let aws = Aws::default();
        let sqs = Provider::AwsSqs { queue_url: "q".to_owned(), aws: aws.clone() };
        let lambda = Provider::AwsLambda { arn: "a".to_owned(), aws };
        let http = Provider::Http { url: "http://a".to_owned() };
        for (provider, limit) in [(sqs, Some(1_048_576)), (lambda, Some(6_291_456)), (http, None)] {
            let function = Function::new("f", provider);
            let limit = limit.unwrap_or(usize::MAX - 1);
            assert_eq!(fits(&function, limit), Ok(()), "{function:?}");
            assert_eq!(fits(&function, limit + 1).is_ok(), limit == usize::MAX - 1, "{function:?}");
            assert!(limit >= LEAST, "{function:?}");
        }
    }

    #[test]
    fn the_message_has_the_size_and_the_limit() {
        let function = Function::new("f", Provider::AwsLambda { arn: "a".to_owned(), aws: Aws::default() });
        assert_eq!(
            fits(&function, 7_000_000).unwrap_err().to_string(),
            "as JSON, in which binary data is base64, the event has 7000000 bytes; function \"f\" takes at most 6291456, \
             the limit of AWS Lambda: send less, or a reference to the data"
        );
    }
}
