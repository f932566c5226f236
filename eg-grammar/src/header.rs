//! Names the HTTP headers that the gateway adds to its answers, and reads the values of headers as text. `extension` has
//! the headers of CloudEvents.

use std::borrow::Cow;

/// On a `202`: how many events of the request had been accepted before and were not stored again. Absent if none.
pub const DUPLICATES: &str = "eg-duplicates";

/// On a `202`: how many of the duplicates have another payload than the event that was accepted before. Absent if none.
pub const CONFLICTS: &str = "eg-conflicts";

/// The media type of an answer that is sent while it is made: a prelude with status and headers, eight zeros, and a body. In
/// `Accept`, or in a client context, it says that a caller can read such an answer. Source: Lambda's response streaming.
pub const STREAMED_ANSWER: &str = "application/vnd.awslambda.http-integration-response";

/// Returns the value of a header as text, for formats that have no bytes: UTF-8, else ISO-8859-1, which HTTP allowed
/// first (RFC 9110 §5.5). So no value loses characters.
///
/// ```
/// use eg_grammar::header::text;
///
/// assert_eq!(text("café".as_bytes()), "café");
/// assert_eq!(text(b"caf\xe9"), "café");
/// ```
#[must_use]
pub fn text(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(value.iter().copied().map(char::from).collect()),
    }
}
