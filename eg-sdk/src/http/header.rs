//! The header names of binary mode, and the encoding of their values. Knows no events.

use ::http::header::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

use crate::InvalidEvent;

/// The header that makes a message a binary event of 1.0.
pub(super) static SPECVERSION: HeaderName = HeaderName::from_static("ce-specversion");
/// The header that makes a message a binary event of 0.1.
pub(super) static V0_1_VERSION: HeaderName = HeaderName::from_static("ce-cloudeventsversion");
/// The prefix of extension headers in 0.1.
pub(super) const V0_1_EXTENSION: &str = "ce-x-";

/// The ASCII characters to percent-encode (HTTP binding 1.0.2 §3.1.3.2). All non-ASCII characters are encoded, too.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

pub(super) fn encode(value: &str) -> HeaderValue {
    let encoded = utf8_percent_encode(value, ENCODED).to_string();
    HeaderValue::try_from(encoded).expect("what is left are printable characters of ASCII")
}

/// Decodes quoting, then percent-encoding.
pub(super) fn decode(name: &str, value: &HeaderValue) -> Result<String, InvalidEvent> {
    let unquoted = unquote(value.as_bytes().trim_ascii());
    match percent_decode(&unquoted).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(InvalidEvent::attribute(name, "its header is not UTF-8 once it is percent-decoded")),
    }
}

/// Writes a value for 0.1: plain UTF-8 without escapes.
pub(super) fn raw(name: &str, value: &str) -> Result<HeaderValue, InvalidEvent> {
    HeaderValue::from_bytes(value.as_bytes())
        .map_err(|_| InvalidEvent::attribute(name, format!("`{value:?}` is not a valid HTTP header value")))
}

pub(super) fn name(attribute: &str, prefix: &str) -> Result<HeaderName, InvalidEvent> {
    HeaderName::try_from(format!("{prefix}{attribute}"))
        .map_err(|_| InvalidEvent::attribute(attribute, "cannot stand in the name of an HTTP header"))
}

/// Returns the single value of a 1.0 header.
pub(super) fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, InvalidEvent> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(InvalidEvent::attribute(name.as_str(), "header given twice")),
        (value, None) => Ok(value),
    }
}

/// Returns all values of a 0.1 header, joined like the original gateway did.
pub(super) fn joined(headers: &HeaderMap, name: &str) -> Result<Option<String>, InvalidEvent> {
    let mut values = headers.get_all(name).iter().map(|value| str::from_utf8(value.as_bytes())).peekable();
    if values.peek().is_none() {
        return Ok(None);
    }
    match values.collect::<Result<Vec<_>, _>>() {
        Ok(values) => Ok(Some(values.join(", ")).filter(|value| !value.is_empty())),
        Err(_) => Err(InvalidEvent::attribute(name, "header is not UTF-8")),
    }
}

/// Returns the content of a quoted string (RFC 9110 §5.6.4), else the value itself.
fn unquote(value: &[u8]) -> Vec<u8> {
    let Some(inner) = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")) else {
        return value.to_vec();
    };
    let mut bytes = inner.iter();
    let mut content = Vec::with_capacity(inner.len());
    while let Some(&byte) = bytes.next() {
        content.push(if byte == b'\\' { bytes.next().copied().unwrap_or(byte) } else { byte });
    }
    content
}
