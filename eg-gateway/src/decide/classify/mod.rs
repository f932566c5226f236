//! What kind of event a request to the Events API is: batch, structured, binary, legacy or `http.request`
//! (in the order of Event Gateway 0.9.1). Decides nothing about where it goes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use eg_sdk::http::Mode;
use eg_sdk::{CloudEvent, InvalidEvent};
use http::{HeaderMap, HeaderName, header};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use serde_json::value::RawValue;

use super::body;
use super::depth;
use super::envelope::{self, Envelope, HTTP_REQUEST, HttpRequest, Stamp};
use super::routes::Params;
use super::system;

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
    /// Whether bodies become payloads as in the original, with its quirks.
    pub(crate) strict: bool,
}

impl Incoming<'_> {
    /// The payload that the body is under this content type.
    fn payload(&self, content_type: Option<&str>) -> Box<RawValue> {
        if self.strict {
            body::strict_payload(content_type, self.body)
        } else {
            body::payload(content_type, self.body)
        }
    }
}

/// What a request holds.
#[derive(Debug)]
pub(crate) enum Classified {
    /// One event, which a function may answer.
    One(Event),
    /// Events that belong together: all are accepted, or none is.
    Batch(Vec<Event>),
}

/// The event that a request is.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) ty: String,
    pub(crate) source: String,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// The JSON as it will be delivered.
    Complete(Vec<u8>),
    /// Complete but for the parameters of the route.
    Request(Box<HttpRequest>, Stamp),
}

/// Why a request is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadEvent {
    #[error("{0}")]
    MediaType(&'static str),
    #[error("CloudEvent doesn't validate: {0}")]
    Invalid(String),
    #[error("the JSON is nested more than {} levels deep", depth::MAX)]
    TooDeep,
    #[error("event type \"{0}\" is reserved for events of the gateway itself: emit another type")]
    Reserved(String),
}

impl Event {
    /// The JSON that functions get. `params` are those of the synchronous route, if the event took one.
    pub(crate) fn to_json(&self, params: Option<&Params>) -> Cow<'_, [u8]> {
        match &self.form {
            Form::Complete(json) => Cow::Borrowed(json),
            Form::Request(request, stamp) => Cow::Owned(request.to_event(stamp, params)),
        }
    }

    /// The same, for the last time.
    pub(crate) fn into_json(self, params: Option<&Params>) -> Vec<u8> {
        match self.form {
            Form::Complete(json) => json,
            Form::Request(request, stamp) => request.to_event(&stamp, params),
        }
    }

    fn structured(json: &[u8]) -> Result<Self, InvalidEvent> {
        Self::of(&CloudEvent::from_json(json)?)
    }

    /// In the version of the specification that it came in.
    pub(crate) fn of(event: &CloudEvent) -> Result<Self, InvalidEvent> {
        Ok(Self {
            id: event.id().to_owned(),
            ty: event.ty().to_owned(),
            source: event.source().to_owned(),
            form: Form::Complete(event.to_json()?),
        })
    }

    /// Clients do not speak for the gateway.
    pub(crate) fn check_type(&self) -> Result<(), BadEvent> {
        if self.ty.starts_with(system::PREFIX) { Err(BadEvent::Reserved(self.ty.clone())) } else { Ok(()) }
    }
}

