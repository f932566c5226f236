//! Writes the headers of a response for formats that have no place for repeated ones. `reply` and `stream` write the formats.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue, header};

/// Returns the values of `Set-Cookie`.
pub(crate) fn cookies(headers: &HeaderMap) -> Vec<String> {
    headers.get_all(header::SET_COOKIE).iter().map(text).collect()
}

/// Returns the headers with the values of each one joined. `Set-Cookie` is left out: its values cannot be joined (RFC 6265
/// §3).
pub(crate) fn joined(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| **name != header::SET_COOKIE) {
        let all = joined.entry(name.as_str().to_owned()).or_default();
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push_str(&text(value));
    }
    joined
}

/// Returns the value of a header.
pub(crate) fn text(value: &HeaderValue) -> String {
    eg_grammar::header::text(value.as_bytes()).into_owned()
}
