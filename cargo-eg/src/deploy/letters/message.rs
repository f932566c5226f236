//! Reads a message of a failures queue. There are four forms: the record of an invocation that failed or was rejected, the record
//! of a batch of a stream, an event that a rule could not deliver, and a message that its queue gave up. Sending them again is left to
//! the parent module.

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
    /// The payload of an asynchronous invocation.
    Event(String),
    /// Messages of the queue with this name, or, without one, of the queue whose dead letters these are.
    Messages(Option<String>, Vec<Sent>),
    /// The payload of an invocation with records of a stream.
    Records(String),
    /// The place of records in a stream.
    Stream,
}

/// A message of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) body: String,
    /// For a FIFO queue: the message's group, and an id by which the queue ignores the message if it gets it twice.
    pub(super) group: Option<(String, String)>,
}

impl Sent {
    /// Reads a record of a batch.
    fn of(record: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let group = record["attributes"]["MessageGroupId"].as_str();
        Self {
            body: text(&record["body"]),
            group: group.map(|group| (group.to_owned(), text(&record["messageId"]))),
        }
    }
}

impl Content {
    /// Returns what the payload of an invocation holds.
    fn of(payload: &str) -> Self {
        let batch: Value = serde_json::from_str(payload).unwrap_or_default();
        let records = batch["Records"].as_array().map_or(&[][..], Vec::as_slice);
        // A batch of Kafka has other records, and says its source itself.
        let first = records.first().unwrap_or(&batch);
        match first["eventSource"].as_str() {
            Some("aws:sqs") => {
                let queue = first["eventSourceARN"].as_str().and_then(queue_of);
                Self::Messages(queue, records.iter().map(Sent::of).collect())
            }
            Some("aws:dynamodb" | "aws:kafka" | "aws:kinesis") => Self::Records(payload.to_owned()),
            _ => Self::Event(payload.to_owned()),
        }
    }
}

/// Returns the name of the queue that an ARN names: `arn:aws:sqs:REGION:ACCOUNT:NAME`.
fn queue_of(arn: &str) -> Option<String> {
    match *arn.split(':').collect::<Vec<_>>().as_slice() {
        [_, _, "sqs", _, _, name] => Some(name.to_owned()),
        _ => None,
    }
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
    /// Reads a message with this id and body, its attributes, and its group in a FIFO queue.
    pub(super) fn read(
        id: String,
        body: String,
        attributes: &BTreeMap<String, String>,
        group: Option<String>,
    ) -> Self {
        let message = || vec![Sent { body: body.clone(), group: group.map(|group| (group, id.clone())) }];
        let (function, reason, content) = if let Ok(record) = serde_json::from_str::<Record<'_>>(&body) {
            let Record {
                request_context: Context { function_arn, condition },
                request_payload,
                response_payload,
            } = record;
            let said = response_payload.as_ref().and_then(|payload| {
                payload["errorMessage"].as_str().or(payload["errorType"].as_str()).map(str::to_owned)
            });
            let content = request_payload.map_or(Content::Stream, |payload| Content::of(payload.get()));
            (Some(function_arn), said.unwrap_or(condition), content)
        } else if let Some(target) = attributes.get("TARGET_ARN") {
            let reason = attributes.get("ERROR_MESSAGE").or(attributes.get("ERROR_CODE"));
            let reason = reason.map_or("the rule could not deliver it", String::as_str).to_owned();
            match queue_of(target) {
                Some(queue) => (None, reason, Content::Messages(Some(queue), message())),
                None => (Some(target.clone()), reason, Content::Event(body.clone())),
            }
        } else {
            let reason = "it was received too often without being deleted".to_owned();
            (None, reason, Content::Messages(None, message()))
        };
        Self { id, sent_ms: None, function, reason, content, body }
    }

    /// Returns the name of the function in AWS.
    pub(crate) fn function_name(&self) -> Option<&str> {
        // arn:aws:lambda:REGION:ACCOUNT:function:NAME, and a qualifier.
        self.function.as_deref().map(|arn| arn.split(':').nth(6).unwrap_or(arn))
    }

    /// Returns what failed: a payload or a message. Of what is in a batch with others, it is all that is known.
    pub(crate) fn payload(&self) -> &str {
        match &self.content {
            Content::Event(payload) | Content::Records(payload) => payload,
            Content::Messages(_, messages) if let [only] = messages.as_slice() => &only.body,
            Content::Messages(..) | Content::Stream => &self.body,
        }
    }

    /// Returns the type of the event inside, and its id.
    pub(crate) fn event(&self) -> Option<(String, String)> {
        let payload: Value = serde_json::from_str(self.payload()).ok()?;
        // Anything else may have members with these names, too.
        if !matches!(self.content, Content::Event(_)) && !is_event(&payload) {
            return None;
        }
        let ty = payload["detail-type"].as_str().or(payload["type"].as_str())?;
        let id = payload["detail"]["ce"]["id"].as_str().or(payload["id"].as_str()).unwrap_or_default();
        Some((ty.to_owned(), id.to_owned()))
    }
}

