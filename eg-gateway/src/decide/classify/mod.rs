//! Decides what kind of event a request to the Events API is: batch, structured, binary, legacy or `http.request`, in
//! the order of Event Gateway 0.9.1. `router` decides where the event goes.

use std::collections::BTreeMap;

use bytes::Bytes;
use eg_grammar::limits::{BODY_DEPTH, DATA_DEPTH, JSON_DEPTH};
use eg_grammar::{HTTP_REQUEST, SYSTEM_PREFIX, is_nested_deeper, without_bom};
use eg_sdk::http::Mode;
use eg_sdk::{CloudEvent, InvalidEvent};
use http::{HeaderMap, HeaderName, header};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::value::RawValue;

use super::authorize;
use super::body;
use super::envelope::{HttpRequest, Stamp, made};
use super::headers::{canonical, canonical_headers, content_encoding, joined, text};
use super::query::Query;
use super::routes::Params;
use super::volume::{self, TooMany};

/// The media type of a body whose type is not known.
const OCTET_STREAM: &str = "application/octet-stream";

/// The headers that the original's clients send with an event. Most requests have none of them, so that must be found out
/// quickly.
static EVENT: HeaderName = HeaderName::from_static("event");
static EVENT_TYPE: HeaderName = HeaderName::from_static("ce-eventtype");

/// A request to the Events API.
#[derive(Debug)]
pub(crate) struct Incoming<'a> {
    pub(crate) method: &'a str,
    /// Still percent-encoded, without the prefix of the space.
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    /// The `Host` header.
    pub(crate) host: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
    /// Whether to convert bodies as the original does, with its quirks.
    pub(crate) strict: bool,
}

impl Incoming<'_> {
    /// Returns the body with this content type as the body of an `http.request` event.
    fn body(&self, content_type: Option<&str>) -> Box<RawValue> {
        if self.strict {
            body::strict_payload(content_type, self.body)
        } else {
            body::payload(content_type, self.body)
        }
    }

    /// Returns the body with this content type as the payload of an event.
    fn payload(&self, content_type: Option<&str>) -> Box<RawValue> {
        if self.strict {
            self.body(content_type)
        } else {
            body::payload(content_type, without_bom(self.body))
        }
    }
}

/// The contents of a request.
#[allow(clippy::large_enum_variant, reason = "one per request, and nearly always the large one")]
#[derive(Debug)]
pub(crate) enum Classified {
    /// A single event, which a function may answer.
    One(Draft),
    /// Several events, which are accepted together or not at all.
    Batch(Vec<Draft>),
}

/// The event of a request, as far as it is known before routing.
#[derive(Debug)]
pub(crate) enum Draft {
    /// The request holds the whole event.
    Complete(CloudEvent),
    /// The gateway creates the event. The parameters of the route are missing.
    Request(Box<HttpRequest>, Stamp),
}

