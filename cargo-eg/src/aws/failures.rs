//! Turns the errors of AWS's clients into failures: what could not be done, why, and what to do about it.

use std::error::Error;
use std::fmt::Debug;

use aws_sdk_cloudwatchlogs::error::{ProvideErrorMetadata, SdkError};

use crate::exit::{Exit, Failure};

/// The codes of keys and tokens that were valid.
const EXPIRED: [&str; 5] =
    ["ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired", "InvalidToken"];

/// The codes of keys that AWS does not know in this region.
const UNKNOWN: [&str; 7] = [
    "AuthFailure",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// The codes of missing rights.
const DENIED: [&str; 6] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "ForbiddenException",
    "UnauthorizedAccess",
    "UnauthorizedOperation",
];

/// The codes of too many requests, which the client has repeated already.
const THROTTLED: [&str; 9] = [
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

/// The codes of requests for something in another region.
const ELSEWHERE: [&str; 4] = [
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
    "RegionDisabledException",
];

/// Returns the failure of a call. `action` is what could not be done, for example `read the log`.
pub(crate) fn failure<E, R>(action: &str, error: &SdkError<E, R>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
    R: Debug + 'static,
{
    match (error.as_service_error().and_then(E::code), error) {
        (Some(code), _) => answered(action, code, error.message().unwrap_or_default()),
        (None, SdkError::DispatchFailure(_) | SdkError::TimeoutError(_)) => unanswered(action, error),
        (None, SdkError::ResponseError(_)) => {
            Failure::new(Exit::Unreachable, format!("cannot {action}: the answer broke off: {}", root(error)))
                .hint("run the command again")
        }
        (None, _) => Failure::new(Exit::Refused, format!("cannot {action}: {}", root(error))),
    }
}

/// Returns the failure of a call that has reached nobody.
pub(super) fn unanswered(action: &str, error: &(dyn Error + 'static)) -> Failure {
    Failure::new(Exit::Unreachable, format!("cannot {action}: AWS does not answer: {}", root(error)))
        .hint("check the connection and the region, then run the command again")
}

/// Returns the failure of a call that AWS has refused.
pub(super) fn answered(action: &str, code: &str, message: &str) -> Failure {
    let failed =
        |exit, reason: &str| Failure::new(exit, format!("cannot {action}: {}", reason.trim_end_matches('.')));
    match code {
        _ if EXPIRED.contains(&code) => {
            failed(Exit::Credentials, "the AWS credentials have expired").hint(super::LOG_IN)
        }
        _ if UNKNOWN.contains(&code) => {
            failed(Exit::Credentials, &format!("AWS does not accept the credentials ({code}): {message}"))
                .hint(super::LOG_IN)
        }
        _ if DENIED.contains(&code) => match denied(message) {
            Some(right) => {
                failed(Exit::Refused, &format!("the AWS credentials do not allow `{right}`: {message}"))
            }
            None => failed(Exit::Refused, &format!("the AWS credentials do not allow it: {message}")),
        }
        .hint("ask for this right, or use other credentials, for example with --profile NAME"),
        _ if THROTTLED.contains(&code) => {
            failed(Exit::Refused, &format!("AWS takes no more requests at present ({code}): {message}"))
                .hint("wait a minute, then run the command again")
        }
        _ if ELSEWHERE.contains(&code) => {
            failed(Exit::Refused, &format!("it is in another region ({code}): {message}"))
                .hint("set the region with --region, AWS_REGION or your AWS configuration")
        }
        _ if message.is_empty() => failed(Exit::Refused, code),
        _ => failed(Exit::Refused, &format!("{code}: {message}")),
    }
}

/// Returns the missing right that a message of AWS names: `User: … is not authorized to perform: s3:PutObject on …`.
fn denied(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    rest.split(|c: char| c.is_whitespace() || c == ',').next().filter(|right| right.contains(':'))
}

/// Returns the innermost cause, which says what happened. Those around it say which part of the client noticed it.
pub(super) fn root(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_says_what_to_do() {
        let check = |code: &str, message: &str, expected: &str| {
            let failure = answered("list the stacks", code, message);
            assert_eq!(failure.text(), expected, "{code}");
        };
        check(
            "ExpiredToken",
            "The security token included in the request is expired",
            "cannot list the stacks: the AWS credentials have expired\nrun `aws sso login`, or set AWS_PROFILE or \
             AWS_ACCESS_KEY_ID",
        );
        check(
            "AccessDenied",
            "User: arn:aws:iam::1:user/a is not authorized to perform: cloudformation:ListStacks on resource: *",
            "cannot list the stacks: the AWS credentials do not allow `cloudformation:ListStacks`: User: \
             arn:aws:iam::1:user/a is not authorized to perform: cloudformation:ListStacks on resource: *\n\
             ask for this right, or use other credentials, for example with --profile NAME",
        );
        check(
            "Throttling",
            "Rate exceeded",
            "cannot list the stacks: AWS takes no more requests at present (Throttling): Rate exceeded\n\
             wait a minute, then run the command again",
        );
        check(
            "PermanentRedirect",
            "use another endpoint.",
            "cannot list the stacks: it is in another region (PermanentRedirect): use another endpoint\n\
             set the region with --region, AWS_REGION or your AWS configuration",
        );
        check("ValidationError", "no such stack", "cannot list the stacks: ValidationError: no such stack\n");
    }
}