/// Whether a message is an event, in the envelope of EventBridge or as a CloudEvent.
fn is_event(message: &Value) -> bool {
    message.get("source").is_some()
        && (message.get("detail-type").is_some() || message.get("specversion").is_some())
}

/// Returns a payload with other data: the `detail` of an event of EventBridge, or the `data` of a CloudEvent.
/// Everything else stays, also what the detail says about the event.
pub(super) fn with_data(payload: &str, data: &str) -> Result<String, String> {
    let mut new: Value =
        serde_json::from_str(data).map_err(|error| format!("--data is not JSON: {error}"))?;
    let mut payload: Value = serde_json::from_str(payload).map_err(|_| "its event is not JSON".to_owned())?;
    if payload.get("detail-type").is_some() {
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
        Dead::read("m".to_owned(), body.to_string(), &attributes, None)
    }

    fn sent(body: &Value, group: Option<(&str, &str)>) -> Sent {
        let group = group.map(|(group, id)| (group.to_owned(), id.to_owned()));
        Sent { body: body.to_string(), group }
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

        let message = read(&json!({"order": 1}), &[]);
        assert_eq!(message.function_name(), None);
        assert_eq!(message.content, Content::Messages(None, vec![sent(&json!({"order": 1}), None)]));
        assert_eq!(read(&json!({"type": "order", "id": 1}), &[]).event(), None);
        let retried = read(&event(), &[]);
        assert_eq!(retried.event(), Some(("order.placed".to_owned(), "e1".to_owned())));
    }

    /// Lambda ignores the answer of an asynchronous invocation, so nobody would notice which messages and records of a batch failed.
    #[test]
    fn a_batch_is_no_event() {
        let rejected = |payload: &Value| {
            let record = json!({"requestContext": {"functionArn": ARN, "condition": "Rejected"}, "requestPayload": payload});
            read(&record, &[])
        };
        let record = |body: &Value, more: Value| {
            let mut record = json!({"messageId": "m1", "body": body.to_string(), "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-central-1:1:orders"});
            record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            record
        };
        let one = rejected(&json!({"Records": [record(&event(), json!({}))]}));
        let orders = Some("orders".to_owned());
        assert_eq!(one.content, Content::Messages(orders.clone(), vec![sent(&event(), None)]));
        assert_eq!(one.event(), Some(("order.placed".to_owned(), "e1".to_owned())));
        let group = json!({"attributes": {"MessageGroupId": "g"}});
        let (other, more) = (json!({"type": "order", "id": 1}), record(&json!(2), json!({})));
        let two = rejected(&json!({"Records": [record(&other, group), more]}));
        let messages = vec![sent(&other, Some(("g", "m1"))), sent(&json!(2), None)];
        assert_eq!((&two.content, two.event()), (&Content::Messages(orders, messages), None));

        let kinesis = json!({"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": "e30="}}]});
        let kafka = json!({"eventSource": "aws:kafka", "records": {"visits-0": []}});
        for records in [kinesis, kafka] {
            assert_eq!(rejected(&records).content, Content::Records(records.to_string()));
        }
        let topic = json!({"Records": [{"EventSource": "aws:sns", "Sns": {}}]});
        assert_eq!(rejected(&topic).content, Content::Event(topic.to_string()));
    }

    /// A rule sends to a queue if Lambda's own retries are not enough.
    #[test]
    fn the_target_of_a_rule_may_be_a_queue() {
        let target = "arn:aws:sqs:eu-central-1:1:shop-dev-events";
        let dead = read(&event(), &[("TARGET_ARN", target), ("ERROR_CODE", "NO_PERMISSIONS")]);
        let messages = vec![sent(&event(), None)];
        assert_eq!(dead.content, Content::Messages(Some("shop-dev-events".to_owned()), messages));
        assert_eq!((dead.function_name(), dead.reason.as_str()), (None, "NO_PERMISSIONS"));
        assert_eq!(dead.event(), Some(("order.placed".to_owned(), "e1".to_owned())));
    }

    #[test]
    fn other_data_leaves_the_rest_of_an_event() {
        let changed: Value =
            serde_json::from_str(&with_data(&event().to_string(), r#"{"n":2}"#).unwrap()).unwrap();
        let mut expected = event();
        expected["detail"]["n"] = json!(2);
        assert_eq!(changed, expected);
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
