//! Builds the events that the gateway itself creates, in CloudEvents 0.1 as Event Gateway 0.9.1 wrote them.
//! `classify` and `system` decide when one is created.

use std::collections::BTreeMap;

use eg_grammar::HTTP_REQUEST;
use eg_sdk::{CloudEvent, Data, SpecVersion};
use serde::Serialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use time::OffsetDateTime;

use super::query::Query;
use super::routes::Params;

/// The `source` of events that the gateway creates.
const SOURCE: &str = "https://serverless.com/event-gateway/#transformationVersion=0.1";

/// The id and the time of a new event.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    pub(crate) id: String,
    pub(crate) time: OffsetDateTime,
}

/// Returns an event of the gateway, with JSON as its payload.
pub(crate) fn made(event_type: &str, stamp: Stamp, content_type: &str, data: Box<RawValue>) -> CloudEvent {
    let data = if data.get() == "null" { Data::Empty } else { Data::Json(data) };
    CloudEvent::identified(stamp.id, SOURCE, event_type, data)
        .with_specversion(SpecVersion::V0_1)
        .with_time(stamp.time)
        .with_datacontenttype(content_type)
        .with_extension("eventgateway", json!({ "transformed": "true", "transformation-version": "0.1" }))
}

/// The payload of an `http.request` event. The order of the fields is their order in the JSON. Three members are
/// additions to the original. They are present only where its members cannot tell what the client sent.
#[derive(Debug, Serialize)]
pub(crate) struct HttpRequest {
    pub(crate) headers: BTreeMap<String, String>,
    /// The query as it was sent, if `query` would be written differently.
    #[serde(rename = "rawQuery", skip_serializing_if = "Option::is_none")]
    pub(crate) raw_query: Option<String>,
    pub(crate) query: Query,
    pub(crate) body: Box<RawValue>,
    /// Whether `body` is base64 although its content type denotes text.
    #[serde(rename = "isBase64Encoded", skip_serializing_if = "std::ops::Not::not")]
    pub(crate) opaque_form: bool,
    /// The white space before and after the JSON in `body`.
    #[serde(rename = "bodyWhitespace", skip_serializing_if = "Option::is_none")]
    pub(crate) white_space: Option<[String; 2]>,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) method: String,
}

impl HttpRequest {
    /// Returns the whole event. `params` are the path parameters of the synchronous route that the request took, if
    /// any.
    pub(crate) fn to_event(&self, stamp: Stamp, params: Option<&Params>) -> CloudEvent {
        made(HTTP_REQUEST, stamp, "application/json", self.to_data(params))
    }

    /// Returns only the payload.
    pub(crate) fn to_data(&self, params: Option<&Params>) -> Box<RawValue> {
        #[derive(Serialize)]
        struct WithParams<'a> {
            #[serde(flatten)]
            request: &'a HttpRequest,
            params: Option<&'a Params>,
        }
        let data = to_raw_value(&WithParams { request: self, params });
        data.expect("strings and JSON are always representable in JSON")
    }
}
