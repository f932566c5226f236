//! The senders that many use. Sources: the documentation of each about signatures, named at its type.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode};
use ring::digest;
use ring::hmac::HMAC_SHA256;
use serde_json::json;

use super::signed::{form, header, is_ed25519, is_mac, mac};
use super::{Provider, Refused, Signed, Verified};

/// [GitHub](https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries).
#[derive(Debug, Clone, Copy)]
pub enum GitHub {}

impl Provider for GitHub {
    const NAME: &'static str = "github";
    const VARIABLE: &'static str = "GITHUB_WEBHOOK_SECRET";

    fn verify(signed: &Signed<'_>) -> Result<Verified, Refused> {
        let signature = signed.header("x-hub-signature-256")?;
        signed.has_hex(signature.strip_prefix("sha256=").ok_or(Refused::Wrong)?, &[signed.body()])?;
        let kind = signed.optional_header("x-github-event");
        Ok(Verified::new(signed.header("x-github-delivery")?).of_kind(kind))
    }

    fn handshake(_: &Signed<'_>, verified: &Verified) -> Option<Response> {
        (verified.kind.as_deref() == Some("ping")).then(|| StatusCode::OK.into_response())
    }

    fn sign(signed: &Signed<'_>) -> HeaderMap {
        let digits = signed.hex(&[signed.body()]);
        let digits = digits.to_str().unwrap_or_default();
        headers([
            ("x-hub-signature-256", &format!("sha256={digits}")),
            ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
            ("x-github-event", "push"),
        ])
    }
}

/// [Shopify](https://shopify.dev/docs/apps/build/webhooks/subscribe/https).
#[derive(Debug, Clone, Copy)]
pub enum Shopify {}

impl Provider for Shopify {
    const NAME: &'static str = "shopify";
    const VARIABLE: &'static str = "SHOPIFY_WEBHOOK_SECRET";

    fn verify(signed: &Signed<'_>) -> Result<Verified, Refused> {
        signed.has_base64(signed.header("x-shopify-hmac-sha256")?, &[signed.body()])?;
        let kind = signed.optional_header("x-shopify-topic");
        Ok(Verified::new(signed.header("x-shopify-webhook-id")?).of_kind(kind))
    }

    fn sign(signed: &Signed<'_>) -> HeaderMap {
        let mut headers = headers([
            ("x-shopify-webhook-id", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"),
            ("x-shopify-topic", "orders/create"),
        ]);
        headers.insert("x-shopify-hmac-sha256", signed.base64(&[signed.body()]));
        headers
    }
}

/// [Slack](https://docs.slack.dev/authentication/verifying-requests-from-slack): the Events API, commands and interactions.
#[derive(Debug, Clone, Copy)]
pub enum Slack {}

impl Provider for Slack {
    const NAME: &'static str = "slack";
    const VARIABLE: &'static str = "SLACK_SIGNING_SECRET";

    fn verify(signed: &Signed<'_>) -> Result<Verified, Refused> {
        let time = signed.header("x-slack-request-timestamp")?;
        let signature = signed.header("x-slack-signature")?;
        let digits = signature.strip_prefix("v0=").ok_or(Refused::Wrong)?;
        signed.has_hex(digits, &[b"v0:", time.as_bytes(), b":", signed.body()])?;
        signed.is_recent(time)?;
        // A request that has no id, such as a handshake, is told apart by its signature.
        let id = signed.member("/event_id").or_else(|| signed.field("trigger_id"));
        let kind = signed
            .member("/event/type")
            .or_else(|| signed.member("/type"))
            .or_else(|| signed.field("command"));
        Ok(Verified::new(id.unwrap_or_else(|| digits.to_owned())).of_kind(kind))
    }

    fn handshake(signed: &Signed<'_>, verified: &Verified) -> Option<Response> {
        if verified.kind.as_deref() != Some("url_verification") {
            return None;
        }
        Some(Json(json!({ "challenge": signed.member("/challenge")? })).into_response())
    }

    fn sign(signed: &Signed<'_>) -> HeaderMap {
        let time = signed.now().to_string();
        let digits = signed.hex(&[b"v0:", time.as_bytes(), b":", signed.body()]);
        let digits = digits.to_str().unwrap_or_default();
        headers([("x-slack-request-timestamp", &time), ("x-slack-signature", &format!("v0={digits}"))])
    }
}

/// [Standard Webhooks](https://www.standardwebhooks.com) 1.0, which Svix and others send: with a shared secret (`whsec_…`) or the public
/// key of the sender (`whpk_…`).
#[derive(Debug, Clone, Copy)]
pub enum StandardWebhooks {}

impl Provider for StandardWebhooks {
    const NAME: &'static str = "standard-webhooks";
    const VARIABLE: &'static str = "STANDARD_WEBHOOK_SECRET";

    fn verify(signed: &Signed<'_>) -> Result<Verified, Refused> {
        // Svix has used names of its own before.
        let header = |name: &'static str, of_svix: &str| match signed.optional_header(of_svix) {
            Some(value) if signed.optional_header(name).is_none() => Ok(value),
            _ => signed.header(name),
        };
        let id = header("webhook-id", "svix-id")?;
        let time = header("webhook-timestamp", "svix-timestamp")?;
        let signatures = header("webhook-signature", "svix-signature")?;
        let message = [id.as_bytes(), b".", time.as_bytes(), b".", signed.body()].concat();
        let keys = signed.secrets().map(key).collect::<Result<Vec<_>, _>>()?;
        let verifies = |signature: &str| {
            let Some((version, tag)) = signature.split_once(',') else { return false };
            let Ok(tag) = STANDARD.decode(tag) else { return false };
            keys.iter().any(|key| match (version, key) {
                ("v1", StandardKey::Shared(key)) => is_mac(HMAC_SHA256, key, &tag, &[&message]),
                ("v1a", StandardKey::Public(key)) => is_ed25519(key, &tag, &message),
                _ => false,
            })
        };
        if !signatures.split(' ').any(verifies) {
            return Err(Refused::Wrong);
        }
        signed.is_recent(time)?;
        Ok(Verified::new(id).of_kind(signed.member("/type")))
    }