impl From<InvalidEvent> for BadEvent {
    fn from(error: InvalidEvent) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// What `request` holds. `stamp` is used when the gateway has to make an event.
pub(crate) fn classify(request: &Incoming<'_>, stamp: Stamp) -> Result<Classified, BadEvent> {
    let media_type = media_type(request.headers)?;
    if body::is_json(&media_type) && depth::exceeded(request.body) {
        return Err(BadEvent::TooDeep);
    }
    let mode = Mode::of(request.headers);
    if mode == Some(Mode::Batch) {
        let events = eg_sdk::http::events_from_http(request.headers, request.body.clone())?;
        let events: Vec<Event> = events.iter().map(Event::of).collect::<Result<_, _>>()?;
        events.iter().try_for_each(Event::check_type)?;
        return Ok(Classified::Batch(events));
    }
    let binary_1_0 = mode == Some(Mode::Binary) && request.headers.contains_key("ce-specversion");
    let event = if mode == Some(Mode::Structured) || binary_1_0 {
        Event::of(&CloudEvent::from_http(request.headers, request.body.clone())?)?
    } else if let Some(event) = binary(request)? {
        event
    } else if let Some(ty) = text(request.headers, "event") {
        legacy(request, &media_type, ty, &stamp)
    } else {
        http_request(request, stamp)
    };
    event.check_type()?;
    Ok(Classified::One(event))
}

/// The media type without parameters, lower-case. The rules and texts are those of Go's parser.
fn media_type(headers: &HeaderMap) -> Result<String, BadEvent> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok("application/octet-stream".to_owned());
    };
    let value = String::from_utf8_lossy(value.as_bytes());
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let token =
        |s: &str| s.bytes().take_while(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(b)).count();
    let (ty, rest) = essence.split_at(token(&essence));
    if ty.is_empty() {
        return Err(BadEvent::MediaType("mime: no media type"));
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

/// A CloudEvent 0.1 with its attributes in headers.
fn binary(request: &Incoming<'_>) -> Result<Option<Event>, BadEvent> {
    let get = |name| text(request.headers, name);
    let required = (get("ce-eventtype"), get("ce-cloudeventsversion"), get("ce-source"), get("ce-eventid"));
    let (Some(event_type), Some(cloud_events_version), Some(source), Some(event_id)) = required else {
        return Ok(None);
    };
    let content_type = get("content-type");
    let envelope = Envelope {
        event_type: &event_type,
        event_type_version: get("ce-eventtypeversion"),
        cloud_events_version: &cloud_events_version,
        source: &source,
        event_id: &event_id,
        event_time: get("ce-eventtime"),
        schema_url: get("ce-schemaurl"),
        extensions: extensions(request.headers),
        content_type: content_type.as_deref(),
        data: &request.payload(content_type.as_deref()),
    };
    // Its rules are those of a structured event, so it is read like one.
    Ok(Some(Event::structured(&envelope.to_json())?))
}

/// Each header `CE-X-Some-Name` is the extension `some-Name`.
fn extensions(headers: &HeaderMap) -> BTreeMap<String, Value> {
    let mut extensions = BTreeMap::new();
    for name in headers.keys() {
        let Some(rest) = name.as_str().strip_prefix("ce-x-").filter(|rest| !rest.is_empty()) else {
            continue;
        };
        let mut name = canonical(rest);
        name[..1].make_ascii_lowercase();
        extensions.insert(name, Value::String(joined(headers, &format!("ce-x-{rest}"))));
    }
    extensions
}

/// The dialect of the first SDKs: a header names the type, the body is the payload.
fn legacy(request: &Incoming<'_>, media_type: &str, ty: String, stamp: &Stamp) -> Event {
    if media_type == "application/json"
        && let Ok(event) = Event::structured(request.body)
    {
        return event;
    }
    let data = request.payload(Some(media_type));
    let json = Envelope::new(&ty, stamp, media_type, &data).to_json();
    Event { id: stamp.id.clone(), source: envelope::SOURCE.to_owned(), form: Form::Complete(json), ty }
}

fn http_request(request: &Incoming<'_>, stamp: Stamp) -> Event {
    let content_type = text(request.headers, "content-type");
    let data = HttpRequest {
        body: request.payload(content_type.as_deref()),
        opaque_form: body::is_opaque_form(content_type.as_deref(), request.body),
        ..without_body(request)
    };
    Event {
        id: stamp.id.clone(),
        ty: HTTP_REQUEST.to_owned(),
        source: envelope::SOURCE.to_owned(),
        form: Form::Request(Box::new(data), stamp),
    }
}

/// A request as events tell it, with `null` for its body.
pub(crate) fn without_body(request: &Incoming<'_>) -> HttpRequest {
    let mut query = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in form_urlencoded::parse(request.query.unwrap_or_default().as_bytes()) {
        query.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    HttpRequest {
        headers: canonical_headers(request.headers),
        query,
        body: RawValue::NULL.to_owned(),
        opaque_form: false,
        host: request.host.to_owned(),
        path: percent_decode_str(request.path).decode_utf8_lossy().into_owned(),
        method: request.method.to_owned(),
    }
}

/// The headers of a request as events carry them.
pub(crate) fn canonical_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let carried = |name: &&HeaderName| **name != header::HOST && **name != header::TRANSFER_ENCODING;
    let header = |name: &HeaderName| (canonical(name.as_str()), joined(headers, name.as_str()));
    headers.keys().filter(carried).map(header).collect()
}

/// The first value of a header, unless it is empty.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(name)?.as_bytes());
    Some(value.into_owned()).filter(|value| !value.is_empty())
}

/// All values of a header.
fn joined(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    values.collect::<Vec<_>>().join(", ")
}

/// A header's name as Go spells it: each word between dashes capitalised.
pub(super) fn canonical(name: &str) -> String {
    let mut start = true;
    let capitalise = |c: char| {
        let c = if start { c.to_ascii_uppercase() } else { c };
        start = c == '-';
        c
    };
    name.chars().map(capitalise).collect()
}

#[cfg(test)]
mod tests;
