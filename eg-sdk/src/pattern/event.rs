//! Decides which parts of an event a pattern sees.

use std::borrow::Cow;

use time::format_description::well_known::Rfc3339;

use super::Json;
use crate::{CloudEvent, Data};

/// Returns the object that patterns see: attributes under their CloudEvents 1.0 names, extensions beside them, and
/// `data`, which is absent if it is not JSON.
#[must_use]
pub fn filterable(event: &CloudEvent) -> Json<'_> {
    let mut members: Vec<_> =
        event.extensions().map(|(name, value)| (Cow::Borrowed(name), Json::from(value))).collect();
    let time = event.time().and_then(|time| time.format(&Rfc3339).ok());
    let attributes = [
        ("specversion", Some(event.specversion().as_str().into())),
        ("id", Some(event.id().into())),
        ("source", Some(event.source().into())),
        ("type", Some(event.ty().into())),
        ("subject", event.subject().map(Cow::from)),
        ("time", time.map(Cow::from)),
        ("datacontenttype", event.datacontenttype().map(Cow::from)),
        ("dataschema", event.dataschema().map(Cow::from)),
    ];
    let present = |(name, value): (&'static str, Option<_>)| Some((name.into(), Json::Text(value?)));
    members.extend(attributes.into_iter().filter_map(present));
    if let Data::Json(raw) = &event.data
        && let Some(data) = Json::read(raw)
    {
        members.push(("data".into(), data));
    }
    Json::Object(members)
}
