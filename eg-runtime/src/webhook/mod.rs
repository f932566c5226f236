//! Webhooks of other services: requests whose signature proves who sent them. A function gets the payload only after the
//! signature has been verified.
//!
//! ```no_run
//! use eg_runtime::webhook::{Stripe, Webhook};
//! use eg_runtime::{App, Emit, Error, Event, http};
//! use serde::{Deserialize, Serialize};
//!
//! /// An event object of Stripe.
//! #[derive(Deserialize)]
//! struct StripeEvent { data: Data }
//!
//! #[derive(Deserialize)]
//! struct Data { object: Object }
//!
//! #[derive(Deserialize)]
//! struct Object { id: String, amount: u64 }
//!
//! #[derive(Serialize, Deserialize, Event)]
//! #[event("payment.received")]
//! struct PaymentReceived { id: String, cents: u64 }
//!
//! #[http(POST, "/hooks/stripe")]
//! async fn stripe(
//!     emit: Emit<PaymentReceived>,
//!     hook: Webhook<Stripe, StripeEvent>,
//! ) -> Result<(), Error> {
//!     if hook.kind() == Some("payment_intent.succeeded") {
//!         let Object { id, amount } = &hook.payload.data.object;
//!         let event = emit.event(PaymentReceived { id: id.clone(), cents: *amount });
//!         // Stripe may send a webhook twice. The gateway drops the second event, because it has the same id.
//!         emit.send_event(event.with_id(hook.event_id())).await?;
//!     }
//!     Ok(())
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Error> {
//!     App::new().run().await
//! }
//! ```
//!
//! The secret is in the variable `STRIPE_WEBHOOK_SECRET`, or in [`Secrets`] that you give to [`App::state`](crate::App::state). Without
//! one, the service does not start, and says which variable is missing. While you rotate secrets, set both, with a space between
//! them: either one verifies.
//!
//! | sender | secret | signature | timestamp | id | kind | answered without the function |
//! |---|---|---|---|---|---|---|
//! | [`GitHub`] | `GITHUB_WEBHOOK_SECRET` | `X-Hub-Signature-256` | none | `X-GitHub-Delivery` | `X-GitHub-Event` | `ping` |
//! | [`Shopify`] | `SHOPIFY_WEBHOOK_SECRET` | `X-Shopify-Hmac-Sha256` | none | `X-Shopify-Webhook-Id` | `X-Shopify-Topic` | |
//! | [`Slack`] | `SLACK_SIGNING_SECRET` | `X-Slack-Signature` | `X-Slack-Request-Timestamp` | `event_id`, `trigger_id` | type of the event, `command` | `url_verification` |
//! | [`StandardWebhooks`], also Svix | `STANDARD_WEBHOOK_SECRET`, `whsec_…` or `whpk_…` | `webhook-signature` (`v1`, `v1a`) | `webhook-timestamp` | `webhook-id` | `type` | |
//! | [`Stripe`] | `STRIPE_WEBHOOK_SECRET` | `Stripe-Signature` (`v1`) | in it | `id` | `type` | |
//! | [`Twilio`] | `TWILIO_AUTH_TOKEN` | `X-Twilio-Signature` | none | `I-Twilio-Idempotency-Token`, `MessageSid`, `CallSid` | | |
//!
//! Implement [`Provider`] for a sender that is not among them; [`Signed`] has the checks that senders use.
//!
//! | what is wrong | status |
//! |---|---|
//! | no signature, a signature of another secret or of another body, a timestamp more than five minutes away | 401, with the reason |
//! | the payload does not fit the type | 422, with the field |
//! | the body is larger than the limit | 413 |
//!
//! A signature with a timestamp cannot be replayed after five minutes. Within them, and for senders without a timestamp, the id
//! tells repetitions apart: use [`Webhook::event_id`] for the event that you emit, or [`Webhook::id`] as a key.
//!
//! In a test, [`sign`] makes the headers that the sender would make.

mod presets;
mod provider;
mod secrets;
mod signed;

use std::fmt;
use std::marker::PhantomData;

use axum::Json;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::json;
use time::OffsetDateTime;

pub use self::presets::{GitHub, Shopify, Slack, StandardWebhooks, Stripe, Twilio};
pub use self::provider::{Provider, Refused, Verified};
pub use self::secrets::{MissingSecret, Secrets};
pub use self::signed::Signed;
use crate::Error;
use crate::context::{NotAFunction, Scope};
use crate::shared::{Need, States, Unmet};

/// A webhook whose signature is verified, as the last argument of a function with [`#[http]`](macro@crate::http).
///
/// `P` is the sender, and `T` the type of the payload: JSON, or the fields of a form. See [the module](self).
pub struct Webhook<P, T> {
    /// The payload.
    pub payload: T,
    /// The body, as it was signed.
    pub body: Bytes,
    verified: Verified,
    sender: PhantomData<fn() -> P>,
}

impl<P: Provider> Secrets<P> {
    /// The secrets, which are read from the sender's variable if the app has none.
    pub(crate) const NEED: Need = Need::made_by::<Self>(Self::make);

    fn make(states: &mut States) -> Result<(), Unmet> {
        states.insert(Self::from_env().map_err(|error| Unmet::Failed(error.into()))?);
        Ok(())
    }
}

impl<P: Provider, T> Webhook<P, T> {
    /// Returns the id of the webhook. The same webhook has the same id when it is sent again.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.verified.id
    }

    /// Returns what happened, in the sender's words, for example `payment_intent.succeeded`.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.verified.kind.as_deref()
    }

    /// Returns an id for the event that the webhook becomes, for example `stripe:evt_1`. Webhooks that are sent again then become
    /// duplicates, which the gateway does not deliver again.
    #[must_use]
    pub fn event_id(&self) -> String {
        format!("{}:{}", P::NAME, self.verified.id)
    }
}

