//! EventBridge events as CloudEvents. Source: the envelope that EventBridge sends to targets
//! (`version`, `id`, `detail-type`, `source`, `account`, `time`, `region`, `resources`, `detail`).

use eg_sdk::{CloudEvent, Data, OffsetDateTime, SpecVersion};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::PayloadError;

#[derive(Deserialize)]
struct Envelope {
    id: String,
    #[serde(rename = "detail-type")]
    detail_type: String,
    source: String,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    time: Option<String>,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    detail: Box<RawValue>,
}

/// The keys that make a `detail` a CloudEvent of its own: a producer that put a whole one on the bus.
#[derive(Deserialize)]
struct Nested<'a> {
    #[serde(borrow)]
    specversion: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    ty: Option<&'a RawValue>,
}

pub(super) fn read(json: &str) -> Result<CloudEvent<Data>, PayloadError> {
    let invalid = |reason: String| PayloadError::Family { family: "EventBridge event", reason };
    let envelope: Envelope = serde_json::from_str(json).map_err(|e| invalid(e.to_string()))?;
    if let Ok(Nested { specversion: Some(_), id: Some(_), source: Some(_), ty: Some(_) }) =
        serde_json::from_str::<Nested<'_>>(envelope.detail.get())
    {
        return Ok(CloudEvent::from_json(envelope.detail.get().as_bytes())?);
    }
    let time = envelope
        .time
        .map(|time| parse_time(&time).ok_or_else(|| invalid(format!("time `{time}`"))))
        .transpose()?;
    let mut event = CloudEvent::of_type(envelope.detail_type, envelope.source, Data::Json(envelope.detail))
        .with_specversion(SpecVersion::V1_0)
        .with_id(envelope.id)
        .with_time(time);
    let resources = Some(envelope.resources.join(",")).filter(|resources| !resources.is_empty());
    for (name, value) in
        [("awsaccount", envelope.account), ("awsregion", envelope.region), ("awsresources", resources)]
    {
        if let Some(value) = value {
            event = event.with_extension(name, value);
        }
    }
    Ok(event)
}

fn parse_time(time: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(time, &time::format_description::well_known::Rfc3339).ok()
}
