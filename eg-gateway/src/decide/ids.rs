//! Identifiers that are derived from a resource's fields, the same as in Event Gateway 0.9.1.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eg_sdk::config::SubscriptionType;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What Go's escaping of a path segment leaves alone besides letters and digits.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b':')
    .remove(b'=')
    .remove(b'@');

/// The id of a subscription: unpadded base64url of its identifying fields. A synchronous one does not count its
/// function, so that there is one per event type, path and method.
pub(crate) fn subscription_id(
    kind: SubscriptionType,
    event_type: &str,
    function_id: &str,
    path: &str,
    method: &str,
) -> String {
    let path = utf8_percent_encode(path, SEGMENT);
    let plain = match kind {
        SubscriptionType::Async => format!("async,{event_type},{function_id},{path},{method}"),
        SubscriptionType::Sync => format!("sync,{event_type},{path},{method}"),
    };
    URL_SAFE_NO_PAD.encode(plain)
}

/// The id of a CORS configuration. It is escaped, and stands in URLs as it is.
pub(crate) fn cors_id(method: &str, path: &str) -> String {
    format!("{method}{}", escaped(path))
}

/// `text` as one segment of a URL's path, as Go escapes it.
pub(crate) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use SubscriptionType::{Async, Sync};

    #[test]
    fn ids_are_those_of_the_original() {
        for (kind, event_type, path, method, id) in [
            (Async, "user.created", "/", "GET", "YXN5bmMsdXNlci5jcmVhdGVkLGZ1bmMsJTJGLEdFVA"),
            (Sync, "http.request", "/", "POST", "c3luYyxodHRwLnJlcXVlc3QsJTJGLFBPU1Q"),
            (Sync, "http.request", "/users/:id", "GET", "c3luYyxodHRwLnJlcXVlc3QsJTJGdXNlcnMlMkY6aWQsR0VU"),
            (
                Sync,
                "http.request",
                "/files/*rest",
                "GET",
                "c3luYyxodHRwLnJlcXVlc3QsJTJGZmlsZXMlMkYlMkFyZXN0LEdFVA",
            ),
        ] {
            assert_eq!(
                subscription_id(kind, event_type, "func", path, method),
                id,
                "{kind:?} {method} {path}"
            );
        }
        assert_eq!(
            subscription_id(Async, "q.q", "m1", "/a%20b/ü", "POST"),
            "YXN5bmMscS5xLG0xLCUyRmElMjUyMGIlMkYlQzMlQkMsUE9TVA"
        );
        assert_eq!(cors_id("GET", "/hello/:id/*x"), "GET%2Fhello%2F:id%2F%2Ax");
    }
}
