//! Converts a CloudEvent to an entry of `PutEvents`. Knows no transport.

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::CE;
use super::limits::{EntryError, check_detail, check_names};
use crate::members::Members;
use crate::rules::check;
use crate::structured::{optional, rfc3339};
use crate::{CloudEvent, Data, TraceContext};

/// The content of `detail` of an event on a bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum DetailFormat {
    /// The payload, which must be a JSON object, with the other attributes in its member `ce`.
    #[default]
    Payload,
    /// The whole CloudEvent in the JSON format; its payload may be anything. Rules match on `detail.data`.
    CloudEvent,
}

/// One entry of a `PutEvents` call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// When it happened, in seconds since 1970.
    pub time: Option<i64>,
    /// The CloudEvent's `source`.
    pub source: String,
    /// The CloudEvent's `type`.
    pub detail_type: String,
    /// A JSON object.
    pub detail: String,
    /// The trace in X-Ray's format.
    pub trace_header: Option<String>,
}

impl Entry {
    /// Converts `event` to an entry. An event of version 0.1 is converted to 1.0 first.
    ///
    /// # Errors
    /// If EventBridge would refuse the event for a reason other than its size, which [`check_size`](Self::check_size)
    /// checks.
    pub fn new(event: CloudEvent<Data>, format: DetailFormat) -> Result<Self, EntryError> {
        let event = event.into_v1()?;
        check(&event.attributes)?;
        check_names(&event)?;
        let detail = match format {
            DetailFormat::Payload => payload_detail(&event)?,
            DetailFormat::CloudEvent => {
                String::from_utf8(event.to_json()?).expect("JSON is written as UTF-8")
            }
        };
        check_detail(&detail)?;
        Ok(Self {
            time: event.time().map(time::OffsetDateTime::unix_timestamp),
            trace_header: event.trace_context().as_ref().map(x_ray),
            detail,
            source: event.attributes.source,
            detail_type: event.attributes.ty,
        })
    }

    /// Returns the size of the entry as EventBridge counts it, in bytes: 14 for the time, plus the UTF-8 lengths of
    /// source, detail type and detail.
    #[must_use]
    pub fn size(&self) -> usize {
        let time = if self.time.is_some() { 14 } else { 0 };
        time + self.source.len() + self.detail_type.len() + self.detail.len()
    }

    /// Checks the size of the entry against the bus's limit.
    ///
    /// # Errors
    /// If the entry is larger than `limit` bytes.
    pub fn check_size(&self, limit: usize) -> Result<(), EntryError> {
        let bytes = self.size();
        if bytes > limit { Err(EntryError::TooLarge { bytes, limit }) } else { Ok(()) }
    }
}

/// Adds a member to the payload's text, which otherwise stays as the application wrote it.
fn payload_detail(event: &CloudEvent<Data>) -> Result<String, EntryError> {
    let object = match &event.data {
        Data::Json(raw) => raw.get(),
        Data::Empty => "{}",
        Data::Binary(_) => return Err(EntryError::NotAnObject),
    };
    let members: Members<'_> = serde_json::from_str(object).map_err(|_| EntryError::NotAnObject)?;
    if members.0.iter().any(|(name, _)| name == CE) {
        return Err(EntryError::Taken);
    }
    let attributes = serde_json::to_string(&Rest { event, empty: event.data.is_empty() })
        .map_err(crate::InvalidEvent::from)?;
    let open = object.strip_suffix('}').expect("the text of a JSON object ends with its brace");
    let comma = if members.0.is_empty() { "" } else { "," };
    Ok(format!("{open}{comma}\"{CE}\":{attributes}}}"))
}

/// Collects the attributes for which EventBridge has no field.
struct Rest<'a> {
    event: &'a CloudEvent<Data>,
    empty: bool,
}

impl Serialize for Rest<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let a = &self.event.attributes;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", a.specversion.as_str())?;
        map.serialize_entry("id", &a.id)?;
        optional(&mut map, "subject", a.subject.as_ref())?;
        optional(&mut map, "time", rfc3339(a.time)?.as_ref())?;
        optional(&mut map, "datacontenttype", a.datacontenttype.as_ref())?;
        optional(&mut map, "dataschema", a.dataschema.as_ref())?;
        for (name, value) in &a.extensions {
            map.serialize_entry(name, value)?;
        }
        if self.empty {
            // Distinguishes an event without a payload from one whose payload is `{}`.
            map.serialize_entry("data", &())?;
        }
        map.end()
    }
}

/// Formats the ids of W3C Trace Context in X-Ray's format.
fn x_ray(trace: &TraceContext) -> String {
    let (epoch, unique) = trace.trace_id().split_at(8);
    let sampled = u8::from(trace.is_sampled());
    format!("Root=1-{epoch}-{unique};Parent={};Sampled={sampled}", trace.span_id())
}
