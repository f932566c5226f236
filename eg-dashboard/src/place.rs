//! The addresses of the pages. The router in `lib` has the same paths.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::ROOT;

/// The characters to escape in a segment or a query: all but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Escapes `text` for a segment or a query of a URL.
pub(crate) fn escaped(text: &str) -> String {
    // Browsers take these segments for steps in the tree, in every spelling.
    match text {
        "." | ".." => text.replace('.', "%252E"),
        _ => utf8_percent_encode(text, ESCAPED).to_string(),
    }
}

/// Returns `?name=value&…` of the pairs that have a value; empty if none has.
pub(crate) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = String::new();
    for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
        let sign = if query.is_empty() { '?' } else { '&' };
        query += &format!("{sign}{name}={}", escaped(value));
    }
    query
}

/// Returns the path of a page of a space: `page` begins with a slash and is escaped.
pub(crate) fn in_space(space: &str, page: &str) -> String {
    format!("{ROOT}/spaces/{}{page}", escaped(space))
}

/// Returns the path of an event, or of a page `below` it: empty, or with a slash in front.
pub(crate) fn event(space: &str, id: &str, source: &str, ty: &str, below: &str) -> String {
    let page = format!("/events/{}{below}{}", escaped(id), query([("source", source), ("type", ty)]));
    in_space(space, &page)
}
