//! Signs what the gateway sends to webhooks, as [Standard Webhooks](https://www.standardwebhooks.com) 1.0 describes: with shared secrets
//! (`whsec_…`) or private keys (`whsk_…`). Several signatures let receivers rotate secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eg_sdk::config::Secret;
use ring::signature::Ed25519KeyPair;
use ring::{digest, hmac};

/// The lengths of a shared secret in bytes. The specification recommends them.
const SHARED: std::ops::RangeInclusive<usize> = 24..=64;

/// The length of the seed of an Ed25519 key in bytes. A public key may follow it.
const SEED: usize = 32;

/// A key that signs.
pub(crate) enum SigningKey {
    Shared(hmac::Key),
    Private(Ed25519KeyPair),
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

impl SigningKey {
    /// Reads a secret.
    ///
    /// # Errors
    /// What is wrong with it, without the secret itself.
    pub(crate) fn read(secret: &Secret) -> Result<Self, String> {
        let text = secret.expose();
        let decode = |text: &str| {
            STANDARD
                .decode(text)
                .map_err(|_| "a secret is not base64 after its prefix `whsec_` or `whsk_`".to_owned())
        };
        if let Some(private) = text.strip_prefix("whsk_") {
            let bytes = decode(private)?;
            let seed = bytes.get(..SEED).filter(|_| matches!(bytes.len(), SEED | 64));
            let pair = seed.and_then(|seed| Ed25519KeyPair::from_seed_unchecked(seed).ok());
            return pair.map(Self::Private).ok_or_else(|| {
                format!(
                    "a private key (`whsk_`) has {} bytes: an Ed25519 key has 32, or 64 with its public key",
                    bytes.len()
                )
            });
        }
        let Some(shared) = text.strip_prefix("whsec_") else {
            return Err("a secret begins with `whsec_` (shared) or `whsk_` (a private key)".to_owned());
        };
        let bytes = decode(shared)?;
        if !SHARED.contains(&bytes.len()) {
            return Err(format!("a secret (`whsec_`) has {} bytes: it must have 24 to 64", bytes.len()));
        }
        Ok(Self::Shared(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    fn sign(&self, message: &[u8]) -> String {
        match self {
            Self::Shared(key) => format!("v1,{}", STANDARD.encode(hmac::sign(key, message))),
            Self::Private(pair) => format!("v1a,{}", STANDARD.encode(pair.sign(message))),
        }
    }
}

/// The headers that sign a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    /// `webhook-id`: the same in each attempt, and another one for a replay.
    pub(crate) id: String,
    /// `webhook-timestamp`: the seconds since 1970.
    pub(crate) timestamp: String,
    /// `webhook-signature`: one for each key.
    pub(crate) signatures: String,
}

impl Signature {
    /// Signs a body that is sent at a time in seconds since 1970.
    pub(crate) fn of(keys: &[SigningKey], body: &[u8], now: i64) -> Self {
        // The ids of events may contain the full stop that separates what is signed.
        let digest = digest::digest(&digest::SHA256, body);
        let id: String = digest.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let (id, timestamp) = (format!("msg_{id}"), now.to_string());
        let message = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
        let signatures = keys.iter().map(|key| key.sign(&message)).collect::<Vec<_>>().join(" ");
        Self { id, timestamp, signatures }
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, KeyPair as _, UnparsedPublicKey};

    use super::*;

    fn read(text: &str) -> Result<SigningKey, String> {
        SigningKey::read(&Secret::from(text))
    }

    #[test]
    fn secrets_have_the_form_of_the_specification() {
        let of = |prefix: &str, length: usize| format!("{prefix}{}", STANDARD.encode(vec![7; length]));
        for good in [of("whsec_", 24), of("whsec_", 64), of("whsk_", 32), of("whsk_", 64)] {
            assert!(read(&good).is_ok(), "{good}");
        }
        for (bad, expected) in [
            (of("whsec_", 23), "a secret (`whsec_`) has 23 bytes: it must have 24 to 64"),
            (of("whsec_", 65), "a secret (`whsec_`) has 65 bytes: it must have 24 to 64"),
            (
                of("whsk_", 31),
                "a private key (`whsk_`) has 31 bytes: an Ed25519 key has 32, or 64 with its public key",
            ),
            (of("whpk_", 32), "a secret begins with `whsec_` (shared) or `whsk_` (a private key)"),
            ("whsec_!".to_owned(), "a secret is not base64 after its prefix `whsec_` or `whsk_`"),
            (String::new(), "a secret begins with `whsec_` (shared) or `whsk_` (a private key)"),
        ] {
            assert_eq!(read(&bad).unwrap_err(), expected);
        }
    }

    #[test]
    fn every_key_signs() {
        let keys = [
            read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            read(&format!("whsk_{}", STANDARD.encode([7; 32]))),
        ];
        let keys = keys.map(Result::unwrap);
        let body = br#"{"test": 2432232314}"#;
        let Signature { id, timestamp, signatures } = Signature::of(&keys, body, 1_614_265_330);
        assert_eq!((id.len(), timestamp.as_str()), (36, "1614265330"));
        assert_eq!(Signature::of(&keys, body, 1_614_265_331).id, id, "the id is that of the body");
        assert_ne!(Signature::of(&keys, b"{}", 1_614_265_330).id, id);
        let message = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
        let (shared, private) = signatures.split_once(' ').unwrap();
        let tag = STANDARD.decode(shared.strip_prefix("v1,").unwrap()).unwrap();
        let SigningKey::Shared(key) = &keys[0] else { panic!() };
        assert!(hmac::verify(key, &message, &tag).is_ok());
        let tag = STANDARD.decode(private.strip_prefix("v1a,").unwrap()).unwrap();
        let SigningKey::Private(pair) = &keys[1] else { panic!() };
        let public = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref());
        assert!(public.verify(&message, &tag).is_ok());
    }
}
