//! The body of the gateway's error answers: a message for people and a stable code for programs. The gateway decides
//! which failure has which code.

use std::str::FromStr as _;

use serde::{Deserialize, Deserializer, Serialize};

use crate::names::named;

/// The body of an error answer: `{"errors":[{"code":"not_found","message":"…"}]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
pub struct ErrorBody {
    /// The errors; at least one.
    pub errors: Vec<ErrorDetail>,
}

/// One error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
pub struct ErrorDetail {
    /// The kind of the error. `None` if the answer has no code, like those of the original gateway, or one that this
    /// version does not know.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known")]
    #[cfg_attr(feature = "derive", schema(as = ErrorCode))]
    pub code: Option<ErrorCode>,
    /// What went wrong, for people. Not stable.
    pub message: String,
}

impl ErrorBody {
    /// Creates a body with one error.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { errors: vec![ErrorDetail { code: Some(code), message: message.into() }] }
    }
}

fn known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ErrorCode>, D::Error> {
    let code = Option::<String>::deserialize(deserializer)?;
    Ok(code.and_then(|code| ErrorCode::from_str(&code).ok()))
}

named! {
    "an error code"
    /// The kind of an error. Newer gateways may have more.
    #[non_exhaustive]
    pub enum ErrorCode {
        /// The request is malformed: its body, a query parameter or its `Host`.
        InvalidRequest = "invalid_request",
        /// The request does not contain a valid event.
        InvalidEvent = "invalid_event",
        /// The resource breaks a rule.
        InvalidResource = "invalid_resource",
        /// The resource refers to another one that does not exist.
        UnknownReference = "unknown_reference",
        /// The path conflicts with that of another resource.
        PathConflict = "path_conflict",
        /// The update changes an immutable field.
        Immutable = "immutable",
        /// Another resource refers to this one.
        InUse = "in_use",
        /// This gateway does not support the operation.
        Unsupported = "unsupported",
        /// The request needs an access key.
        KeyMissing = "key_missing",
        /// The access key does not allow the request.
        KeyRefused = "key_refused",
        /// The access key allows reading, and the request changes something.
        KeyOnlyReads = "key_only_reads",
        /// Only clients on the gateway's own machine may send the request.
        NotLocal = "not_local",
        /// A web page from elsewhere sent the request, or the request calls the gateway by a foreign name.
        Foreign = "foreign",
        /// The authorizer of the event's type refused the event.
        NotAuthorized = "not_authorized",
        /// The resource does not exist.
        NotFound = "not_found",
        /// The path does not exist.
        UnknownPath = "unknown_path",
        /// The path does not support this method.
        MethodNotAllowed = "method_not_allowed",
        /// The body did not arrive in time.
        Timeout = "timeout",
        /// A resource with this id exists.
        AlreadyExists = "already_exists",
        /// The subscription was deleted or is disabled.
        SubscriptionInactive = "subscription_inactive",
        /// The body is too large.
        TooLarge = "too_large",
        /// The body has a content encoding, such as `gzip`.
        UnsupportedEncoding = "unsupported_encoding",
        /// The content type of the body is not that of JSON.
        UnsupportedType = "unsupported_type",
        /// The function that answers the event failed.
        FunctionFailed = "function_failed",
        /// The gateway's credentials do not allow it to call the function.
        FunctionAccessDenied = "function_access_denied",
        /// The function's answer is not `{statusCode, headers, body}`.
        InvalidReply = "invalid_reply",
        /// The gateway failed because of a bug.
        Internal = "internal",
        /// The gateway has no room for the request: memory, or calls of the function. Try again later.
        Overloaded = "overloaded",
        /// Too many writes are waiting for the store. Try again later.
        StoreBusy = "store_busy",
        /// The store reached its size limit.
        StoreFull = "store_full",
        /// The store failed or is closed. Try again later.
        StoreUnavailable = "store_unavailable",
    }
}

impl ErrorCode {
    /// Returns the HTTP status of answers with this code.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest
            | Self::InvalidEvent
            | Self::InvalidResource
            | Self::UnknownReference
            | Self::PathConflict
            | Self::Immutable
            | Self::InUse
            | Self::Unsupported => 400,
            Self::KeyMissing => 401,
            Self::KeyRefused | Self::KeyOnlyReads | Self::NotLocal | Self::Foreign | Self::NotAuthorized => {
                403
            }
            Self::NotFound | Self::UnknownPath => 404,
            Self::MethodNotAllowed => 405,
            Self::Timeout => 408,
            Self::AlreadyExists | Self::SubscriptionInactive => 409,
            Self::TooLarge => 413,
            Self::UnsupportedEncoding | Self::UnsupportedType => 415,
            Self::FunctionFailed | Self::FunctionAccessDenied | Self::InvalidReply | Self::Internal => 500,
            Self::Overloaded | Self::StoreBusy | Self::StoreFull | Self::StoreUnavailable => 503,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_read_with_and_without_a_known_code() {
        for (json, code) in [
            (r#"{"errors":[{"code":"not_found","message":"m"}]}"#, Some(ErrorCode::NotFound)),
            (r#"{"errors":[{"message":"m"}]}"#, None),
            (r#"{"errors":[{"code":"of_tomorrow","message":"m","more":1}]}"#, None),
        ] {
            let body: ErrorBody = serde_json::from_str(json).unwrap();
            assert_eq!(body.errors, [ErrorDetail { code, message: "m".to_owned() }], "{json}");
        }
        let body = serde_json::to_string(&ErrorBody::new(ErrorCode::TooLarge, "m")).unwrap();
        assert_eq!(body, r#"{"errors":[{"code":"too_large","message":"m"}]}"#);
    }
}