/// The reason why a request is not an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadEvent {
    #[error("{0}")]
    MediaType(&'static str),
    #[error("CloudEvent doesn't validate: {0}")]
    Invalid(String),
    #[error("the body has the content encoding \"{0}\": send it without one")]
    Encoded(String),
    #[error("the JSON is nested more than {0} levels deep")]
    TooDeep(usize),
    #[error("{0}")]
    TooMany(#[from] TooMany),
    #[error("event type \"{0}\" is reserved for events of the gateway itself: emit another type")]
    Reserved(String),
}

impl Draft {
    /// Returns the draft of an event from outside.
    pub(super) fn of(event: CloudEvent) -> Self {
        Self::Complete(authorize::unmarked(event))
    }

    pub(crate) fn ty(&self) -> &str {
        match self {
            Self::Complete(event) => event.ty(),
            Self::Request(..) => HTTP_REQUEST,
        }
    }

    /// Returns whether the gateway made the event from an HTTP request, which waits for a function's answer.
    pub(crate) fn is_request(&self) -> bool {
        matches!(self, Self::Request(..))
    }

    /// Returns a copy of the event. `params` are the path parameters of the synchronous route, if the event took one.
    pub(crate) fn to_event(&self, params: Option<&Params>) -> CloudEvent {
        match self {
            Self::Complete(event) => event.clone(),
            Self::Request(request, stamp) => request.to_event(stamp.clone(), params),
        }
    }

    /// Returns the event, like [`to_event`](Self::to_event).
    pub(crate) fn into_event(self, params: Option<&Params>) -> CloudEvent {
        match self {
            Self::Complete(event) => event,
            Self::Request(request, stamp) => request.to_event(stamp, params),
        }
    }

    /// Refuses types that only the gateway may emit. A function takes the method, path and headers in an `http.request` as
    /// those of a request that the gateway received, so no client may write them itself.
    pub(crate) fn check_type(&self) -> Result<(), BadEvent> {
        match self {
            Self::Complete(event) if event.ty().starts_with(SYSTEM_PREFIX) || event.ty() == HTTP_REQUEST => {
                Err(BadEvent::Reserved(event.ty().to_owned()))
            }
            _ => Ok(()),
        }
    }
}

impl From<InvalidEvent> for BadEvent {
    fn from(error: InvalidEvent) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// Returns the contents of `request`. `stamp` is called if the gateway has to create an event.
pub(crate) fn classify(
    request: &Incoming<'_>,
    stamp: impl FnOnce() -> Stamp,
) -> Result<Classified, BadEvent> {
    let media_type = media_type(request.headers)?;
    let mode = Mode::of(request.headers);
    // The SDK takes more types for JSON than the original did.
    let is_json = body::is_json(&media_type) || media_type.ends_with("/json");
    let within = |depth| {
        let too_deep = is_json && is_nested_deeper(request.body, depth);
        if too_deep { Err(BadEvent::TooDeep(depth)) } else { Ok(()) }
    };
    let is_event = matches!(mode, Some(Mode::Structured | Mode::Batch));
    within(if is_event { JSON_DEPTH } else { DATA_DEPTH })?;
    let not_encoded =
        || content_encoding(request.headers).map_or(Ok(()), |coding| Err(BadEvent::Encoded(coding)));
    if mode == Some(Mode::Batch) {
        not_encoded()?;
        volume::check_events(request.body)?;
        let events = eg_sdk::http::events_from_http(request.headers, request.body.clone())?;
        let events: Vec<Draft> = events.into_iter().map(Draft::of).collect();
        events.iter().try_for_each(Draft::check_type)?;
        return Ok(Classified::Batch(events));
    }
    let binary_1_0 = mode == Some(Mode::Binary) && request.headers.contains_key("ce-specversion");
    let event = if mode == Some(Mode::Structured) || binary_1_0 {
        not_encoded()?;
        Draft::of(CloudEvent::from_http(request.headers, request.body.clone())?)
    } else if let Some(event) = binary(request)? {
        not_encoded()?;
        Draft::of(event)
    } else if let Some(ty) = text(request.headers, &EVENT) {
        not_encoded()?;
        Draft::of(legacy(request, &media_type, &ty, stamp))
    } else {
        within(BODY_DEPTH)?;
        http_request(request, stamp())
    };
    event.check_type()?;
    Ok(Classified::One(event))
}

/// Returns the media type without parameters, in lower case. The rules and texts are those of Go's parser.
fn media_type(headers: &HeaderMap) -> Result<String, BadEvent> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(OCTET_STREAM.to_owned());
    };
    let value = String::from_utf8_lossy(value.as_bytes());
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let ends = |b: u8| {
        matches!(
            b,
            b'(' | b')'
                | b'<'
                | b'>'
                | b'@'
                | b','
                | b';'
                | b':'
                | b'\\'
                | b'"'
                | b'/'
                | b'['
                | b']'
                | b'?'
                | b'='
        )
    };
    let token = |s: &str| s.bytes().take_while(|b| b.is_ascii_graphic() && !ends(*b)).count();
    let (ty, rest) = essence.split_at(token(&essence));
    // The original took a value without a type for an absent one.
    if ty.is_empty() {
        return Ok(OCTET_STREAM.to_owned());
    }
    if rest.is_empty() {
        return Ok(essence);
    }
    let subtype =
        rest.strip_prefix('/').ok_or(BadEvent::MediaType("mime: expected slash after first token"))?;
    match token(subtype) {
        0 => Err(BadEvent::MediaType("mime: expected token after slash")),
        n if n < subtype.len() => Err(BadEvent::MediaType("mime: unexpected content after media subtype")),
        _ => Ok(essence),
    }
}

