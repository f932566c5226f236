//! Reads Lambda payloads: identifies the family by its defining fields, never by trial parsing, and turns the payload
//! into an event or an HTTP request. Calls nothing.

mod api_gateway;
mod authorizer;
mod failed;
mod family;
mod gateway;
mod lattice;
mod list;
mod message;
mod part;
mod proxy;
mod request;
mod routed;
mod sns;
mod sqs;
mod stream;
mod websocket;

use axum::extract::Request;
use eg_sdk::__private::{self, Members};
use eg_sdk::{CloudEvent, Data, InvalidEvent};
use serde_json::value::RawValue;

pub(crate) use self::authorizer::{AsksFor, read as read_question};
pub(crate) use self::family::Family;
pub(crate) use self::gateway::read as read_gateway_request;
pub(crate) use self::part::{part, whole};
pub(crate) use self::sqs::Record;
pub(crate) use self::stream::{Position, StreamRecord};
use crate::outcome::{Failure, FailureKind};
use crate::sender::{Sender, Sent};

/// A parsed payload.
#[derive(Debug)]
pub(crate) enum Payload {
    /// A CloudEvent that is the payload itself. Only such an event can be the gateway's `http.request`.
    CloudEvent(CloudEvent<Data>),
    /// An event in EventBridge's envelope. Only such an event can be that of a schedule.
    EventBridge(CloudEvent<Data>),
    /// An event of a WebSocket connection, and what is known about its sender.
    WebSocket(CloudEvent<Data>, Sent),
    /// Events that are delivered and fail together.
    Events(Vec<CloudEvent<Data>>),
    /// An HTTP request, and the format of its answer. A client's mistake is a 400 for the client, not a failed
    /// invocation.
    Http(Result<Request, BadRequest>, Shape, Sent),
    /// Messages of a queue, in order.
    Queue(Vec<Record>),
    /// Records of a stream, in order.
    Stream(Vec<StreamRecord>),
}

/// The response format of a sender, which differs in the handling of repeated headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Joined values and separate cookies: the gateway, HTTP APIs, function URLs, WebSocket APIs.
    JoinedWithCookies,
    /// `multiValueHeaders`: REST APIs.
    MultiValue,
    /// `multiValueHeaders` and a status description: load balancers with multi-value headers.
    BalancerMultiValue,
    /// Joined values, a single cookie and a status description: load balancers without multi-value headers.
    BalancerSingleValue,
    /// The same, for VPC Lattice.
    SingleValue,
}

/// Why a client's request is invalid.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadRequest(pub(crate) String);

/// Why a payload cannot be handled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PayloadError {
    #[error("the payload is not text in UTF-8")]
    NotText,
    #[error("the payload is not a JSON object: {0}")]
    NotAnObject(serde_json::Error),
    #[error("the payload is not a valid CloudEvent: {0}")]
    Event(#[from] InvalidEvent),
    #[error("the payload is not a valid {family}: {reason}")]
    Family { family: &'static str, reason: String },
    #[error(
        "the payload asks a Lambda authorizer ({0}) whether a request may pass; this process has no authorizer, or \
         several: name a function with #[authorizer] as the API's authorizer, and in `_HANDLER`"
    )]
    Authorizer(&'static str),
    #[error("the payload is an HTTP request, and no function here has a route for any: give one #[http(…)]")]
    NoRoutes,
    #[error(
        "the payload is a batch of records from `{0}`; only those from `aws:sqs`, `aws:sns`, \
         `aws:dynamodb` and `aws:kinesis` are read, and with `#[invoke]` all others"
    )]
    Records(String),
    #[error(
        "the payload is the record of a failed batch of a stream, which names the records and does not contain them: read \
         them from the stream between the sequence numbers in it"
    )]
    FailedBatch,
    #[error(
        "unknown payload with the keys {0}; known are CloudEvents, EventBridge events, records of SQS, SNS, \
         DynamoDB, Kinesis and Kafka, arrays of these, records of failed invocations, and HTTP requests of API Gateway, function URLs, load balancers and VPC Lattice"
    )]
    Unknown(String),
}

impl From<PayloadError> for Failure {
    fn from(error: PayloadError) -> Self {
        // A retry cannot make the payload readable.
        Self::new(FailureKind::Reject, error.to_string())
    }
}

