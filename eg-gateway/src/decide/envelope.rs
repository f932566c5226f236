//! The events that the gateway makes itself, in CloudEvents 0.1 as Event Gateway 0.9.1 wrote them. When it makes one is
//! decided by `classify` and `system`.

use std::collections::BTreeMap;

use eg_sdk::{CloudEvent, Data, SpecVersion};
use serde::Serialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use time::OffsetDateTime;

use super::routes::Params;

/// The `source` of events that the gateway makes.
const SOURCE: &str = "https://serverless.com/event-gateway/#transformationVersion=0.1";

/// The type of the events that plain HTTP requests become.
pub(crate) const HTTP_REQUEST: &str = "http.request";

/// What makes a new event unique.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    pub(crate) id: String,
    pub(crate) time: OffsetDateTime,
}

/// An event that the gateway makes, with JSON as its payload.
pub(crate) fn made(event_type: &str, stamp: Stamp, content_type: &str, data: Box<RawValue>) -> CloudEvent {
    let data = if data.get() == "null" { Data::Empty } else { Data::Json(data) };
    CloudEvent::identified(stamp.id, SOURCE, event_type, data)
        .with_specversion(SpecVersion::V0_1)
        .with_time(stamp.time)
        .with_datacontenttype(content_type)
        .with_extension("eventgateway", json!({ "transformed": "true", "transformation-version": "0.1" }))
}

/// The payload of an `http.request` event. The order of the fields is that of the wire.
#[derive(Debug, Serialize)]
pub(crate) struct HttpRequest {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) query: BTreeMap<String, Vec<String>>,
    pub(crate) body: Box<RawValue>,
    /// Our addition, and only there when true: `body` is base64 where the original would have damaged it.
    #[serde(rename = "isBase64Encoded", skip_serializing_if = "std::ops::Not::not")]
    pub(crate) opaque_form: bool,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) method: String,
}

impl HttpRequest {
    /// The whole event. `params` are those of the synchronous route that the request took, if any.
    pub(crate) fn to_event(&self, stamp: Stamp, params: Option<&Params>) -> CloudEvent {
        made(HTTP_REQUEST, stamp, "application/json", self.to_data(params))
    }

    /// Its payload alone.
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
