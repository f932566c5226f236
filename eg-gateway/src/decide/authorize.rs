//! Builds the question to an authorizer, interprets its answer and adds the result to the event. Fails closed: only
//! an explicit consent authorizes the event. `api` calls the authorizer.

use std::collections::BTreeMap;

use eg_grammar::without_bom;
use eg_sdk::{CloudEvent, SpecVersion};
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::classify::BadEvent;
use super::envelope::HttpRequest;
use super::fields::Fields;

/// The extension of a 0.1 event that belongs to the gateway.
const EXTENSION: &str = "eventgateway";

/// The extension with the authorization in a 1.0 event, as JSON text: extensions have no structure there.
const EXTENSION_1_0: &str = "egauthorization";

/// What an authorizer reports about the emitter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Authorization {
    principal_id: String,
    context: Option<BTreeMap<String, String>>,
}

/// The reason why an event is not authorized.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// The authorizer refused, with this message for the emitter.
    #[error("{0}")]
    Refused(String),
    #[error(
        "the authorizer's reply is not {{authorization: {{principalId, context}}, error: {{message}}}}: {0}"
    )]
    Malformed(String),
}

/// Returns the JSON that an authorizer receives: the event as functions receive it, and its request.
pub(crate) fn question(event: &[u8], request: &HttpRequest) -> Option<Vec<u8>> {
    #[derive(Serialize)]
    struct Question<'a> {
        event: &'a RawValue,
        request: &'a RawValue,
    }
    let event = serde_json::from_slice(event).ok()?;
    serde_json::to_vec(&Question { event, request: &request.to_data(None) }).ok()
}

/// Interprets the reply of an authorizer.
pub(crate) fn verdict(reply: &[u8]) -> Result<Authorization, Denied> {
    let malformed = |detail: &str| Denied::Malformed(detail.to_owned());
    // `Fields` reads only the first value, so the whole reply is checked here.
    serde_json::from_slice::<IgnoredAny>(without_bom(reply)).map_err(|e| malformed(&e.to_string()))?;
    let mut fields = Fields::parse(reply).map_err(Denied::Malformed)?;
    if let Some(mut error) = fields.object("error").map_err(Denied::Malformed)? {
        let message = error.string("message").map_err(Denied::Malformed)?;
        let message = if message.is_empty() { "the authorizer refused it".to_owned() } else { message };
        return Err(Denied::Refused(message));
    }
    let authorization = fields.object("authorization").map_err(Denied::Malformed)?;
    let mut authorization = authorization.ok_or_else(|| malformed("there is no authorization"))?;
    let principal_id = authorization.string("principalId").map_err(Denied::Malformed)?;
    if principal_id.is_empty() {
        return Err(malformed("there is no principalId"));
    }
    let context = authorization.labels("context").map_err(Denied::Malformed)?;
    Ok(Authorization { principal_id, context })
}

/// Adds the authorization to the extensions of the event.
pub(crate) fn mark(event: CloudEvent, authorization: &Authorization) -> Result<CloudEvent, BadEvent> {
    let authorization = json!(authorization);
    match event.specversion() {
        SpecVersion::V1_0 => Ok(event.with_extension(EXTENSION_1_0, authorization.to_string())),
        SpecVersion::V0_1 => {
            let mut ours = match event.extension(EXTENSION) {
                None => serde_json::Map::new(),
                Some(Value::Object(members)) => members.clone(),
                Some(_) => {
                    let rule = "extension `eventgateway` must be an object: the authorization goes into it";
                    return Err(BadEvent::Invalid(rule.to_owned()));
                }
            };
            ours.insert("authorization".to_owned(), authorization);
            Ok(event.with_extension(EXTENSION, ours))
        }
    }
}

/// Removes an authorization that the emitter wrote: functions trust what is there, so only an authorizer may set it.
pub(crate) fn unmarked(event: CloudEvent) -> CloudEvent {
    let event = event.without_extension(EXTENSION_1_0);
    let Some(Value::Object(ours)) = event.extension(EXTENSION) else { return event };
    if !ours.contains_key("authorization") {
        return event;
    }
    let mut ours = ours.clone();
    ours.remove("authorization");
    event.with_extension(EXTENSION, ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let yes = |context| Ok(Authorization { principal_id: "u".to_owned(), context });
        let no = |message: &str| Err(Denied::Refused(message.to_owned()));
        for (reply, expected) in [
            (r#"{"authorization":{"principalId":"u"}}"#, yes(None)),
            (r#"{"Authorization":{"PrincipalID":"u","context":null},"error":null}"#, yes(None)),
            (
                r#"{"authorization":{"principalId":"u","context":{"a":"b"}}}"#,
                yes(Some(BTreeMap::from([("a".to_owned(), "b".to_owned())]))),
            ),
            (r#"{"error":{"message":"go away"}}"#, no("go away")),
            (r#"{"error":{},"authorization":{"principalId":"u"}}"#, no("the authorizer refused it")),
        ] {
            assert_eq!(verdict(reply.as_bytes()), expected, "{reply}");
        }
        for reply in [
            "",
            "{}",
            "null",
            "true",
            "yes",
            r#"{"authorization":{}}"#,
            r#"{"authorization":null}"#,
            r#"{"authorization":{"principalId":""}}"#,
            r#"{"authorization":{"principalId":7}}"#,
            r#"{"authorization":{"principalId":"u","context":{"a":1}}}"#,
            r#"{"authorization":{"principalId":"u","context":"a"}}"#,
            r#"{"authorization":{"principalId":"u"},"error":"no"}"#,
            r#"{"authorization":{"principalId":"u"}} {"error":{}}"#,
        ] {
            assert!(matches!(verdict(reply.as_bytes()), Err(Denied::Malformed(_))), "{reply}");
        }
    }

    #[test]
    fn marks() {
        let v0 = |extensions: &str| {
            format!(
                r#"{{"eventType":"e","cloudEventsVersion":"0.1","source":"/s","eventID":"1",{extensions}"data":{{"z":1e3}}}}"#
            )
        };
        let v1 = |extensions: &str| {
            format!(
                r#"{{"specversion":"1.0","id":"1","source":"/s","type":"e",{extensions}"data":{{"z":1e3}}}}"#
            )
        };
        let authorization = Authorization { principal_id: "u".to_owned(), context: None };
        let object = r#"{"context":null,"principalId":"u"}"#;
        for (event, expected) in [
            (v0(""), v0(&format!(r#""extensions":{{"eventgateway":{{"authorization":{object}}}}},"#))),
            (
                v0(r#""extensions":{"a":1,"eventgateway":{"b":2,"authorization":"forged"}},"#),
                v0(&format!(r#""extensions":{{"a":1,"eventgateway":{{"authorization":{object},"b":2}}}},"#)),
            ),
            (
                v1(r#""a":1,"egauthorization":"forged","#),
                v1(r#""a":1,"egauthorization":"{\"context\":null,\"principalId\":\"u\"}","#),
            ),
        ] {
            let marked = mark(CloudEvent::from_json(event.as_bytes()).unwrap(), &authorization).unwrap();
            assert_eq!(String::from_utf8(marked.to_json().unwrap()).unwrap(), expected);
        }
        let taken = v0(r#""extensions":{"eventgateway":"mine"},"#);
        assert!(mark(CloudEvent::from_json(taken.as_bytes()).unwrap(), &authorization).is_err());
    }
}
