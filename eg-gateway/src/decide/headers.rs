//! HTTP headers as events carry them: names as Go spells them, values joined. What a header means is decided elsewhere.

use std::collections::BTreeMap;

use http::header::{AsHeaderName, GetAll};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The headers of a request as events carry them.
pub(crate) fn canonical_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let carried = |name: &&HeaderName| **name != header::HOST && **name != header::TRANSFER_ENCODING;
    let header = |name: &HeaderName| (canonical(name.as_str()), joined(&headers.get_all(name)));
    headers.keys().filter(carried).map(header).collect()
}

/// The first value of a header, unless it is empty.
pub(crate) fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(name)?.as_bytes());
    Some(value.into_owned()).filter(|value| !value.is_empty())
}

/// All values of a header.
pub(crate) fn joined(values: &GetAll<'_, HeaderValue>) -> String {
    let mut joined = String::new();
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            joined.push_str(", ");
        }
        joined.push_str(&String::from_utf8_lossy(value.as_bytes()));
    }
    joined
}

/// A header's name as Go spells it: each word between dashes capitalised.
pub(crate) fn canonical(name: &str) -> String {
    let mut canonical = name.to_owned();
    let mut start = 0;
    loop {
        if let Some(first) = canonical.get_mut(start..=start) {
            first.make_ascii_uppercase();
        }
        match canonical[start..].find('-') {
            Some(dash) => start += dash + 1,
            None => return canonical,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, expected) in [
            ("content-type", "Content-Type"),
            ("x-a--b-", "X-A--B-"),
            ("-", "-"),
            ("", ""),
            ("x_under", "X_under"),
            ("7up", "7up"),
        ] {
            assert_eq!(canonical(name), expected, "{name}");
        }
    }
}