/// A reader of payloads that are HTTP requests, such as [`read_http`].
pub(crate) type ReadRequest = fn(Family, &str, Sent) -> Result<Payload, PayloadError>;

/// Reads a payload. `read_request` reads HTTP requests; a binary without routes has no such reader.
pub(crate) fn read(json: &str, read_request: Option<ReadRequest>) -> Result<Payload, PayloadError> {
    if list::is_list(json) {
        return list::read(json);
    }
    let members = Members::read(json).map_err(PayloadError::NotAnObject)?;
    match family::of(&members)? {
        Family::CloudEvent => Ok(Payload::CloudEvent(__private::event(members)?)),
        Family::FailureRecord => failed::read(json),
        Family::WebSocket => {
            websocket::read(json).map(|event| Payload::WebSocket(event, sent(Family::WebSocket, &members)))
        }
        family => match read_events(family, json) {
            Some(payload) => payload,
            None => (read_request.ok_or(PayloadError::NoRoutes)?)(family, json, sent(family, &members)),
        },
    }
}

/// Reads a payload of a family whose sender waits for no answer: events, messages, records of a stream. Returns `None` for
/// the other families, and for CloudEvents.
fn read_events(family: Family, json: &str) -> Option<Result<Payload, PayloadError>> {
    Some(match family {
        Family::EventBridge => eventbridge(json).map(Payload::EventBridge),
        Family::Sqs => sqs::read(json).map(Payload::Queue),
        Family::Sns => sns::read(json).map(Payload::Events),
        Family::DynamoDb => stream::read_dynamodb(json).map(Payload::Stream),
        Family::Kinesis => stream::read_kinesis(json).map(Payload::Stream),
        Family::Kafka => stream::read_kafka(json).map(Payload::Stream),
        _ => return None,
    })
}

/// Returns whether a payload is one whose sender looks at failures only, and repeats the call after each.
pub(crate) fn is_asynchronous(json: &str) -> bool {
    let family = |json: &str| Members::read(json).ok().and_then(|members| family::of(&members).ok());
    list::is_list(json)
        || matches!(family(json), Some(Family::EventBridge | Family::Sns | Family::FailureRecord))
}

/// Copies what the payload says about its sender.
fn sent(family: Family, members: &Members<'_>) -> Sent {
    let copy = |name| members.get(name).map(RawValue::get).filter(|json| *json != "null").map(str::to_owned);
    let by = match family {
        Family::HttpApi => Sender::Format2,
        Family::RestApi | Family::WebSocket => Sender::Format1,
        Family::LoadBalancer { .. } => Sender::LoadBalancer,
        Family::Lattice1 => Sender::Lattice1,
        Family::Lattice2 => Sender::Lattice2,
        _ => Sender::Other,
    };
    Sent { by, context: copy("requestContext"), stage_variables: copy("stageVariables") }
}

/// Reads a payload that is an HTTP request.
pub(crate) fn read_http(family: Family, json: &str, sent: Sent) -> Result<Payload, PayloadError> {
    let (request, shape) = match family {
        Family::RestApi => (proxy::rest_api(json)?, Shape::MultiValue),
        Family::LoadBalancer { multi_value: true } => {
            (proxy::load_balancer(json)?, Shape::BalancerMultiValue)
        }
        Family::LoadBalancer { multi_value: false } => {
            (proxy::load_balancer(json)?, Shape::BalancerSingleValue)
        }
        Family::Lattice1 => (lattice::read_1(json)?, Shape::SingleValue),
        Family::Lattice2 => (lattice::read_2(json)?, Shape::SingleValue),
        // `read` calls this only for HTTP requests, so this is the last family.
        _ => (api_gateway::read(json)?, Shape::JoinedWithCookies),
    };
    Ok(Payload::Http(request, shape, sent))
}

/// Reads an event in EventBridge's envelope.
fn eventbridge(json: &str) -> Result<CloudEvent<Data>, PayloadError> {
    CloudEvent::from_eventbridge(json.as_bytes())
        .map_err(|e| PayloadError::Family { family: "EventBridge event", reason: e.to_string() })
}

#[cfg(test)]
mod tests;
