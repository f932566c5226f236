//! Reads and writes the JSON format of CloudEvents ("structured mode"), versions 1.0 and 0.1. Sources: CloudEvents
//! 1.0.2 JSON format; for 0.1 the original gateway. Leaves the rules of attribute values to `rules`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eg_grammar::without_bom;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cloud_event::Attributes;
use crate::members::{Members, OwnedMembers};
use crate::rules::check;
use crate::{CloudEvent, Data, FromData, InvalidEvent, SpecVersion};

/// Room for the attributes of most events.
const ATTRIBUTES: usize = 512;

/// 0.1 has an attribute for the version of the event type; in memory it is this extension.
pub(crate) const EVENT_TYPE_VERSION: &str = "eventtypeversion";
/// 0.1 has no attribute for the subject; on the wire it is this extension.
pub(crate) const SUBJECT: &str = "subject";

impl CloudEvent<Data> {
    /// Reads an event in the JSON format: 1.0 if it has `specversion`, 0.1 if it has `cloudEventsVersion`.
    ///
    /// The payload's bytes stay unchanged. A byte order mark before the event is skipped.
    ///
    /// # Errors
    /// Names the attribute that is missing or invalid.
    pub fn from_json(json: &[u8]) -> Result<Self, InvalidEvent> {
        Self::from_members(serde_json::from_slice(without_bom(json))?)
    }

    /// Reads an event from its parsed members.
    pub(crate) fn from_members(mut members: Members<'_>) -> Result<Self, InvalidEvent> {
        let event = if let Some(version) = members.take("specversion")? {
            let version: String = text("specversion", version)?.unwrap_or_default();
            if version != SpecVersion::V1_0.as_str() {
                return Err(InvalidEvent::Version(version));
            }
            read_1_0(members)?
        } else {
            read_0_1(members)?
        };
        check(&event.attributes)?;
        Ok(event)
    }

    /// Writes the event in the JSON format of its version of the specification.
    ///
    /// # Errors
    /// If an attribute is invalid.
    pub fn to_json(&self) -> Result<Vec<u8>, InvalidEvent> {
        check(&self.attributes)?;
        // Payloads keep their length, except those in base64, which are rare.
        let mut json = Vec::with_capacity(ATTRIBUTES + self.data.as_bytes().len());
        serde_json::to_writer(&mut json, &Wire::of(self))?;
        Ok(json)
    }
}

fn read_1_0(mut members: Members<'_>) -> Result<CloudEvent<Data>, InvalidEvent> {
    let mut string = |name: &str| members.take(name)?.map_or(Ok(None), |raw| text(name, raw));
    let mut attributes = Attributes {
        specversion: SpecVersion::V1_0,
        stated_version: None,
        id: string("id")?.unwrap_or_default(),
        source: string("source")?.unwrap_or_default(),
        ty: string("type")?.unwrap_or_default(),
        subject: string("subject")?,
        time: string("time")?.map(|value| time_of("time", &value)).transpose()?,
        datacontenttype: string("datacontenttype")?,
        dataschema: string("dataschema")?,
        extensions: BTreeMap::new(),
    };
    let data = match (members.take("data")?, members.take("data_base64")?) {
        (Some(_), Some(_)) => {
            return Err(InvalidEvent::attribute(
                "data_base64",
                "given together with `data`; an event has one payload",
            ));
        }
        (Some(json), None) => Data::Json(json.to_owned()),
        (None, Some(base64)) => match text::<String>("data_base64", base64)? {
            Some(base64) => Data::Binary(
                STANDARD
                    .decode(&base64)
                    .map_err(|e| InvalidEvent::attribute("data_base64", format!("not base64: {e}")))?
                    .into(),
            ),
            None => Data::Empty,
        },
        (None, None) => Data::Empty,
    };
    for (name, raw) in members.0 {
        let value: Value = text(&name, raw)?.unwrap_or_default();
        if attributes.extensions.contains_key(name.as_ref()) {
            return Err(InvalidEvent::attribute(name, "given twice"));
        }
        attributes.extensions.insert(name.into_owned(), value);
    }
    attributes.extensions.retain(|_, value| !value.is_null());
    Ok(CloudEvent { data, attributes })
}

