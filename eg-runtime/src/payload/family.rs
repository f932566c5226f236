//! Which family a payload belongs to. Decides by the fields that define each family, in an order in which no
//! family can be taken for another; reads no further.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::PayloadError;

/// Who sends payloads, and in which format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// A CloudEvent in the JSON format: the gateway, and EventBridge's custom event buses.
    CloudEvent,
    /// EventBridge's own envelope: events on classic buses, rules with a schedule, EventBridge Scheduler.
    EventBridge,
    /// Records of an SQS queue.
    Sqs,
    /// A notification of an SNS topic.
    Sns,
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

/// The keys by which families differ. Values are read only where they decide.
#[derive(Deserialize)]
struct Keys<'a> {
    #[serde(borrow, rename = "specversion")]
    spec_version: Option<&'a RawValue>,
    #[serde(borrow, rename = "cloudEventsVersion")]
    cloud_events_version: Option<&'a RawValue>,
    #[serde(borrow, rename = "detail-type")]
    detail_type: Option<&'a RawValue>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    ty: Option<&'a RawValue>,
    #[serde(borrow, rename = "methodArn")]
    method_arn: Option<&'a RawValue>,
    #[serde(borrow, rename = "routeArn")]
    route_arn: Option<&'a RawValue>,
    #[serde(borrow, rename = "authorizationToken")]
    authorization_token: Option<&'a RawValue>,
    #[serde(borrow, rename = "Records")]
    records: Option<&'a RawValue>,
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    #[serde(borrow, rename = "requestContext")]
    request_context: Option<&'a RawValue>,
    #[serde(borrow, rename = "multiValueHeaders")]
    multi_value_headers: Option<&'a RawValue>,
    #[serde(borrow, rename = "httpMethod")]
    http_method: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    raw_path: Option<&'a RawValue>,
}

/// The keys of `requestContext` that name the sender.
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

/// The sender of a record. SNS alone writes it with a capital.
#[derive(Deserialize)]
struct RecordKeys {
    #[serde(alias = "EventSource", rename = "eventSource")]
    event_source: Option<String>,
}

/// The family of `json`.
pub(super) fn of(json: &str) -> Result<Family, PayloadError> {
    let keys: Keys<'_> = serde_json::from_str(json).map_err(PayloadError::NotAnObject)?;
    if keys.spec_version.is_some() || keys.cloud_events_version.is_some() {
        return Ok(Family::CloudEvent);
    }
    if keys.detail_type.is_some() && keys.detail.is_some() {
        return Ok(Family::EventBridge);
    }
    if let Some(authorizer) = authorizer(&keys) {
        return Err(PayloadError::Authorizer(authorizer));
    }
    if let Some(records) = keys.records {
        return of_records(records.get());
    }
    let context: ContextKeys<'_> = match keys.request_context {
        Some(context) if context.get().starts_with('{') => serde_json::from_str(context.get())
            .map_err(|e| PayloadError::Family { family: "`requestContext`", reason: e.to_string() })?,
        _ => ContextKeys::default(),
    };
    let format_2 = keys.version.is_some_and(|version| version.get() == "\"2.0\"");
    match () {
        () if context.elb.is_some() => {
            Ok(Family::LoadBalancer { multi_value: keys.multi_value_headers.is_some() })
        }
        () if context.connection_id.is_some() => Ok(Family::WebSocket),
        () if format_2 && context.http.is_some() => Ok(Family::HttpApi),
        () if format_2 && context.service_network_arn.is_some() => Ok(Family::Lattice2),
        () if keys.raw_path.is_some() && keys.method.is_some() => Ok(Family::Lattice1),
        () if keys.http_method.is_some() && keys.request_context.is_some() && !format_2 => {
            Ok(Family::RestApi)
        }
        () => Err(unknown(json)),
    }
}

/// Which authorizer is asked, if this is such a question: an answer to it would let requests pass.
fn authorizer(keys: &Keys<'_>) -> Option<&'static str> {
    let ty = keys.ty.map(RawValue::get);
    match ty {
        Some("\"TOKEN\"") if keys.method_arn.is_some() => Some("TOKEN"),
        Some("\"REQUEST\"") if keys.route_arn.is_some() => Some("REQUEST, format 2.0"),
        Some("\"REQUEST\"") if keys.method_arn.is_some() => Some("REQUEST"),
        _ if keys.authorization_token.is_some() => Some("TOKEN"),
        _ => None,
    }
}

/// The family of a batch, which its records agree on.
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
        other => Err(PayloadError::Records(other.to_owned())),
    }
}

/// Says what was seen: the keys, since the values may be secret.
fn unknown(json: &str) -> PayloadError {
    match serde_json::from_str::<BTreeMap<String, IgnoredAny>>(json) {
        Ok(keys) if keys.is_empty() => PayloadError::Unknown("(none)".to_owned()),
        Ok(keys) => {
            let keys: Vec<_> = keys.keys().take(12).map(|key| format!("`{key}`")).collect();
            PayloadError::Unknown(keys.join(", "))
        }
        Err(e) => PayloadError::NotAnObject(e),
    }
}
