//! Reads a message of a failures queue. There are four forms: the record of an invocation that failed or was rejected, the record
//! of a batch of a stream, an event that a rule could not deliver, and a message that its queue gave up.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// What is known of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dead {
    /// The id of the message.
    pub(crate) id: String,
    /// When it was sent to the queue, in milliseconds since 1970.
    pub(crate) sent_ms: Option<i64>,
    /// The ARN or the name of the function that failed.
    pub(crate) function: Option<String>,
    pub(crate) reason: String,
    pub(crate) content: Content,
    /// The message as it is.
    pub(crate) body: String,
}

/// What a dead letter holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// The payload of an invocation.
    Event(String),
    /// A message of another queue.
    Message(String),
    /// The place of records in a stream.
    Stream,
}

/// The record of an invocation (`AWS's description of destinations for asynchronous invocations`).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    request_context: Context,
    #[serde(borrow)]
    request_payload: Option<&'a RawValue>,
    response_payload: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    function_arn: String,
    condition: String,
}

impl Dead {
    /// Reads the body of a message, and its attributes.
    pub(super) fn read(body: String, attributes: &BTreeMap<String, String>) -> Self {
        let (function, reason, content) = if let Ok(record) = serde_json::from_str::<Record<'_>>(&body) {
            let Record {
                request_context: Context { function_arn, condition },
                request_payload,
                response_payload,
            } = record;
            let said = response_payload.as_ref().and_then(|payload| {
                payload["errorMessage"].as_str().or(payload["errorType"].as_str()).map(str::to_owned)
            });
            let content =
                request_payload.map_or(Content::Stream, |payload| Content::Event(payload.get().to_owned()));
            (Some(function_arn), said.unwrap_or(condition), content)
        } else if let Some(target) = attributes.get("TARGET_ARN") {
            let reason = attributes.get("ERROR_MESSAGE").or(attributes.get("ERROR_CODE"));
            let reason = reason.map_or("the rule could not deliver it", String::as_str);
            (Some(target.clone()), reason.to_owned(), Content::Event(body.clone()))
        } else {
            let reason = "it was received too often without being deleted".to_owned();
            (None, reason, Content::Message(body.clone()))
        };
        Self { id: String::new(), sent_ms: None, function, reason, content, body }
    }

    /// Returns the name of the function in AWS.
    pub(crate) fn function_name(&self) -> Option<&str> {
        // arn:aws:lambda:REGION:ACCOUNT:function:NAME, and a qualifier.
        self.function.as_deref().map(|arn| arn.split(':').nth(6).unwrap_or(arn))
    }

    /// Returns the type of the event inside, and its id.
    pub(crate) fn event(&self) -> Option<(String, String)> {
        let (Content::Event(payload) | Content::Message(payload)) = &self.content else { return None };
        let payload: Value = serde_json::from_str(payload).ok()?;
        let is_message = matches!(self.content, Content::Message(_));
        let (payload, is_message) =
            in_message(&payload).map_or((payload, is_message), |inside| (inside, true));
        // Any other message may have members with these names, too.
        if is_message && !is_event(&payload) {
            return None;
        }
        let ty = payload["detail-type"].as_str().or(payload["type"].as_str())?;
        let id = payload["detail"]["ce"]["id"].as_str().or(payload["id"].as_str()).unwrap_or_default();
        Some((ty.to_owned(), id.to_owned()))
    }
}

/// Returns what is in the only message of a batch that a function rejected; `None` if the payload is none.
fn in_message(payload: &Value) -> Option<Value> {
    match payload["Records"].as_array()?.as_slice() {
        [only] => serde_json::from_str(only["body"].as_str()?).ok(),
        _ => None,
    }
}

/// Whether a message is an event, in the envelope of EventBridge or as a CloudEvent.
fn is_event(message: &Value) -> bool {
    message.get("source").is_some()
        && (message.get("detail-type").is_some() || message.get("specversion").is_some())
}

/// Returns a payload with other data: the `detail` of an event of EventBridge, or the `data` of a CloudEvent, also of one in a message.
/// Everything else stays, also what the detail says about the event.
pub(super) fn with_data(payload: &str, data: &str) -> Result<String, String> {
    let mut new: Value =
        serde_json::from_str(data).map_err(|error| format!("--data is not JSON: {error}"))?;
    let mut payload: Value = serde_json::from_str(payload).map_err(|_| "its event is not JSON".to_owned())?;
    if let Some(event) = in_message(&payload).filter(is_event) {
        payload["Records"][0]["body"] = with_data(&event.to_string(), data)?.into();
    } else if payload.get("detail-type").is_some() {
        if let (Some(data), Some(own)) = (new.as_object_mut(), payload["detail"].get("ce")) {
            data.insert("ce".to_owned(), own.clone());
        }
        payload["detail"] = new;
    } else if payload.get("specversion").is_some() {
        if let Some(members) = payload.as_object_mut() {
            members.remove("data_base64");
        }
        payload["data"] = new;
    } else {
        return Err("it holds no event whose data could be replaced".to_owned());
    }
    Ok(json!(payload).to_string())
}