    fn sign(signed: &Signed<'_>) -> HeaderMap {
        let (id, time) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", signed.now().to_string());
        let Ok(StandardKey::Shared(key)) = key(signed.first()) else {
            panic!("only a secret that begins with `whsec_` can sign");
        };
        let message = [id.as_bytes(), b".", time.as_bytes(), b".", signed.body()].concat();
        let signature = STANDARD.encode(mac(HMAC_SHA256, &key, &[&message]));
        headers([
            ("webhook-id", id),
            ("webhook-timestamp", &time),
            ("webhook-signature", &format!("v1,{signature}")),
        ])
    }
}

/// A key of Standard Webhooks.
enum StandardKey {
    Shared(Vec<u8>),
    Public(Vec<u8>),
}

fn key(secret: &str) -> Result<StandardKey, Refused> {
    let decode = |text: &str| {
        STANDARD
            .decode(text)
            .map_err(|_| Refused::Malformed("the secret is not base64 after its prefix".to_owned()))
    };
    match secret.strip_prefix("whpk_") {
        Some(public) => decode(public).map(StandardKey::Public),
        None => decode(secret.strip_prefix("whsec_").unwrap_or(secret)).map(StandardKey::Shared),
    }
}

/// [Stripe](https://docs.stripe.com/webhooks/signature).
#[derive(Debug, Clone, Copy)]
pub enum Stripe {}

impl Provider for Stripe {
    const NAME: &'static str = "stripe";
    const VARIABLE: &'static str = "STRIPE_WEBHOOK_SECRET";

    fn verify(signed: &Signed<'_>) -> Result<Verified, Refused> {
        let items =
            signed.header("stripe-signature")?.split(',').filter_map(|item| item.trim().split_once('='));
        let items: Vec<(&str, &str)> = items.collect();
        let time = items.iter().find(|(name, _)| *name == "t").map(|(_, time)| *time);
        let time =
            time.ok_or_else(|| Refused::Malformed("`Stripe-Signature` has no timestamp `t`".to_owned()))?;
        let signatures = items.iter().filter(|(name, _)| *name == "v1");
        let parts: [&[u8]; 3] = [time.as_bytes(), b".", signed.body()];
        if !signatures.into_iter().any(|(_, digits)| signed.has_hex(digits, &parts).is_ok()) {
            return Err(Refused::Wrong);
        }
        signed.is_recent(time)?;
        let id = signed.member("/id").ok_or_else(|| Refused::Malformed("the body has no `id`".to_owned()))?;
        Ok(Verified::new(id).of_kind(signed.member("/type")))
    }

    fn sign(signed: &Signed<'_>) -> HeaderMap {
        let time = signed.now().to_string();
        let digits = signed.hex(&[time.as_bytes(), b".", signed.body()]);
        headers([("stripe-signature", &format!("t={time},v1={}", digits.to_str().unwrap_or_default()))])
    }
}

/// [Twilio](https://www.twilio.com/docs/usage/security#validating-requests), which signs the URL that it calls: set it with
/// [`Secrets::at`](super::Secrets::at) if a proxy changes it.
#[derive(Debug, Clone, Copy)]
pub enum Twilio {}

impl Twilio {
    /// Returns what is signed: the URL, and the fields of a form by their names.
    fn message(signed: &Signed<'_>) -> Vec<u8> {
        let mut message = signed.url().to_owned();
        if !signed.url().contains("bodySHA256=") {
            let mut fields = form(signed.body());
            fields.sort();
            // A field that is there twice with the same value counts once.
            fields.dedup();
            fields.iter().for_each(|(name, value)| message.extend([name.as_str(), value.as_str()]));
        }
        message.into_bytes()
    }
}

impl Provider for Twilio {
    const NAME: &'static str = "twilio";
    const VARIABLE: &'static str = "TWILIO_AUTH_TOKEN";

    fn verify(signed: &Signed<'_>) -> Result<Verified, Refused> {
        let signature = signed.header("x-twilio-signature")?;
        signed.has_sha1(signature, &[&Self::message(signed)])?;
        // The URL of a request whose body is no form has the body's digest.
        if let Some((_, rest)) = signed.url().split_once("bodySHA256=") {
            let expected = rest.split('&').next().unwrap_or_default();
            let digest = digest::digest(&digest::SHA256, signed.body());
            let digits: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            if !digits.eq_ignore_ascii_case(expected) {
                return Err(Refused::Wrong);
            }
        }
        let named = signed.optional_header("i-twilio-idempotency-token").map(str::to_owned);
        let id = named.or_else(|| signed.field("MessageSid")).or_else(|| signed.field("CallSid"));
        Ok(Verified::new(id.unwrap_or_else(|| signature.to_owned())))
    }

    fn sign(signed: &Signed<'_>) -> HeaderMap {
        HeaderMap::from_iter([(
            http::HeaderName::from_static("x-twilio-signature"),
            signed.sha1(&[&Self::message(signed)]),
        )])
    }
}

fn headers<const N: usize>(given: [(&'static str, &str); N]) -> HeaderMap {
    given.into_iter().map(|(name, value)| (http::HeaderName::from_static(name), header(value))).collect()
}
