//! Converts events from EventBridge's envelope back to CloudEvents. Source: the envelope that EventBridge sends to
//! targets (`version`, `id`, `detail-type`, `source`, `account`, `time`, `region`, `resources`, `detail`).

use std::borrow::Cow;
use std::fmt::Write as _;

use eg_grammar::extension::REPLAY;
use fluent_uri::UriRef;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::CE;
use crate::members::Members;
use crate::structured::time_of;
use crate::{CloudEvent, Data, InvalidEvent};

#[derive(Deserialize)]
struct Envelope<'a> {
    id: String,
    #[serde(rename = "detail-type")]
    detail_type: String,
    source: String,
    account: Option<String>,
    time: Option<String>,
    region: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    /// Set on events that are replayed from an archive.
    #[serde(rename = "replay-name")]
    replay_name: Option<String>,
    #[serde(borrow)]
    detail: &'a RawValue,
}

impl CloudEvent<Data> {
    /// Reads an event as EventBridge delivers it to its targets.
    ///
    /// A `detail` that is a CloudEvent of its own is that event, if its `type` and `source` are the envelope's
    /// `detail-type` and `source`, which [`Entry::new`](crate::eventbridge::Entry::new) ensures. Otherwise it is a
    /// payload like any other: what an application puts on the bus must not pass for an event of another type or
    /// source. A `detail` with the member `ce` of `Entry::new` is the event that the entry was made from.
    ///
    /// Of any other event `id`, `detail-type`, `source` (escaped if it is no URI reference), `time` and `detail` become
    /// `id`, `type`, `source`, `time` and `data`, and `account`, `region` and `resources` (joined with commas) the
    /// extensions `awsaccount`, `awsregion` and `awsresources`. The name of a replay from an archive becomes the extension
    /// `replay` of any event.
    ///
    /// # Errors
    /// If a field of the envelope is missing, or the CloudEvent inside is invalid.
    ///
    /// ```
    /// # use eg_sdk::CloudEvent;
    /// let event = CloudEvent::from_eventbridge(br#"{"version":"0","id":"7","detail-type":"Object Created","source":"aws.s3",
    ///     "account":"123456789012","time":"2026-01-02T03:04:05Z","region":"eu-central-1","resources":[],"detail":{"k":1}}"#)?;
    /// assert_eq!((event.ty(), event.source()), ("Object Created", "aws.s3"));
    /// assert_eq!(event.extension("awsregion").unwrap(), "eu-central-1");
    /// # Ok::<(), eg_sdk::InvalidEvent>(())
    /// ```
    pub fn from_eventbridge(json: &[u8]) -> Result<Self, InvalidEvent> {
        let envelope: Envelope<'_> = serde_json::from_slice(json)?;
        let replay = envelope.replay_name.clone();
        let event = inside(envelope)?;
        Ok(match replay {
            Some(replay) => event.with_extension(REPLAY, replay),
            None => event,
        })
    }
}

/// Returns the event that an envelope holds.
fn inside(envelope: Envelope<'_>) -> Result<CloudEvent, InvalidEvent> {
    if let Ok(detail) = serde_json::from_str::<Members<'_>>(envelope.detail.get()) {
        if is_event_of(&envelope, &detail) {
            return CloudEvent::from_members(detail);
        }
        if let Some(attributes) = detail.get(CE).and_then(ours) {
            return restored(&envelope, &detail, attributes);
        }
    }
    plain(envelope)
}

/// Returns whether `detail` is a CloudEvent with the type and source of its envelope.
fn is_event_of(envelope: &Envelope<'_>, detail: &Members<'_>) -> bool {
    let is = |name: &str, expected: &str| {
        let value = detail.get(name).and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        value.is_some_and(|value| value == expected)
    };
    detail.get("specversion").is_some()
        && detail.get("id").is_some()
        && is("type", &envelope.detail_type)
        && (is("source", &envelope.source) || is("source", &uri_reference(&envelope.source)))
}

/// Returns the members of `ce` if they are the attributes that `Entry::new` writes. Any other `ce` is part of the
/// payload.
fn ours(raw: &RawValue) -> Option<Members<'_>> {
    let members: Members<'_> = serde_json::from_str(raw.get()).ok()?;
    let has = |name: &str| members.get(name).is_some();
    // The envelope has the type and the source.
    (has("specversion") && has("id") && !has("type") && !has("source")).then_some(members)
}

fn restored(
    envelope: &Envelope<'_>,
    detail: &Members<'_>,
    mut attributes: Members<'_>,
) -> Result<CloudEvent, InvalidEvent> {
    let empty = attributes.take("data")?.is_some();
    let mut json = String::from("{");
    for (name, raw) in &attributes.0 {
        write_member(&mut json, name, raw.get());
    }
    write_member(&mut json, "type", &serde_json::to_string(&envelope.detail_type)?);
    write_member(&mut json, "source", &serde_json::to_string(&envelope.source)?);
    if !empty {
        let mut data = String::from("{");
        for (name, raw) in detail.0.iter().filter(|(name, _)| name != CE) {
            write_member(&mut data, name, raw.get());
        }
        data.push('}');
        write_member(&mut json, "data", &data);
    }
    json.push('}');
    CloudEvent::from_json(json.as_bytes())
}

fn write_member(object: &mut String, name: &str, value: &str) {
    if object.len() > 1 {
        object.push(',');
    }
    object.push_str(&serde_json::Value::from(name).to_string());
    object.push(':');
    object.push_str(value);
}

fn plain(envelope: Envelope<'_>) -> Result<CloudEvent, InvalidEvent> {
    let time = envelope.time.map(|time| time_of("time", &time)).transpose()?;
    let data = Data::Json(envelope.detail.to_owned());
    let mut event = CloudEvent::of_type(envelope.detail_type, uri_reference(&envelope.source), data)
        .with_id(envelope.id)
        .with_time(time);
    let resources = Some(envelope.resources.join(",")).filter(|resources| !resources.is_empty());
    let extensions =
        [("awsaccount", envelope.account), ("awsregion", envelope.region), ("awsresources", resources)];
    for (name, value) in extensions {
        if let Some(value) = value {
            event = event.with_extension(name, value);
        }
    }
    crate::rules::check(&event.attributes)?;
    Ok(event)
}

/// Percent-encodes the characters of a source that a URI reference cannot contain, because sources on a bus are free
/// text.
fn uri_reference(source: &str) -> Cow<'_, str> {
    if UriRef::parse(source).is_ok() {
        return Cow::Borrowed(source);
    }
    let mut encoded = String::with_capacity(source.len() + 8);
    for byte in source.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(byte.into());
        } else {
            write!(encoded, "%{byte:02X}").expect("a string takes everything");
        }
    }
    Cow::Owned(encoded)
}
