//! Reads the requests of a WebSocket API as events: `websocket.connect`, `websocket.message` and
//! `websocket.disconnect`. The connection id is the event's `subject`. Source: AWS's description of WebSocket APIs'
//! Lambda integration.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eg_sdk::{CloudEvent, Data, IntoData as _, SpecVersion};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::PayloadError;
use super::message::{content, parse_time_millis};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    request_context: Context,
    headers: Option<BTreeMap<String, Option<String>>>,
    query_string_parameters: Option<BTreeMap<String, Option<String>>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    connection_id: String,
    event_type: String,
    route_key: Option<String>,
    message_id: Option<String>,
    request_id: Option<String>,
    domain_name: Option<String>,
    stage: Option<String>,
    request_time_epoch: Option<i64>,
    disconnect_status_code: Option<i64>,
    disconnect_reason: Option<String>,
}

/// The payload of `websocket.connect`: the handshake's headers and query.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Handshake<'a> {
    headers: &'a BTreeMap<String, Option<String>>,
    query: &'a BTreeMap<String, Option<String>>,
}

pub(super) fn read(json: &str) -> Result<CloudEvent<Data>, PayloadError> {
    let invalid = |reason: String| PayloadError::Family { family: "WebSocket event", reason };
    let event: Event = serde_json::from_str(json).map_err(|e| invalid(e.to_string()))?;
    let context = event.request_context;
    let none = BTreeMap::new();
    let (ty, data, media_type) = match context.event_type.as_str() {
        "CONNECT" => {
            let headers = event.headers.as_ref().unwrap_or(&none);
            let query = event.query_string_parameters.as_ref().unwrap_or(&none);
            let data = Handshake { headers, query }.into_data().map_err(|e| invalid(e.to_string()))?;
            ("websocket.connect", data, "application/json")
        }
        "MESSAGE" if event.is_base64_encoded == Some(true) => {
            let bytes = STANDARD.decode(event.body.unwrap_or_default());
            let bytes = bytes.map_err(|e| invalid(format!("body: not base64: {e}")))?;
            ("websocket.message", Data::Binary(bytes.into()), "application/octet-stream")
        }
        "MESSAGE" => {
            let (data, media_type) = content(event.body.unwrap_or_default());
            ("websocket.message", data, media_type)
        }
        "DISCONNECT" => {
            let data =
                json!({ "statusCode": context.disconnect_status_code, "reason": context.disconnect_reason });
            let data = data.into_data().map_err(|e| invalid(e.to_string()))?;
            ("websocket.disconnect", data, "application/json")
        }
        other => return Err(invalid(format!("unknown `eventType` `{other}`"))),
    };
    // A message has its own id; other events of a connection are identified by the request id.
    let id = context.message_id.or(context.request_id).filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| invalid("neither `messageId` nor `requestId` is given".to_owned()))?;
    let domain = context.domain_name.unwrap_or_default();
    let source = format!("//{domain}/{}", context.stage.unwrap_or_default());
    let mut event = CloudEvent::of_type(ty, source, data)
        .with_specversion(SpecVersion::V1_0)
        .with_id(id)
        .with_subject(context.connection_id)
        .with_time(context.request_time_epoch.and_then(parse_time_millis))
        .with_datacontenttype::<&str>(Some(media_type));
    if let Some(route) = context.route_key {
        event = event.with_extension("awsroutekey", route);
    }
    Ok(event)
}
