//! The rules for attribute values: those of CloudEvents 1.0.2, and those of the original gateway for 0.1. Every
//! reader and writer of events uses them.

use std::borrow::Cow;

use fluent_uri::UriRef;
use serde_json::Value;

use crate::cloud_event::Attributes;
use crate::media::is_media_type;
use crate::structured::SUBJECT;
use crate::{InvalidEvent, SpecVersion};

/// The names that cannot be extensions in 1.0.
const RESERVED: [&str; 9] =
    ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"];

/// Checks the rules for every event that is read or written.
pub(crate) fn check(attributes: &Attributes) -> Result<(), InvalidEvent> {
    let v1 = attributes.specversion == SpecVersion::V1_0;
    let names = if v1 { ["id", "source", "type"] } else { ["eventID", "source", "eventType"] };
    for (name, value) in names.into_iter().zip([&attributes.id, &attributes.source, &attributes.ty]) {
        if value.is_empty() {
            return Err(InvalidEvent::Missing(name));
        }
    }
    check_source(&attributes.source, v1)?;
    check_time(attributes)?;
    if v1 { check_1_0(attributes) } else { check_0_1(attributes) }
}

fn check_1_0(attributes: &Attributes) -> Result<(), InvalidEvent> {
    check_string("id", &attributes.id)?;
    check_string("type", &attributes.ty)?;
    if let Some(subject) = &attributes.subject {
        if subject.is_empty() {
            return Err(InvalidEvent::attribute("subject", "is empty; leave it out instead"));
        }
        check_string("subject", subject)?;
    }
    if let Some(media_type) = &attributes.datacontenttype
        && !is_media_type(media_type)
    {
        return Err(InvalidEvent::attribute(
            "datacontenttype",
            format!("`{media_type}` is not a media type"),
        ));
    }
    if let Some(schema) = &attributes.dataschema
        && !UriRef::parse(schema.as_str()).is_ok_and(|uri| uri.has_scheme())
    {
        return Err(InvalidEvent::attribute("dataschema", format!("`{schema}` is not an absolute URI")));
    }
    attributes.extensions.iter().try_for_each(|(name, value)| check_extension(name, value))
}

/// 0.1 allows any extension name, but the subject travels as an extension, too.
fn check_0_1(attributes: &Attributes) -> Result<(), InvalidEvent> {
    check_string("cloudEventsVersion", attributes.version())?;
    check_string("eventID", &attributes.id)?;
    check_string("source", &attributes.source)?;
    check_string("eventType", &attributes.ty)?;
    if attributes.subject.is_some() && attributes.extensions.contains_key(SUBJECT) {
        return Err(InvalidEvent::attribute(SUBJECT, "given twice: as the subject, and as an extension"));
    }
    Ok(())
}

fn check_extension(name: &str, value: &Value) -> Result<(), InvalidEvent> {
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
        return Err(InvalidEvent::attribute(name, "extension names are lower-case letters and digits"));
    }
    if RESERVED.contains(&name) {
        return Err(InvalidEvent::attribute(name, "is no name for an extension: the specification uses it"));
    }
    match value {
        Value::String(text) => check_string(name, text),
        Value::Bool(_) => Ok(()),
        Value::Number(n) if n.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => Ok(()),
        _ => Err(InvalidEvent::attribute(name, "extensions are strings, 32-bit integers or booleans")),
    }
}

/// Strings must not contain control characters and noncharacters (CloudEvents 1.0.2, "Type System").
pub(crate) fn check_string(name: &str, value: &str) -> Result<(), InvalidEvent> {
    // Most strings are visible ASCII.
    if value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Ok(());
    }
    let forbidden = |c: &char| {
        let code = u32::from(*c);
        c.is_control() || (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE
    };
    match value.chars().find(forbidden) {
        None => Ok(()),
        Some(c) => Err(InvalidEvent::attribute(
            name,
            format!("contains U+{:04X}; control characters and noncharacters are not allowed", u32::from(c)),
        )),
    }
}

/// 1.0 requires a URI reference; the original required an absolute URI or path, ignoring the fragment, and did not
/// insist on escapes.
fn check_source(source: &str, v1: bool) -> Result<(), InvalidEvent> {
    let escaped = if v1 { Cow::Borrowed(source) } else { Cow::Owned(escaped(source)) };
    let uri = UriRef::parse(&*escaped)
        .map_err(|e| InvalidEvent::attribute("source", format!("`{source}` is not a URI reference: {e}")))?;
    if v1 || uri.has_scheme() || uri.path().as_str().starts_with('/') {
        Ok(())
    } else {
        Err(InvalidEvent::attribute(
            "source",
            format!("`{source}` is neither an absolute URI nor an absolute path"),
        ))
    }
}

/// Returns the source of an event in 0.1 without its fragment, and with the escapes that a URI needs after its host.
fn escaped(source: &str) -> String {
    let source = source.split('#').next().unwrap_or_default();
    let host = source.find("://").map(|at| at + 3);
    let path = host.map_or(0, |host| source[host..].find(['/', '?']).map_or(source.len(), |end| host + end));
    let mut escaped = source[..path].to_owned();
    for byte in source[path..].bytes() {
        if byte.is_ascii_graphic() && !br#""<>[\]^`{|}"#.contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// RFC 3339 allows years of four digits and offsets of whole minutes.
fn check_time(attributes: &Attributes) -> Result<(), InvalidEvent> {
    let Some(time) = attributes.time else { return Ok(()) };
    if (0..=9999).contains(&time.year()) && time.offset().seconds_past_minute() == 0 {
        return Ok(());
    }
    let name = if attributes.specversion == SpecVersion::V1_0 { "time" } else { "eventTime" };
    Err(InvalidEvent::attribute(name, format!("`{time}` cannot be formatted as RFC 3339")))
}
