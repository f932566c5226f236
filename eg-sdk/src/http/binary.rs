//! Reads and writes binary mode: attributes in headers, the payload as the body. Leaves the rules of attributes to
//! `rules`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use eg_grammar::extension::HEADER_PREFIX;
use eg_grammar::without_bom;
use serde_json::Value;
use serde_json::value::to_raw_value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::header;
use crate::cloud_event::Attributes;
use crate::rules::check;
use crate::structured::{EVENT_TYPE_VERSION, SUBJECT, lift_subject, time_of, type_version};
use crate::{CloudEvent, Data, InvalidEvent, SpecVersion, media};

pub(super) fn read(headers: &HeaderMap, body: Bytes) -> Result<CloudEvent<Data>, InvalidEvent> {
    let mut attributes = Attributes {
        specversion: SpecVersion::V1_0,
        stated_version: None,
        id: String::new(),
        source: String::new(),
        ty: String::new(),
        subject: None,
        time: None,
        datacontenttype: content_type(headers)?,
        dataschema: None,
        extensions: BTreeMap::new(),
    };
    if headers.contains_key(&header::SPECVERSION) {
        read_1_0(headers, &mut attributes)?;
    } else {
        read_0_1(headers, &mut attributes)?;
    }
    check(&attributes)?;
    let data = data(attributes.datacontenttype.as_deref(), body);
    Ok(CloudEvent { data, attributes })
}

fn read_1_0(headers: &HeaderMap, attributes: &mut Attributes) -> Result<(), InvalidEvent> {
    for header_name in headers.keys() {
        let Some(name) = header_name.as_str().strip_prefix(HEADER_PREFIX) else { continue };
        let Some(value) = header::single(headers, header_name)? else { continue };
        let value = header::decode(name, value)?;
        match name {
            "specversion" if value != SpecVersion::V1_0.as_str() => return Err(InvalidEvent::Version(value)),
            "specversion" => {}
            "id" => attributes.id = value,
            "source" => attributes.source = value,
            "type" => attributes.ty = value,
            "subject" => attributes.subject = Some(value),
            "time" => attributes.time = Some(time_of(name, &value)?),
            "dataschema" => attributes.dataschema = Some(value),
            extension => drop(attributes.extensions.insert(extension.to_owned(), Value::String(value))),
        }
    }
    Ok(())
}

/// Uses the headers of event-gateway 0.9, except that extension names are not truncated.
fn read_0_1(headers: &HeaderMap, attributes: &mut Attributes) -> Result<(), InvalidEvent> {
    let text = |name: &str| header::joined(headers, name);
    attributes.state_version(text(header::V0_1_VERSION.as_str())?.ok_or(InvalidEvent::NoVersion)?);
    attributes.id = text("ce-eventid")?.unwrap_or_default();
    attributes.source = text("ce-source")?.unwrap_or_default();
    attributes.ty = text("ce-eventtype")?.unwrap_or_default();
    attributes.time = text("ce-eventtime")?.map(|value| time_of("eventTime", &value)).transpose()?;
    attributes.dataschema = text("ce-schemaurl")?;
    let mut extension =
        |name: &str, value| match attributes.extensions.insert(name.to_owned(), Value::String(value)) {
            None => Ok(()),
            Some(_) => Err(InvalidEvent::attribute(name, "given twice: also as an extension")),
        };
    for header_name in headers.keys() {
        if let Some(name) =
            header_name.as_str().strip_prefix(header::V0_1_EXTENSION).filter(|n| !n.is_empty())
        {
            extension(name, text(header_name.as_str())?.unwrap_or_default())?;
        }
    }
    if let Some(version) = text("ce-eventtypeversion")? {
        extension(EVENT_TYPE_VERSION, version)?;
    }
    lift_subject(attributes);
    Ok(())
}