fn read_0_1(mut members: Members<'_>) -> Result<CloudEvent<Data>, InvalidEvent> {
    // The original ignored the case of names, and its clients send both `eventId` and `eventID`.
    for (name, _) in &mut members.0 {
        if name.bytes().any(|b| b.is_ascii_uppercase()) {
            *name = Cow::Owned(name.to_ascii_lowercase());
        }
    }
    let mut string = |name: &str| members.take(name)?.map_or(Ok(None), |raw| text::<String>(name, raw));
    let non_empty = |value: Option<String>| value.filter(|value| !value.is_empty());
    let version = non_empty(string("cloudeventsversion")?).ok_or(InvalidEvent::NoVersion)?;
    let mut attributes = Attributes {
        specversion: SpecVersion::V0_1,
        stated_version: None,
        id: string("eventid")?.unwrap_or_default(),
        source: string("source")?.unwrap_or_default(),
        ty: string("eventtype")?.unwrap_or_default(),
        subject: None,
        time: string("eventtime")?.map(|value| time_of("eventTime", &value)).transpose()?,
        datacontenttype: non_empty(string("contenttype")?),
        dataschema: non_empty(string("schemaurl")?),
        extensions: BTreeMap::new(),
    };
    attributes.state_version(version);
    let type_version = non_empty(string("eventtypeversion")?);
    if let Some(raw) = members.take("extensions")? {
        attributes.extensions = text::<BTreeMap<String, Value>>("extensions", raw)?.unwrap_or_default();
    }
    if let Some(version) = type_version {
        let version = Value::String(version);
        if attributes.extensions.insert(EVENT_TYPE_VERSION.to_owned(), version).is_some() {
            return Err(InvalidEvent::attribute("eventTypeVersion", "given twice: also as an extension"));
        }
    }
    lift_subject(&mut attributes);
    // The original always wrote `data`, with `null` for a missing payload.
    let data = members.take("data")?.filter(|raw| raw.get() != "null");
    let data = data.map_or(Data::Empty, |raw| Data::Json(raw.to_owned()));
    Ok(CloudEvent { data, attributes })
}

/// Turns the extension that carries the subject in 0.1 into the attribute of 1.0.
pub(crate) fn lift_subject(attributes: &mut Attributes) {
    if let Some(Value::String(subject)) = attributes.extensions.get(SUBJECT)
        && !subject.is_empty()
    {
        attributes.subject = Some(subject.clone());
        attributes.extensions.remove(SUBJECT);
    }
}

/// Returns the version of the event type as the attribute of 0.1, if it is a valid one.
pub(crate) fn type_version(attributes: &Attributes) -> Option<&str> {
    attributes.extensions.get(EVENT_TYPE_VERSION)?.as_str().filter(|version| !version.is_empty())
}

pub(crate) fn time_of(name: &str, value: &str) -> Result<OffsetDateTime, InvalidEvent> {
    OffsetDateTime::parse(value, &Rfc3339)
        .map_err(|_| InvalidEvent::attribute(name, format!("`{value}` is not an RFC 3339 time")))
}

/// Reads one member; `null` counts as absent (JSON format §2.2).
pub(crate) fn text<T: DeserializeOwned>(name: &str, raw: &RawValue) -> Result<Option<T>, InvalidEvent> {
    serde_json::from_str(raw.get()).map_err(|e| InvalidEvent::attribute(name, e.to_string()))
}

/// The JSON format of the event's version of the specification, as [`CloudEvent::to_json`] writes it. The payload's text
/// stays unchanged if the serializer is one of `serde_json`.
///
/// ```
/// use eg_sdk::CloudEvent;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let event: CloudEvent = serde_json::from_str(
///     r#"{"specversion":"1.0","id":"1","source":"/s","type":"image.made","data_base64":"AP8="}"#,
/// )?;
/// let kept = serde_json::to_string(&vec![event])?;
/// assert!(kept.contains(r#""data_base64":"AP8=""#));
/// # Ok(())
/// # }
/// ```
impl Serialize for CloudEvent<Data> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        check(&self.attributes).map_err(S::Error::custom)?;
        Wire::of(self).serialize(serializer)
    }
}

/// The JSON format, with the payload as JSON.
impl<T: Serialize> Serialize for CloudEvent<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        check(&self.attributes).map_err(S::Error::custom)?;
        Wire { attributes: &self.attributes, payload: Payload::Json(&self.data) }.serialize(serializer)
    }
}

