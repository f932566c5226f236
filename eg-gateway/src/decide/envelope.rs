//! The events that the gateway makes itself, in CloudEvents 0.1 as Event Gateway 0.9.1 wrote them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::facts::HOPS;
use super::routes::Params;

/// The `source` of events that the gateway makes.
pub(crate) const SOURCE: &str = "https://serverless.com/event-gateway/#transformationVersion=0.1";

/// The type of the events that plain HTTP requests become.
pub(crate) const HTTP_REQUEST: &str = "http.request";

/// What makes a new event unique.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    pub(crate) id: String,
    pub(crate) time: OffsetDateTime,
}

/// A CloudEvent 0.1. The order of the fields is that of the wire.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Envelope<'a> {
    pub(crate) event_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event_type_version: Option<String>,
    pub(crate) cloud_events_version: &'a str,
    pub(crate) source: &'a str,
    #[serde(rename = "eventID")]
    pub(crate) event_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event_time: Option<String>,
    #[serde(rename = "schemaURL", skip_serializing_if = "Option::is_none")]
    pub(crate) schema_url: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) extensions: BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content_type: Option<&'a str>,
    pub(crate) data: &'a RawValue,
}

impl<'a> Envelope<'a> {
    /// An event of the gateway's own making.
    pub(crate) fn new(
        event_type: &'a str,
        stamp: &'a Stamp,
        content_type: &'a str,
        data: &'a RawValue,
    ) -> Self {
        let made_here = json!({ "transformed": "true", "transformation-version": "0.1" });
        Self {
            event_type,
            event_type_version: None,
            cloud_events_version: "0.1",
            source: SOURCE,
            event_id: &stamp.id,
            // Only years beyond 9999 have no such form.
            event_time: stamp.time.format(&Rfc3339).ok(),
            schema_url: None,
            extensions: BTreeMap::from([("eventgateway".to_owned(), made_here)]),
            content_type: Some(content_type),
            data,
        }
    }

    /// Notes how many events led to this one, unless none did.
    pub(crate) fn with_hops(mut self, hops: u64) -> Self {
        if hops > 0 {
            self.extensions.insert(HOPS.to_owned(), hops.into());
        }
        self
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and JSON are always representable in JSON")
    }
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
    pub(crate) fn to_event(&self, stamp: &Stamp, params: Option<&Params>) -> Vec<u8> {
        Envelope::new(HTTP_REQUEST, stamp, "application/json", &self.to_data(params)).to_json()
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
