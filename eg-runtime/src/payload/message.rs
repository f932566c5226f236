//! Reads messages of queues and topics: a CloudEvent, EventBridge's envelope, SNS's envelope, the record of a failed
//! invocation, or any other text, which becomes the payload. Distinguishes them by the keys that define each.

use eg_sdk::{CloudEvent, Data, OffsetDateTime, SpecVersion};
use serde::Deserialize;
use serde_json::value::RawValue;
use time::format_description::well_known::Rfc3339;

use super::{PayloadError, eventbridge, failed};

/// The envelope that SNS sends to subscribers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Notification {
    message_id: String,
    topic_arn: String,
    message: String,
    subject: Option<String>,
    timestamp: Option<String>,
}

/// The origin of a message that is not an event itself.
pub(super) struct Carrier {
    pub(super) ty: &'static str,
    pub(super) id: String,
    pub(super) source: String,
    pub(super) subject: Option<String>,
    pub(super) time: Option<OffsetDateTime>,
}

/// The keys that identify the kind of a message.
#[derive(Deserialize)]
struct Keys<'a> {
    #[serde(borrow, rename = "specversion")]
    spec_version: Option<&'a RawValue>,
    #[serde(borrow, rename = "cloudEventsVersion")]
    cloud_events_version: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    ty: Option<&'a RawValue>,
    #[serde(borrow, rename = "eventType")]
    event_type: Option<&'a RawValue>,
    #[serde(borrow, rename = "detail-type")]
    detail_type: Option<&'a RawValue>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    #[serde(borrow, rename = "Type")]
    sns_type: Option<&'a RawValue>,
    #[serde(borrow, rename = "TopicArn")]
    topic_arn: Option<&'a RawValue>,
    #[serde(borrow, rename = "Message")]
    message: Option<&'a RawValue>,
    #[serde(borrow, rename = "requestContext")]
    request_context: Option<&'a RawValue>,
    #[serde(borrow, rename = "requestPayload")]
    request_payload: Option<&'a RawValue>,
}

enum Form {
    CloudEvent,
    EventBridge,
    Sns,
    FailureRecord,
    Other,
}

/// Returns the event in a message, or makes an event whose payload is the message.
pub(super) fn read(text: String, carrier: Carrier) -> Result<CloudEvent<Data>, PayloadError> {
    match form(&text) {
        Form::Sns => {
            let notification: Notification = serde_json::from_str(&text).map_err(|e| {
                PayloadError::Family { family: "SNS notification in a message", reason: e.to_string() }
            })?;
            of_notification(notification)
        }
        Form::FailureRecord => failed::read_event(&text),
        _ => read_inner(text, carrier),
    }
}

/// Returns the event in a record of bytes, or makes an event whose payload they are.
pub(super) fn read_bytes(bytes: Vec<u8>, carrier: Carrier) -> Result<CloudEvent<Data>, PayloadError> {
    match String::from_utf8(bytes) {
        Ok(text) => read(text, carrier),
        Err(binary) => {
            let data = Data::Binary(binary.into_bytes().into());
            Ok(wrapped(data, "application/octet-stream", carrier))
        }
    }
}

/// Returns the event in a notification. A notification inside it counts as payload, because topics do not nest.
pub(super) fn of_notification(notification: Notification) -> Result<CloudEvent<Data>, PayloadError> {
    let Notification { message_id, topic_arn, message, subject, timestamp } = notification;
    let carrier = Carrier {
        ty: "com.amazonaws.sns.Notification",
        id: message_id,
        source: topic_arn,
        subject: subject.filter(|subject| !subject.is_empty()),
        time: timestamp.and_then(|time| OffsetDateTime::parse(&time, &Rfc3339).ok()),
    };
    read_inner(message, carrier)
}

fn read_inner(text: String, carrier: Carrier) -> Result<CloudEvent<Data>, PayloadError> {
    match form(&text) {
        Form::CloudEvent => Ok(CloudEvent::from_json(text.as_bytes())?),
        Form::EventBridge => eventbridge(&text),
        Form::Sns | Form::FailureRecord | Form::Other => {
            let (data, media_type) = content(text);
            Ok(wrapped(data, media_type, carrier))
        }
    }
}

/// Makes an event of a payload that is none itself.
fn wrapped(data: Data, media_type: &str, carrier: Carrier) -> CloudEvent<Data> {
    let Carrier { ty, id, source, subject, time } = carrier;
    let event = CloudEvent::of_type(ty, source, data)
        .with_specversion(SpecVersion::V1_0)
        .with_id(id)
        .with_time(time)
        .with_datacontenttype::<&str>(Some(media_type));
    match subject {
        Some(subject) => event.with_subject(subject),
        None => event,
    }
}

fn form(text: &str) -> Form {
    let Ok(keys) = serde_json::from_str::<Keys<'_>>(text) else { return Form::Other };
    let v1 = keys.spec_version.is_some() && keys.id.is_some() && keys.ty.is_some();
    let v0 = keys.cloud_events_version.is_some() && keys.event_type.is_some();
    match () {
        () if keys.source.is_some() && (v1 || v0) => Form::CloudEvent,
        () if keys.detail_type.is_some() && keys.detail.is_some() && keys.source.is_some() => {
            Form::EventBridge
        }
        () if keys.sns_type.is_some_and(|ty| ty.get() == "\"Notification\"")
            && keys.topic_arn.is_some()
            && keys.message.is_some() =>
        {
            Form::Sns
        }
        () if keys.request_payload.is_some() && keys.request_context.is_some_and(failed::is_context) => {
            Form::FailureRecord
        }
        () => Form::Other,
    }
}

/// Turns text into a payload with its media type: JSON unchanged, other text as a string.
pub(super) fn content(text: String) -> (Data, &'static str) {
    match serde_json::from_str::<Box<RawValue>>(&text) {
        Ok(json) => (Data::Json(json), "application/json"),
        Err(_) => (Data::Binary(text.into_bytes().into()), "text/plain; charset=utf-8"),
    }
}

/// Converts seconds since 1970, to the millisecond; `None` if out of range.
pub(super) fn parse_time_seconds(seconds: f64) -> Option<OffsetDateTime> {
    // Whole milliseconds of a time in this century are exact in a double.
    #[allow(clippy::cast_possible_truncation, reason = "a value out of range saturates and is no time")]
    let millis = (seconds * 1000.0).round() as i64;
    parse_time_millis(millis)
}

/// Converts milliseconds since 1970; `None` if out of range.
pub(super) fn parse_time_millis(millis: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()
}
