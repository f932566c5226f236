//! Defines the types and payloads of system events, as in Event Gateway 0.9.1, except that results and errors are the
//! real ones, and that given-up deliveries are reported too. `router` finds the subscribers.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eg_grammar::{EVENT_RECEIVED, LEGACY_FUNCTION_ERROR};
use eg_sdk::TraceContext;
use eg_sdk::history::Loss;
use http::HeaderMap;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::event::{Event, Outgoing};
use super::headers::canonical_headers;

/// The type of the events that hold the replies of functions.
pub(crate) const FUNCTION_INVOKED: &str = "eventgateway.function.invoked";

/// An action of the gateway to report.
#[derive(Debug)]
pub(crate) enum SystemEvent<'a> {
    /// An event was accepted.
    Received { path: &'a str, event: &'a Event, headers: &'a HeaderMap },
    /// A function is about to be called.
    Invoking(Call<'a>),
    /// A function answered.
    Invoked { call: Call<'a>, reply: &'a [u8] },
    /// A call failed.
    Failed { call: Call<'a>, error: &'a str },
    /// A delivery was given up: it is a dead letter, or it expired.
    GivenUp { call: Call<'a>, subscription: &'a str, attempts: u32, loss: Loss, reason: &'a str },
}

/// The call of a function with an event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) space: &'a str,
    pub(crate) function: &'a str,
    pub(crate) event: &'a Outgoing,
}

impl SystemEvent<'_> {
    /// Returns the types of the events that report it.
    pub(crate) fn types(&self) -> &'static [&'static str] {
        match self {
            Self::Received { .. } => &[EVENT_RECEIVED],
            Self::Invoking(_) => &["eventgateway.function.invoking"],
            Self::Invoked { .. } => &[FUNCTION_INVOKED],
            Self::Failed { .. } => &["eventgateway.function.invocationFailed", LEGACY_FUNCTION_ERROR],
            Self::GivenUp { .. } => &["eventgateway.delivery.deadLettered"],
        }
    }

    /// Returns the hops of the event in question. The system events carry the same number, so that functions that
    /// emit events in response cannot loop forever.
    pub(crate) fn hops(&self) -> u32 {
        match self {
            Self::Received { event, .. } => event.hops(),
            Self::Invoking(call)
            | Self::Invoked { call, .. }
            | Self::Failed { call, .. }
            | Self::GivenUp { call, .. } => call.event.hops,
        }
    }

    /// Returns the trace of the event in question.
    pub(crate) fn trace(&self) -> TraceContext {
        match self {
            Self::Received { event, .. } => event.trace(),
            Self::Invoking(call)
            | Self::Invoked { call, .. }
            | Self::Failed { call, .. }
            | Self::GivenUp { call, .. } => call.event.trace.clone(),
        }
    }

    /// Returns the payload of the events that report it, or `None` if the event in question is not JSON, which never
    /// happens.
    pub(crate) fn data(&self) -> Option<Box<RawValue>> {
        match self {
            Self::Received { path, event, headers } => {
                #[derive(Serialize)]
                struct Data<'a> {
                    path: &'a str,
                    event: &'a RawValue,
                    headers: BTreeMap<String, String>,
                }
                let headers = canonical_headers(headers);
                raw(&Data { path, event: serde_json::from_slice(event.json()).ok()?, headers })
            }
            Self::Invoking(call) => call.data(None, None),
            Self::Invoked { call, reply } => call.data(Some(Base64(reply)), None),
            Self::Failed { call, error } => call.data(None, Some(Message { message: error })),
            Self::GivenUp { call, subscription, attempts, loss, reason } => {
                #[derive(Serialize)]
                #[serde(rename_all = "camelCase")]
                struct Data<'a> {
                    space: &'a str,
                    function_id: &'a str,
                    subscription_id: &'a str,
                    state: Loss,
                    attempts: u32,
                    reason: &'a str,
                    event: &'a RawValue,
                }
                raw(&Data {
                    space: call.space,
                    function_id: call.function,
                    subscription_id: subscription,
                    state: *loss,
                    attempts: *attempts,
                    reason,
                    event: serde_json::from_slice(&call.event.json).ok()?,
                })
            }
        }
    }
}

impl Call<'_> {
    fn data(&self, result: Option<Base64<'_>>, error: Option<Message<'_>>) -> Option<Box<RawValue>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Data<'a> {
            space: &'a str,
            function_id: &'a str,
            event: &'a RawValue,
            #[serde(skip_serializing_if = "Option::is_none")]
            result: Option<Base64<'a>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            error: Option<Message<'a>>,
        }
        let event = serde_json::from_slice(&self.event.json).ok()?;
        raw(&Data { space: self.space, function_id: self.function, event, result, error })
    }
}

/// The answer of a function, as base64 because it may be any bytes.
struct Base64<'a>(&'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(self.0))
    }
}

#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
}

fn raw(value: &impl Serialize) -> Option<Box<RawValue>> {
    to_raw_value(value).ok()
}

#[cfg(test)]
mod tests {
    use eg_grammar::is_system_event_type;
    use http::HeaderName;

    use super::*;

    #[test]
    fn payloads() {
        let json = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#;
        let event = Event::read(json.into()).unwrap();
        let outgoing = Outgoing::stored("t".to_owned(), br#"{"z":1.0,"a":2}"#.to_vec(), None);
        let call = Call { space: "s", function: "f", event: &outgoing };
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-a"), "b".parse().unwrap())]);
        for (event, expected) in [
            (
                SystemEvent::Received { path: "/p", event: &event, headers: &headers },
                r#"{"path":"/p","event":{"specversion":"1.0","id":"1","source":"/s","type":"t"},"headers":{"X-A":"b"}}"#,
            ),
            (SystemEvent::Invoking(call), r#"{"space":"s","functionId":"f","event":{"z":1.0,"a":2}}"#),
            (
                SystemEvent::Invoked { call, reply: b"\xffhi" },
                r#"{"space":"s","functionId":"f","event":{"z":1.0,"a":2},"result":"/2hp"}"#,
            ),
            (
                SystemEvent::Failed { call, error: "no \"luck\"" },
                r#"{"space":"s","functionId":"f","event":{"z":1.0,"a":2},"error":{"message":"no \"luck\""}}"#,
            ),
            (
                SystemEvent::GivenUp { call, subscription: "u", attempts: 5, loss: Loss::Dead, reason: "no" },
                r#"{"space":"s","functionId":"f","subscriptionId":"u","state":"dead","attempts":5,"reason":"no","event":{"z":1.0,"a":2}}"#,
            ),
        ] {
            assert!(event.types().iter().all(|ty| is_system_event_type(ty)));
            assert_eq!(event.data().unwrap().get(), expected);
        }
    }
}
