//! Accepted events and the filter for listing them. Their deliveries are in `deliveries`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Delivery, DeliveryCounts, DeliveryState};
#[cfg(feature = "derive")]
use crate::schema::{Field, Part, Presence, Shape};

/// An event that the gateway has accepted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
#[serde(rename_all = "camelCase")]
pub struct AcceptedEvent {
    /// The event's `id`.
    pub event_id: String,
    /// The event's `type`.
    pub event_type: String,
    /// The event's `source`.
    pub source: String,
    /// The event's `subject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The method of the request that emitted it.
    pub method: String,
    /// The path of that request, within its space.
    pub path: String,
    /// When the gateway accepted it.
    #[serde(with = "super::moment")]
    #[cfg_attr(feature = "derive", schema(format = "date-time"))]
    pub accepted_at: OffsetDateTime,
    /// The event itself, as functions receive it. If it is damaged, a string with what is left of it.
    pub event: Box<RawValue>,
    /// Whether the event does not match its checksum, because the disk of the gateway changed it. Such an event is not
    /// delivered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub damaged: bool,
    /// How many of its deliveries are in which state, in lists of events. Absent in an [`EventDetail`], which has the
    /// deliveries themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<DeliveryCounts>,
}

/// A page of events, the newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "derive", derive(crate::Schema), schema(crate = crate))]
pub struct EventPage {
    /// The events.
    pub events: Vec<AcceptedEvent>,
    /// The cursor (`before`) of the next page. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// An event and what happened to it for each subscription.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Members")]
pub struct EventDetail {
    /// The event, flattened into this object.
    #[serde(flatten)]
    pub event: AcceptedEvent,
    /// One delivery for each subscription to the event when it was accepted, and one for each that a replay added.
    pub deliveries: Vec<Delivery>,
}

#[cfg(feature = "derive")]
impl crate::Schema for EventDetail {
    const SHAPE: &'static Shape = &Shape::Object {
        parts: &[
            Part::Flat(AcceptedEvent::SHAPE),
            Part::Field(Field {
                name: "deliveries",
                doc: "One delivery for each subscription to the event when it was accepted, and one for each that a replay added.",
                shape: <[Delivery]>::SHAPE,
                presence: Presence::Required,
            }),
        ],
        closed: false,
    };
}

/// [`EventDetail`] without nesting: serde cannot read raw JSON through `flatten`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    event_id: String,
    event_type: String,
    source: String,
    subject: Option<String>,
    method: String,
    path: String,
    #[serde(with = "super::moment")]
    accepted_at: OffsetDateTime,
    event: Box<RawValue>,
    #[serde(default)]
    damaged: bool,
    deliveries: Vec<Delivery>,
}

impl From<Members> for EventDetail {
    fn from(members: Members) -> Self {
        let Members { event_id, event_type, source, subject, method, path, .. } = members;
        let Members { accepted_at, event, damaged, deliveries, .. } = members;
        let event = AcceptedEvent {
            event_id,
            event_type,
            source,
            subject,
            method,
            path,
            accepted_at,
            event,
            damaged,
            counts: None,
        };
        Self { event, deliveries }
    }
}

/// Which events to list. `None` matches all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    /// Events with this `id`.
    pub id: Option<String>,
    /// Events of this type.
    pub ty: Option<String>,
    /// Events from this source.
    pub source: Option<String>,
    /// Events about this subject.
    pub subject: Option<String>,
    /// Events whose JSON contains this text.
    pub text: Option<String>,
    /// Events accepted at this time or later.
    pub from: Option<OffsetDateTime>,
    /// Events accepted before this time.
    pub to: Option<OffsetDateTime>,
    /// Events with a delivery in this state; with `function`: with one to that function in this state.
    pub state: Option<DeliveryState>,
    /// Events with a delivery to the function with this id, whatever its state.
    pub function: Option<String>,
    /// Whether the gateway's own events are left out, such as `eventgateway.event.received`.
    pub without_system: bool,
}

impl EventFilter {
    /// Leaves out the gateway's own events, unless the filter asks for an id, a type, a source, or what happened to
    /// deliveries: then it lists whatever matches.
    #[must_use]
    pub fn for_reading(mut self) -> Self {
        let Self { id, ty, source, state, function, .. } = &self;
        let is_open = id.is_none() && ty.is_none() && source.is_none();
        self.without_system = is_open && state.is_none() && function.is_none();
        self
    }

    /// Returns whether the filter matches all events.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the query parameters of the request.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        // Formatting fails for years that RFC 3339 cannot represent.
        let time = |time: &OffsetDateTime| Cow::Owned(time.format(&Rfc3339).unwrap_or_default());
        [
            ("id", self.id.as_deref().map(Cow::Borrowed)),
            ("type", self.ty.as_deref().map(Cow::Borrowed)),
            ("source", self.source.as_deref().map(Cow::Borrowed)),
            ("subject", self.subject.as_deref().map(Cow::Borrowed)),
            ("text", self.text.as_deref().map(Cow::Borrowed)),
            ("from", self.from.as_ref().map(time)),
            ("to", self.to.as_ref().map(time)),
            ("state", self.state.map(|state| Cow::Borrowed(state.as_str()))),
            ("function", self.function.as_deref().map(Cow::Borrowed)),
            ("system", self.without_system.then_some(Cow::Borrowed("false"))),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}