impl<P: Provider, T: fmt::Debug> fmt::Debug for Webhook<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("sender", &P::NAME)
            .field("id", &self.verified.id)
            .field("kind", &self.verified.kind)
            .field("payload", &self.payload)
            .finish_non_exhaustive()
    }
}

impl<S: Send + Sync, P: Provider, T: DeserializeOwned> FromRequest<S> for Webhook<P, T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let secrets = {
            let scope = Scope::of(&parts).map_err(NotAFunction::into_response)?;
            scope.shared.states.get::<Secrets<P>>().ok_or_else(|| NotAFunction.into_response())?.clone()
        };
        let url = signed::url(&parts, secrets.url());
        let headers = parts.headers.clone();
        let request = Request::from_parts(parts, body);
        let body = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        let signed = Signed::new(&headers, &url, &body, secrets.all(), OffsetDateTime::now_utc());
        let verified = P::verify(&signed).map_err(|refused| {
            Error::status(StatusCode::UNAUTHORIZED, format!("{}: {refused}", P::NAME)).into_response()
        })?;
        if let Some(answer) = P::handshake(&signed, &verified) {
            return Err(answer);
        }
        let payload = payload(&headers, &body).map_err(|problem| {
            Error::status(StatusCode::UNPROCESSABLE_ENTITY, format!("the payload of the webhook: {problem}"))
                .into_response()
        })?;
        Ok(Self { payload, body, verified, sender: PhantomData })
    }
}

/// Reads the payload: JSON, or a form, of which a field `payload` may contain the JSON.
fn payload<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, String> {
    if !is_form(headers) {
        return json_of(body);
    }
    let fields: Vec<(String, String)> = signed::form(body);
    if let [(name, json)] = fields.as_slice()
        && name == "payload"
    {
        return json_of(json.as_bytes());
    }
    let fields = fields.into_iter().map(|(name, value)| (name, json!(value))).collect();
    serde_json::from_value(serde_json::Value::Object(fields)).map_err(|error| error.to_string())
}

fn json_of<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    Json::from_bytes(body).map(|Json(payload)| payload).map_err(|error| error.body_text())
}

fn is_form(headers: &HeaderMap) -> bool {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Returns the headers with which the sender `P` would send `body` to `url` now, with this secret: for tests.
///
/// ```
/// use eg_runtime::webhook::{GitHub, sign};
///
/// let headers = sign::<GitHub>("It's a Secret to Everybody", "http://localhost/hooks/github", b"Hello, World!");
/// assert_eq!(
///     headers["x-hub-signature-256"],
///     "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
/// );
/// ```
///
/// # Panics
/// If `P` has no way to sign, as a public key has not.
#[must_use]
pub fn sign<P: Provider>(secret: &str, url: &str, body: &[u8]) -> HeaderMap {
    let secrets = [secret.to_owned()];
    let none = HeaderMap::new();
    P::sign(&Signed::new(&none, url, body, &secrets, OffsetDateTime::now_utc()))
}

#[cfg(test)]
mod tests;
