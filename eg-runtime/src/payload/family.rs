//! Identifies the family of a payload by the fields that define it, in an order that excludes confusion. Reads no
//! other fields.

use eg_sdk::__private::Members;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{PayloadError, failed};

/// The senders of payloads and their formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// A CloudEvent in the JSON format: the gateway, and EventBridge's custom event buses.
    CloudEvent,
    /// EventBridge's own envelope: events on classic buses, rules with a schedule, EventBridge Scheduler.
    EventBridge,
    /// Records of an SQS queue.
    Sqs,
    /// A notification of an SNS topic.
    Sns,
    /// Records of DynamoDB Streams.
    DynamoDb,
    /// Records of a Kinesis stream.
    Kinesis,
    /// Records of Kafka topics, by partition.
    Kafka,
    /// The record of a failed invocation, which holds its payload.
    FailureRecord,
    /// API Gateway, REST API, and HTTP API with payload format 1.0.
    RestApi,
    /// API Gateway, HTTP API with payload format 2.0, and function URLs.
    HttpApi,
    /// An Application Load Balancer's target group, with or without multi-value headers.
    LoadBalancer { multi_value: bool },
    /// VPC Lattice, event structure 1.
    Lattice1,
    /// VPC Lattice, event structure 2.
    Lattice2,
    /// API Gateway, WebSocket API.
    WebSocket,
}

/// The keys of `requestContext` that identify the sender.
#[derive(Deserialize, Default)]
struct ContextKeys<'a> {
    #[serde(borrow)]
    elb: Option<&'a RawValue>,
    #[serde(borrow)]
    http: Option<&'a RawValue>,
    #[serde(borrow, rename = "connectionId")]
    connection_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "serviceNetworkArn")]
    service_network_arn: Option<&'a RawValue>,
}

/// The sender of a record. Only SNS capitalizes the key.
#[derive(Deserialize)]
struct RecordKeys {
    #[serde(alias = "EventSource", rename = "eventSource")]
    event_source: Option<String>,
}

/// Returns the family of a payload with these members. Reads values only if they decide.
pub(super) fn of(payload: &Members<'_>) -> Result<Family, PayloadError> {
    let has = |name| payload.get(name).is_some();
    if has("specversion") || has("cloudEventsVersion") {
        return Ok(Family::CloudEvent);
    }
    if has("detail-type") && has("detail") {
        return Ok(Family::EventBridge);
    }
    if let Some(authorizer) = authorizer(payload) {
        return Err(PayloadError::Authorizer(authorizer));
    }
    if failed::is_record(payload) {
        return Ok(Family::FailureRecord);
    }
    if failed::is_record_of_stream(payload) {
        return Err(PayloadError::FailedBatch);
    }
    if let Some(records) = payload.get("Records") {
        return of_records(records.get());
    }
    let kafka = |source: &RawValue| ["\"aws:kafka\"", "\"SelfManagedKafka\""].contains(&source.get());
    if has("records") && payload.get("eventSource").is_some_and(kafka) {
        return Ok(Family::Kafka);
    }
    let request_context = payload.get("requestContext");
    let context: ContextKeys<'_> = match request_context {
        Some(context) if context.get().starts_with('{') => serde_json::from_str(context.get())
            .map_err(|e| PayloadError::Family { family: "`requestContext`", reason: e.to_string() })?,
        _ => ContextKeys::default(),
    };
    let format_2 = payload.get("version").is_some_and(|version| version.get() == "\"2.0\"");
    match () {
        () if context.elb.is_some() => Ok(Family::LoadBalancer { multi_value: has("multiValueHeaders") }),
        () if context.connection_id.is_some() => Ok(Family::WebSocket),
        () if format_2 && context.http.is_some() => Ok(Family::HttpApi),
        () if format_2 && context.service_network_arn.is_some() => Ok(Family::Lattice2),
        () if has("raw_path") && has("method") => Ok(Family::Lattice1),
        () if has("httpMethod") && request_context.is_some() && !format_2 => Ok(Family::RestApi),
        () => Err(unknown(payload)),
    }
}

/// Returns the authorizer type if the payload is an authorizer request. Answering one would let requests pass.
fn authorizer(payload: &Members<'_>) -> Option<&'static str> {
    let has = |name| payload.get(name).is_some();
    match payload.get("type").map(RawValue::get) {
        Some("\"TOKEN\"") if has("methodArn") => Some("TOKEN"),
        Some("\"REQUEST\"") if has("routeArn") => Some("REQUEST, format 2.0"),
        Some("\"REQUEST\"") if has("methodArn") => Some("REQUEST"),
        _ if has("authorizationToken") => Some("TOKEN"),
        _ => None,
    }
}

/// Returns the family of a batch, which must be the same for all records.
fn of_records(records: &str) -> Result<Family, PayloadError> {
    let invalid = |reason: String| PayloadError::Family { family: "batch of `Records`", reason };
    let records: Vec<RecordKeys> = serde_json::from_str(records).map_err(|e| invalid(e.to_string()))?;
    let mut sources = records.iter().map(|record| record.event_source.as_deref().unwrap_or("(none)"));
    let first = sources.next().ok_or_else(|| invalid("it is empty".to_owned()))?;
    if let Some(other) = sources.find(|source| *source != first) {
        return Err(invalid(format!("some records come from `{first}`, some from `{other}`")));
    }
    match first {
        "aws:sqs" => Ok(Family::Sqs),
        "aws:sns" => Ok(Family::Sns),
        "aws:dynamodb" => Ok(Family::DynamoDb),
        "aws:kinesis" => Ok(Family::Kinesis),
        other => Err(PayloadError::Records(other.to_owned())),
    }
}

/// Describes an unknown payload by its keys, because values may be secret.
fn unknown(payload: &Members<'_>) -> PayloadError {
    let mut names: Vec<_> = payload.names().collect();
    names.sort_unstable();
    names.dedup();
    let names: Vec<_> = names.into_iter().take(12).map(|name| format!("`{name}`")).collect();
    PayloadError::Unknown(if names.is_empty() { "(none)".to_owned() } else { names.join(", ") })
}
