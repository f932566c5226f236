//! Converts HTTP headers to the form that events carry: names in Go's spelling, values joined. Other modules
//! interpret the headers.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use eg_grammar::header::text as of_bytes;
use http::header::{AsHeaderName, GetAll};
use http::{HeaderMap, HeaderValue, header};

/// Returns the headers of a request in the form that events carry.
pub(crate) fn canonical_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut carried = BTreeMap::new();
    for (name, value) in headers {
        if *name == header::HOST || *name == header::TRANSFER_ENCODING {
            continue;
        }
        let value = of_bytes(value.as_bytes());
        match carried.entry(canonical(name.as_str())) {
            Entry::Vacant(place) => drop(place.insert(value.into_owned())),
            Entry::Occupied(mut first) => first.get_mut().extend([", ", &value]),
        }
    }
    carried
}

/// Returns the first value of a header, unless it is empty.
pub(crate) fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<String> {
    let value = of_bytes(headers.get(name)?.as_bytes());
    Some(value.into_owned()).filter(|value| !value.is_empty())
}

/// Returns all values of a header, joined by commas.
pub(crate) fn joined(values: &GetAll<'_, HeaderValue>) -> String {
    let mut joined = String::new();
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            joined.push_str(", ");
        }
        joined.push_str(&of_bytes(value.as_bytes()));
    }
    joined
}

/// Returns the content encoding of a body, such as `gzip`. Returns `None` if the body is as it is.
pub(crate) fn content_encoding(headers: &HeaderMap) -> Option<String> {
    headers.get(header::CONTENT_ENCODING)?;
    let all = joined(&headers.get_all(header::CONTENT_ENCODING));
    let codings = all.split(',').map(str::trim).filter(|coding| !coding.is_empty());
    let codings: Vec<_> = codings.filter(|coding| !coding.eq_ignore_ascii_case("identity")).collect();
    (!codings.is_empty()).then(|| codings.join(", "))
}

/// Returns the name of a header in Go's spelling: each word between dashes is capitalised.
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
    fn content_encodings() {
        for (values, expected) in [
            (&[][..], None),
            (&[""], None),
            (&["identity"], None),
            (&["GZIP"], Some("GZIP")),
            (&["identity, br", "gzip"], Some("br, gzip")),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            assert_eq!(content_encoding(&headers).as_deref(), expected, "{values:?}");
        }
    }

    /// Bytes that are not UTF-8 became U+FFFD.
    #[test]
    fn values_keep_their_characters() {
        let mut headers = HeaderMap::new();
        for value in [&b"caf\xe9"[..], "café".as_bytes()] {
            headers.append("x-name", HeaderValue::from_bytes(value).unwrap());
        }
        assert_eq!(canonical_headers(&headers)["X-Name"], "café, café");
        assert_eq!(text(&headers, "x-name").as_deref(), Some("café"));
    }

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
