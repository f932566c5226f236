//! Builds an HTTP request from the parts in a payload. Malformed parts are errors, never panics.

use std::fmt::{self, Write as _};
use std::marker::PhantomData;

use axum::body::Body;
use axum::extract::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::BadRequest;

/// The parts of a request that every family has, in HTTP's spelling.
#[derive(Default)]
pub(super) struct Pieces<'a> {
    pub(super) method: &'a str,
    /// Invalid characters of path and query are escaped; existing escapes are kept.
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<String>,
    pub(super) base64: bool,
}

impl Pieces<'_> {
    /// Builds the request, or names the malformed part.
    pub(super) fn build(self) -> Result<Request, BadRequest> {
        let body = match self.body {
            None => Vec::new(),
            Some(body) if self.base64 => decode(&body).map_err(BadRequest)?,
            Some(body) => body.into_bytes(),
        };
        let mut target = String::with_capacity(self.path.len() + self.query.len() + 2);
        if !self.path.starts_with('/') {
            target.push('/');
        }
        escape(&mut target, self.path, "-._~!$&'()*+,;=:@/");
        if !self.query.is_empty() {
            target.push('?');
            escape(&mut target, self.query, "-._~!$&'()*+,;=:@/?");
        }
        build(self.method, &target, self.headers, body).map_err(BadRequest)
    }
}

/// Builds the request, or describes the malformed part.
pub(super) fn build(
    method: &str,
    path_and_query: &str,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Result<Request, String> {
    let mut request = Request::new(Body::from(body));
    *request.method_mut() =
        Method::from_bytes(method.as_bytes()).map_err(|_| format!("method `{method}`"))?;
    *request.uri_mut() = Uri::builder()
        .path_and_query(path_and_query)
        .build()
        .map_err(|e| format!("path and query `{path_and_query}`: {e}"))?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// Adds a header. Skips invalid names and values, which a server would refuse.
pub(super) fn append(headers: &mut HeaderMap, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes());
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
        // The header map holds 32,768 entries; no sender has more.
        let _ = headers.try_append(name, value);
    }
}

/// Builds headers from these names and values.
pub(super) fn header_map<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    pairs.for_each(|(name, value)| append(&mut headers, name, value));
    headers
}

/// The members of a JSON object, in their order, which matters for parameters of a query.
#[derive(Debug, Default)]
pub(super) struct Pairs<V>(Vec<(String, V)>);

/// Headers or parameters with one value per name. Senders write `null` for an empty map.
pub(super) type Single = Option<Pairs<Option<String>>>;

/// Headers or parameters with all values per name.
pub(super) type Multi = Option<Pairs<Option<Vec<String>>>>;

impl<V> Pairs<V> {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<V> {
            type Value = Pairs<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}

/// Returns all values if the sender gives them, else the last value per name.
pub(super) fn pairs<'a>(single: &'a Single, multi: &'a Multi) -> impl Iterator<Item = (&'a str, &'a str)> {
    let all = multi
        .iter()
        .flat_map(Pairs::iter)
        .flat_map(|(name, values)| values.iter().flatten().map(move |value| (name, value.as_str())));
    let last = single.iter().filter(|_| multi.is_none()).flat_map(Pairs::iter);
    all.chain(last.map(|(name, value)| (name, value.as_deref().unwrap_or_default())))
}

/// Decodes standard base64.
pub(super) fn decode(base64: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(base64).map_err(|e| format!("body: not base64: {e}"))
}

/// Builds a query from decoded names and values.
pub(super) fn query<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    joined(pairs.map(|(name, value)| format!("{}={}", encode(name), encode(value))))
}

/// Builds a query from names and values that are still escaped.
pub(super) fn raw_query<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    joined(pairs.map(|(name, value)| format!("{name}={value}")))
}

fn joined(pairs: impl Iterator<Item = String>) -> String {
    pairs.collect::<Vec<_>>().join("&")
}

/// Appends `text`. Escapes everything except letters, digits, `allowed`, and existing escapes.
fn escape(out: &mut String, text: &str, allowed: &str) {
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let is_escape = byte == b'%'
            && bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        if byte.is_ascii_alphanumeric() || allowed.as_bytes().contains(&byte) || is_escape {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}