pub(super) fn write(event: &CloudEvent<Data>) -> Result<(HeaderMap, Bytes), InvalidEvent> {
    let mut headers = HeaderMap::new();
    match event.attributes.specversion {
        SpecVersion::V1_0 => write_1_0(&event.attributes, &mut headers)?,
        SpecVersion::V0_1 => write_0_1(&event.attributes, &mut headers)?,
    }
    // Without a content type, a payload is JSON in structured mode but unknown bytes in binary mode.
    let implied = matches!(event.data, Data::Json(_)).then_some("application/json");
    if let Some(media_type) = event.attributes.datacontenttype.as_deref().or(implied) {
        headers.insert(CONTENT_TYPE, header::raw("datacontenttype", media_type)?);
    }
    let body = match event.payload() {
        Cow::Borrowed(_) if let Data::Binary(bytes) = &event.data => bytes.clone(),
        payload => payload.into_owned().into(),
    };
    Ok((headers, body))
}

fn write_1_0(a: &Attributes, headers: &mut HeaderMap) -> Result<(), InvalidEvent> {
    let mut put = |name: &'static str, value: &str| {
        headers.insert(HeaderName::from_static(name), header::encode(value));
    };
    put(header::SPECVERSION.as_str(), a.specversion.as_str());
    put("ce-id", &a.id);
    put("ce-source", &a.source);
    put("ce-type", &a.ty);
    if let Some(subject) = &a.subject {
        put("ce-subject", subject);
    }
    if let Some(time) = a.time {
        put("ce-time", &rfc3339("time", time)?);
    }
    if let Some(schema) = &a.dataschema {
        put("ce-dataschema", schema);
    }
    for (name, value) in &a.extensions {
        headers.insert(header::name(name, HEADER_PREFIX)?, header::encode(&text_of(value)));
    }
    Ok(())
}

fn write_0_1(a: &Attributes, headers: &mut HeaderMap) -> Result<(), InvalidEvent> {
    let mut put = |name: &'static str, value: &str| -> Result<(), InvalidEvent> {
        headers.insert(HeaderName::from_static(name), header::raw(name, value)?);
        Ok(())
    };
    put(header::V0_1_VERSION.as_str(), a.version())?;
    put("ce-eventid", &a.id)?;
    put("ce-source", &a.source)?;
    put("ce-eventtype", &a.ty)?;
    if let Some(time) = a.time {
        put("ce-eventtime", &rfc3339("eventTime", time)?)?;
    }
    if let Some(schema) = &a.dataschema {
        put("ce-schemaurl", schema)?;
    }
    let type_version = type_version(a);
    if let Some(version) = type_version {
        put("ce-eventtypeversion", version)?;
    }
    let mut extension = |name: &str, value: &str| -> Result<(), InvalidEvent> {
        headers.insert(header::name(name, header::V0_1_EXTENSION)?, header::raw(name, value)?);
        Ok(())
    };
    if let Some(subject) = &a.subject {
        extension(SUBJECT, subject)?;
    }
    a.extensions
        .iter()
        .filter(|(name, _)| type_version.is_none() || *name != EVENT_TYPE_VERSION)
        .try_for_each(|(name, value)| extension(name, &text_of(value)))
}

/// Formats an extension for a header: strings unchanged, other values as JSON text.
fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

fn rfc3339(name: &str, time: OffsetDateTime) -> Result<String, InvalidEvent> {
    time.format(&Rfc3339).map_err(|e| InvalidEvent::attribute(name, e.to_string()))
}

fn content_type(headers: &HeaderMap) -> Result<Option<String>, InvalidEvent> {
    let text = |value: &HeaderValue| str::from_utf8(value.as_bytes()).map(str::to_owned);
    header::single(headers, &CONTENT_TYPE)?
        .map(text)
        .transpose()
        .map_err(|_| InvalidEvent::attribute("datacontenttype", "the Content-Type is not UTF-8"))
}

fn data(media_type: Option<&str>, body: Bytes) -> Data {
    if body.is_empty() {
        return Data::Empty;
    }
    let json = match media_type {
        Some(media_type) if media::is_json(media_type) => serde_json::from_slice(without_bom(&body)).ok(),
        Some(media_type) if media::is_utf8_text(media_type) => {
            str::from_utf8(&body).ok().and_then(|text| to_raw_value(text).ok())
        }
        _ => None,
    };
    json.map_or(Data::Binary(body), Data::Json)
}