/// Returns the message that takes the place of another one: `data` itself, or the event in `body` with this data.
pub(super) fn message_with_data(body: &str, data: &str) -> Result<String, String> {
    let is_event = |text: &str| serde_json::from_str::<Value>(text).is_ok_and(|value| is_event(&value));
    if is_event(body) && !is_event(data) { with_data(body, data) } else { Ok(data.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:lambda:eu-central-1:1:function:shop-dev-bill-charge";

    fn read(body: &Value, attributes: &[(&str, &str)]) -> Dead {
        let attributes =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Dead::read(body.to_string(), &attributes)
    }

    fn event() -> Value {
        json!({"detail-type": "order.placed", "source": "/shop", "id": "outer", "detail": {"n": 1, "ce": {"id": "e1"}}})
    }

    #[test]
    fn each_form_says_who_failed_and_why() {
        let record = json!({
            "requestContext": {"functionArn": format!("{ARN}:$LATEST"), "condition": "RetriesExhausted"},
            "requestPayload": event(), "responsePayload": {"errorType": "Error", "errorMessage": "no card"},
        });
        let failed = read(&record, &[]);
        assert_eq!(
            (failed.function_name(), failed.reason.as_str()),
            (Some("shop-dev-bill-charge"), "no card")
        );
        assert_eq!(failed.event(), Some(("order.placed".to_owned(), "e1".to_owned())));
        assert_eq!(failed.content, Content::Event(event().to_string()));

        let expired = json!({
            "requestContext": {"functionArn": ARN, "condition": "EventAgeExceeded"}, "requestPayload": event(),
        });
        assert_eq!(read(&expired, &[]).reason, "EventAgeExceeded");

        let undelivered = read(&event(), &[("TARGET_ARN", ARN), ("ERROR_CODE", "NO_PERMISSIONS")]);
        assert_eq!(undelivered.function_name(), Some("shop-dev-bill-charge"));
        assert_eq!(undelivered.reason, "NO_PERMISSIONS");

        let batch = json!({
            "requestContext": {"functionArn": ARN, "condition": "RetryAttemptsExhausted"}, "KinesisBatchInfo": {"shardId": "1"},
        });
        let batch = read(&batch, &[]);
        assert_eq!((batch.content.clone(), batch.event()), (Content::Stream, None));

        let records = |body: &Value| json!({"Records": [{"messageId": "m", "body": body.to_string()}]});
        let rejected = |payload: &Value| {
            let record = json!({"requestContext": {"functionArn": ARN, "condition": "Rejected"}, "requestPayload": payload});
            read(&record, &[]).event()
        };
        assert_eq!(rejected(&records(&event())), Some(("order.placed".to_owned(), "e1".to_owned())));
        assert_eq!(rejected(&records(&json!({"type": "order", "id": 1}))), None);

        let message = read(&json!({"order": 1}), &[]);
        assert_eq!(message.function_name(), None);
        assert_eq!(message.content, Content::Message(r#"{"order":1}"#.to_owned()));
        assert_eq!(read(&json!({"type": "order", "id": 1}), &[]).event(), None);
        let retried = read(&event(), &[]);
        assert_eq!(retried.event(), Some(("order.placed".to_owned(), "e1".to_owned())));
    }

    #[test]
    fn other_data_leaves_the_rest_of_an_event() {
        let changed: Value =
            serde_json::from_str(&with_data(&event().to_string(), r#"{"n":2}"#).unwrap()).unwrap();
        let mut expected = event();
        expected["detail"]["n"] = json!(2);
        assert_eq!(changed, expected);
        let batch = json!({"Records": [{"messageId": "m", "body": event().to_string()}]});
        let changed: Value =
            serde_json::from_str(&with_data(&batch.to_string(), r#"{"n":2}"#).unwrap()).unwrap();
        let inside: Value = serde_json::from_str(changed["Records"][0]["body"].as_str().unwrap()).unwrap();
        assert_eq!((inside, &changed["Records"][0]["messageId"]), (expected.clone(), &json!("m")));
        let cloud_event = r#"{"specversion":"1.0","id":"1","type":"t","source":"/s","data_base64":"AA=="}"#;
        let changed: Value = serde_json::from_str(&with_data(cloud_event, "[1]").unwrap()).unwrap();
        assert_eq!(
            changed,
            json!({"specversion": "1.0", "id": "1", "type": "t", "source": "/s", "data": [1]})
        );
        assert!(with_data("{}", "{}").is_err());
        let changed: Value =
            serde_json::from_str(&message_with_data(&event().to_string(), r#"{"n":2}"#).unwrap()).unwrap();
        assert_eq!(changed, expected);
        for (body, data) in [("{\"n\":1}", "{\"n\":2}"), (cloud_event, cloud_event)] {
            assert_eq!(message_with_data(body, data).unwrap(), data);
        }
        assert!(with_data(cloud_event, "{").unwrap_err().starts_with("--data is not JSON: "));
    }
}
