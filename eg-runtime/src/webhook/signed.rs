//! A request with its signature: what senders sign, and how to check it. All comparisons take the same time, however much of a
//! signature is right.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use ring::hmac::{self, Algorithm, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256, Key};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::Value;
use time::OffsetDateTime;

use super::Refused;

/// How far a timestamp may be away, in seconds. Stripe, Slack and Standard Webhooks recommend this.
const TOLERANCE: i64 = 300;

/// A request that claims to be a webhook.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    headers: &'a HeaderMap,
    url: &'a str,
    body: &'a [u8],
    secrets: &'a [String],
    now: OffsetDateTime,
}

impl<'a> Signed<'a> {
    pub(super) fn new(
        headers: &'a HeaderMap,
        url: &'a str,
        body: &'a [u8],
        secrets: &'a [String],
        now: OffsetDateTime,
    ) -> Self {
        Self { headers, url, body, secrets, now }
    }

    /// Returns a header.
    ///
    /// # Errors
    /// [`Refused::NoHeader`] if it is missing or no text.
    pub fn header(&self, name: &'static str) -> Result<&'a str, Refused> {
        self.optional_header(name).ok_or(Refused::NoHeader(name))
    }

    /// Returns a header that may be missing.
    #[must_use]
    pub fn optional_header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the body, as it was sent.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Returns the URL that the sender has called.
    #[must_use]
    pub fn url(&self) -> &'a str {
        self.url
    }

    /// Returns the secrets.
    pub fn secrets(&self) -> impl Iterator<Item = &'a str> {
        self.secrets.iter().map(String::as_str)
    }

    /// Returns the time of the check, in seconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.now.unix_timestamp()
    }

    /// Returns a member of a JSON body, if it is a text. The name may lead into objects: `/event/type`.
    #[must_use]
    pub fn member(&self, pointer: &str) -> Option<String> {
        let body: Value = serde_json::from_slice(self.body).ok()?;
        body.pointer(pointer)?.as_str().map(str::to_owned)
    }

    /// Returns a field of a form.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        form(self.body).into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Checks a timestamp in seconds since 1970: it may be five minutes away.
    ///
    /// # Errors
    /// [`Refused::Old`], [`Refused::Early`], or [`Refused::Malformed`] if it is no number.
    pub fn is_recent(&self, timestamp: &str) -> Result<(), Refused> {
        let malformed =
            |_| Refused::Malformed(format!("the timestamp `{timestamp}` is no number of seconds"));
        let age = self.now().saturating_sub(timestamp.parse::<i64>().map_err(malformed)?);
        match age {
            age if age > TOLERANCE => Err(Refused::Old(age)),
            age if age < -TOLERANCE => Err(Refused::Early(age.saturating_neg())),
            _ => Ok(()),
        }
    }

    /// Checks an HMAC-SHA256 of these parts, one after the other, in hexadecimal digits.
    ///
    /// # Errors
    /// [`Refused::Wrong`].
    pub fn has_hex(&self, signature: &str, parts: &[&[u8]]) -> Result<(), Refused> {
        let tag = from_hex(signature).ok_or(Refused::Wrong)?;
        self.is_signed(HMAC_SHA256, &tag, parts)
    }

    /// Checks an HMAC-SHA256 of these parts in base64.
    ///
    /// # Errors
    /// [`Refused::Wrong`].
    pub fn has_base64(&self, signature: &str, parts: &[&[u8]]) -> Result<(), Refused> {
        let tag = STANDARD.decode(signature).map_err(|_| Refused::Wrong)?;
        self.is_signed(HMAC_SHA256, &tag, parts)
    }

    /// Checks an HMAC-SHA1 of these parts in base64, which Twilio uses.
    pub(super) fn has_sha1(&self, signature: &str, parts: &[&[u8]]) -> Result<(), Refused> {
        let tag = STANDARD.decode(signature).map_err(|_| Refused::Wrong)?;
        self.is_signed(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &tag, parts)
    }

    fn is_signed(&self, algorithm: Algorithm, tag: &[u8], parts: &[&[u8]]) -> Result<(), Refused> {
        let verifies = |secret: &str| is_mac(algorithm, secret.as_bytes(), tag, parts);
        if self.secrets().any(verifies) { Ok(()) } else { Err(Refused::Wrong) }
    }

    /// Returns the HMAC-SHA256 of these parts with the first secret, in hexadecimal digits.
    #[must_use]
    pub fn hex(&self, parts: &[&[u8]]) -> HeaderValue {
        let tag = mac(HMAC_SHA256, self.first().as_bytes(), parts);
        let digits: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
        header(&digits)
    }

    /// Returns the HMAC-SHA256 of these parts with the first secret, in base64.
    #[must_use]
    pub fn base64(&self, parts: &[&[u8]]) -> HeaderValue {
        header(&STANDARD.encode(mac(HMAC_SHA256, self.first().as_bytes(), parts)))
    }

    pub(super) fn sha1(&self, parts: &[&[u8]]) -> HeaderValue {
        header(&STANDARD.encode(mac(HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.first().as_bytes(), parts)))
    }

    pub(super) fn first(&self) -> &'a str {
        self.secrets().next().unwrap_or_default()
    }
}

/// Returns a header of a text that has only printable characters of ASCII.
pub(super) fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

pub(super) fn mac(algorithm: Algorithm, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let key = Key::new(algorithm, key);
    hmac::sign(&key, &parts.concat()).as_ref().to_vec()
}

pub(super) fn is_mac(algorithm: Algorithm, key: &[u8], tag: &[u8], parts: &[&[u8]]) -> bool {
    hmac::verify(&Key::new(algorithm, key), &parts.concat(), tag).is_ok()
}

/// Returns whether an Ed25519 signature is that of a public key.
pub(super) fn is_ed25519(key: &[u8], signature: &[u8], message: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
}

/// Reads hexadecimal digits.
fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |digit: u8| (digit as char).to_digit(16);
    let byte = |pair: &[u8]| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok();
    digits.chunks(2).map(byte).collect()
}

/// Reads the fields of a form, in their order.
pub(super) fn form(body: &[u8]) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// Returns the URL that the sender has called: `set`, or what the request says.
pub(super) fn url(parts: &Parts, set: Option<&str>) -> String {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    match set {
        // The query is part of each call.
        Some(set) => match (parts.uri.query(), set.contains('?')) {
            (Some(query), false) => format!("{set}?{query}"),
            _ => set.to_owned(),
        },
        None => {
            let host = parts.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
            format!("https://{host}{path}")
        }
    }
}
