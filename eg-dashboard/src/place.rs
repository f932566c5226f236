//! The addresses of the pages. The router in `lib` has the same paths.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::ROOT;

/// The characters to escape in a segment or a query: all but RFC 3986's unreserved characters.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Begins segments that must not be taken as they are.
const MARK: char = '~';

/// Escapes `text` for a query of a URL.
pub(crate) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// Escapes `text` for a segment of a page's path. Browsers take `.` and `..` for steps in the tree, in every spelling, so
/// these segments get a mark; and so do those that begin with one.
fn segment(text: &str) -> String {
    if matches!(text, "." | "..") || text.starts_with(MARK) {
        format!("{MARK}{}", escaped(text))
    } else {
        escaped(text)
    }
}

/// Returns the text of a segment whose percent signs are decoded.
pub(crate) fn of_segment(segment: &str) -> &str {
    segment.strip_prefix(MARK).unwrap_or(segment)
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
    format!("{ROOT}/spaces/{}{page}", segment(space))
}

/// Returns the path of an event, or of a page `below` it: empty, or with a slash in front.
pub(crate) fn event(space: &str, id: &str, source: &str, ty: &str, below: &str) -> String {
    let page = format!("/events/{}{below}{}", segment(id), query([("source", source), ("type", ty)]));
    in_space(space, &page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_has_an_address_of_its_own() {
        for (id, expected) in
            [(".", "~."), ("..", "~.."), ("~.", "~~."), ("~", "~~"), ("...", "..."), ("a/b", "a%2Fb")]
        {
            assert_eq!(segment(id), expected);
            let decoded = segment(id).replace("%2F", "/");
            assert_eq!(of_segment(&decoded), id);
        }
    }
}
