//! What the sender of webhooks defines: how it signs, and where a webhook has its id. `presets` has the senders that many use.

use axum::response::Response;
use http::HeaderMap;

use super::signed::Signed;

/// A sender of webhooks.
///
/// ```
/// use eg_runtime::webhook::{Provider, Refused, Signed, Verified};
/// use eg_runtime::HeaderMap;
///
/// /// Signs the body with HMAC-SHA256, in hexadecimal digits.
/// struct Acme;
///
/// impl Provider for Acme {
///     const NAME: &'static str = "acme";
///     const VARIABLE: &'static str = "ACME_WEBHOOK_SECRET";
///
///     fn verify(signed: &Signed<'_>) -> Result<Verified, Refused> {
///         signed.has_hex(signed.header("x-acme-signature")?, &[signed.body()])?;
///         Ok(Verified::new(signed.header("x-acme-id")?))
///     }
///
///     fn sign(signed: &Signed<'_>) -> HeaderMap {
///         let mut headers = HeaderMap::new();
///         headers.insert("x-acme-signature", signed.hex(&[signed.body()]));
///         headers.insert("x-acme-id", "1".parse().unwrap());
///         headers
///     }
/// }
/// ```
pub trait Provider: Send + Sync + 'static {
    /// The name of the sender, for messages and the ids of events: lower case, without `:`.
    const NAME: &'static str;
    /// The environment variable with the secret.
    const VARIABLE: &'static str;

    /// Checks that the sender has sent this request, and returns what is known of the webhook.
    ///
    /// # Errors
    /// [`Refused`] if the signature is missing, or not that of a secret, or too old.
    fn verify(signed: &Signed<'_>) -> Result<Verified, Refused>;

    /// Returns the answer to a verified request that the function does not get, such as one that only checks whether somebody
    /// answers.
    fn handshake(signed: &Signed<'_>, verified: &Verified) -> Option<Response> {
        let _ = (signed, verified);
        None
    }

    /// Returns the headers with which the sender signs this request with the first secret: for tests.
    fn sign(signed: &Signed<'_>) -> HeaderMap;
}

/// What is known of a webhook whose signature is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The id, which a repetition has, too.
    pub id: String,
    /// What happened, in the sender's words.
    pub kind: Option<String>,
}

impl Verified {
    /// Creates a webhook with this id.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), kind: None }
    }

    /// Sets what happened.
    #[must_use]
    pub fn of_kind(mut self, kind: Option<impl Into<String>>) -> Self {
        self.kind = kind.map(Into::into);
        self
    }
}

/// Why a request is not a webhook of its sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// A header is missing or no text.
    #[error("the request has no header `{0}`, so nothing shows who sent it")]
    NoHeader(&'static str),
    /// A header or a secret has another form than the sender documents.
    #[error("{0}")]
    Malformed(String),
    /// No secret verifies the signature.
    #[error(
        "the signature fits none of the secrets: the secret is another one, or the body was changed on its way"
    )]
    Wrong,
    /// The timestamp is too far away.
    #[error(
        "the request was signed {0} s ago, and at most 300 s are accepted: it is repeated, or a clock is wrong"
    )]
    Old(i64),
    /// The timestamp is in the future.
    #[error("the request was signed {0} s in the future, and at most 300 s are accepted: a clock is wrong")]
    Early(i64),
}