/// Reads a CloudEvent 0.1 with its attributes in headers.
fn binary(request: &Incoming<'_>) -> Result<Option<CloudEvent>, BadEvent> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Structured<'a> {
        event_type: String,
        event_type_version: Option<String>,
        cloud_events_version: String,
        source: String,
        #[serde(rename = "eventID")]
        event_id: String,
        event_time: Option<String>,
        #[serde(rename = "schemaURL")]
        schema_url: Option<String>,
        extensions: BTreeMap<String, String>,
        content_type: Option<&'a str>,
        data: &'a RawValue,
    }
    let Some(event_type) = text(request.headers, &EVENT_TYPE) else { return Ok(None) };
    let get = |name: &str| text(request.headers, name);
    let required = (get("ce-cloudeventsversion"), get("ce-source"), get("ce-eventid"));
    let (Some(cloud_events_version), Some(source), Some(event_id)) = required else { return Ok(None) };
    let content_type = text(request.headers, header::CONTENT_TYPE);
    let event = Structured {
        event_type,
        event_type_version: get("ce-eventtypeversion"),
        cloud_events_version,
        source,
        event_id,
        event_time: get("ce-eventtime"),
        schema_url: get("ce-schemaurl"),
        extensions: extensions(request.headers),
        content_type: content_type.as_deref(),
        data: &request.payload(content_type.as_deref()),
    };
    // The same rules apply as to a structured event, so the same code reads it.
    let json = serde_json::to_vec(&event).expect("strings and JSON are always representable in JSON");
    Ok(Some(CloudEvent::from_json(&json)?))
}

/// Returns the extensions: each header `CE-X-Some-Name` is the extension `some-Name`.
fn extensions(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut extensions = BTreeMap::new();
    for header in headers.keys() {
        let Some(rest) = header.as_str().strip_prefix("ce-x-").filter(|rest| !rest.is_empty()) else {
            continue;
        };
        let mut name = canonical(rest);
        name[..1].make_ascii_lowercase();
        extensions.insert(name, joined(&headers.get_all(header)));
    }
    extensions
}

/// Reads the dialect of the first SDKs: a header names the type, and the body is the payload.
fn legacy(request: &Incoming<'_>, media_type: &str, ty: &str, stamp: impl FnOnce() -> Stamp) -> CloudEvent {
    if media_type == "application/json"
        && let Ok(event) = CloudEvent::from_json(request.body)
    {
        return event;
    }
    made(ty, stamp(), media_type, request.payload(Some(media_type)))
}

fn http_request(request: &Incoming<'_>, stamp: Stamp) -> Draft {
    let content_type = text(request.headers, header::CONTENT_TYPE);
    let body = request.body(content_type.as_deref());
    let data = HttpRequest {
        opaque_form: body::is_opaque_form(content_type.as_deref(), request.body),
        white_space: if request.strict { None } else { body::white_space(request.body, &body) },
        body,
        ..without_body(request)
    };
    Draft::Request(Box::new(data), stamp)
}

/// Returns a request in the form of its event, with `null` for the body.
pub(crate) fn without_body(request: &Incoming<'_>) -> HttpRequest {
    let sent = request.query.unwrap_or_default();
    let query = Query::read(sent, request.strict);
    HttpRequest {
        headers: canonical_headers(request.headers),
        raw_query: (!request.strict && query.written() != sent).then(|| sent.to_owned()),
        query,
        body: RawValue::NULL.to_owned(),
        opaque_form: false,
        white_space: None,
        host: request.host.to_owned(),
        path: percent_decode_str(request.path).decode_utf8_lossy().into_owned(),
        method: request.method.to_owned(),
    }
}

#[cfg(test)]
mod tests;