/// Reads the JSON format as [`CloudEvent::from_json`] does, and decodes the payload. The deserializer must be one of
/// `serde_json`: only it keeps the text of the payload.
impl<'de, T: FromData> Deserialize<'de> for CloudEvent<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let owned = OwnedMembers::deserialize(deserializer)?;
        let event = CloudEvent::from_members(owned.as_members()).map_err(D::Error::custom)?;
        event.decode().map_err(D::Error::custom)
    }
}

/// An event to write.
struct Wire<'a, T: ?Sized> {
    attributes: &'a Attributes,
    payload: Payload<'a, T>,
}

/// A payload to write.
enum Payload<'a, T: ?Sized> {
    Empty,
    Json(&'a T),
    Binary(&'a [u8]),
}

impl<'a> Wire<'a, RawValue> {
    fn of(event: &'a CloudEvent<Data>) -> Self {
        let payload = match &event.data {
            Data::Empty => Payload::Empty,
            Data::Json(raw) => Payload::Json(&**raw),
            Data::Binary(bytes) => Payload::Binary(bytes),
        };
        Self { attributes: &event.attributes, payload }
    }
}

impl<T: Serialize + ?Sized> Serialize for Wire<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.attributes.specversion {
            SpecVersion::V1_0 => write_1_0(self, &mut map)?,
            SpecVersion::V0_1 => write_0_1(self, &mut map)?,
        }
        map.end()
    }
}

fn write_1_0<T: Serialize + ?Sized, M: SerializeMap>(
    event: &Wire<'_, T>,
    map: &mut M,
) -> Result<(), M::Error> {
    let a = event.attributes;
    map.serialize_entry("specversion", a.specversion.as_str())?;
    map.serialize_entry("id", &a.id)?;
    map.serialize_entry("source", &a.source)?;
    map.serialize_entry("type", &a.ty)?;
    optional(map, "subject", a.subject.as_ref())?;
    optional(map, "time", rfc3339(a.time)?.as_ref())?;
    optional(map, "datacontenttype", a.datacontenttype.as_ref())?;
    optional(map, "dataschema", a.dataschema.as_ref())?;
    for (name, value) in &a.extensions {
        map.serialize_entry(name, value)?;
    }
    match event.payload {
        Payload::Empty => Ok(()),
        Payload::Json(json) => map.serialize_entry("data", json),
        Payload::Binary(bytes) => map.serialize_entry("data_base64", &STANDARD.encode(bytes)),
    }
}

/// Uses the names and order of the original gateway. `data` is always present.
fn write_0_1<T: Serialize + ?Sized, M: SerializeMap>(
    event: &Wire<'_, T>,
    map: &mut M,
) -> Result<(), M::Error> {
    let a = event.attributes;
    map.serialize_entry("eventType", &a.ty)?;
    let type_version = type_version(a);
    optional(map, "eventTypeVersion", type_version.as_ref())?;
    map.serialize_entry("cloudEventsVersion", a.version())?;
    map.serialize_entry("source", &a.source)?;
    map.serialize_entry("eventID", &a.id)?;
    optional(map, "eventTime", rfc3339(a.time)?.as_ref())?;
    optional(map, "schemaURL", a.dataschema.as_ref())?;
    let mut extensions: BTreeMap<_, _> = a
        .extensions
        .iter()
        .filter(|(name, _)| type_version.is_none() || *name != EVENT_TYPE_VERSION)
        .map(|(name, value)| (name.as_str(), Cow::Borrowed(value)))
        .collect();
    if let Some(subject) = &a.subject {
        extensions.insert(SUBJECT, Cow::Owned(Value::from(subject.as_str())));
    }
    optional(map, "extensions", Some(extensions).filter(|extensions| !extensions.is_empty()).as_ref())?;
    optional(map, "contentType", a.datacontenttype.as_ref())?;
    match event.payload {
        Payload::Empty => map.serialize_entry("data", &()),
        Payload::Json(json) => map.serialize_entry("data", json),
        Payload::Binary(bytes) => map.serialize_entry("data", &STANDARD.encode(bytes)),
    }
}

pub(crate) fn optional<M: SerializeMap, T: Serialize>(
    map: &mut M,
    name: &str,
    value: Option<&T>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, value))
}

pub(crate) fn rfc3339<E: serde::ser::Error>(time: Option<OffsetDateTime>) -> Result<Option<String>, E> {
    time.map(|time| time.format(&Rfc3339).map_err(E::custom)).transpose()
}
