//! `CloudEvent`: attributes and payload of one event. Its wire form is in `structured`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Data, DataError, Event, FromData, IntoData, TraceContext, media};

/// The extension that counts how many events led to one.
const HOPS: &str = "hops";

/// Of the CloudEvents extension "Correlation".
const CAUSE: &str = "causationid";

/// A CloudEvent, version 1.0 or 0.1, with a payload of type `T`.
///
/// `CloudEvent` without a parameter has its payload undecoded ([`Data`]); [`CloudEvent::decode`] types it.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudEvent<T = Data> {
    /// The payload.
    pub data: T,
    pub(crate) attributes: Attributes,
}

/// The context attributes. `source`, `id` and `ty` are never empty.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attributes {
    pub(crate) specversion: SpecVersion,
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) ty: String,
    pub(crate) subject: Option<String>,
    pub(crate) time: Option<OffsetDateTime>,
    pub(crate) datacontenttype: Option<String>,
    pub(crate) dataschema: Option<String>,
    // 0.1 allows any JSON value here, 1.0 only strings, integers and booleans.
    pub(crate) extensions: BTreeMap<String, Value>,
}

/// The version of the CloudEvents specification that an event's wire form follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpecVersion {
    /// CloudEvents 1.0.
    V1_0,
    /// CloudEvents 0.1, spoken by the original Serverless Event Gateway.
    V0_1,
}

impl SpecVersion {
    /// `1.0` or `0.1`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V0_1 => "0.1",
        }
    }
}

impl<E: Event> CloudEvent<E> {
    /// A new event of `E`'s type, now, with a fresh UUIDv7 as `id`.
    ///
    /// `source` says who emits (for example `/services/users`); a source that the type itself fixes wins.
    #[must_use]
    pub fn new(source: &str, data: E) -> Self {
        Self::of_type(E::TYPE, E::SOURCE.unwrap_or(source), data)
    }
}

impl<T> CloudEvent<T> {
    /// A new event of type `ty`, for payloads that have no [`Event`] type of their own.
    #[must_use]
    pub fn of_type(ty: impl Into<String>, source: impl Into<String>, data: T) -> Self {
        Self::identified(Uuid::now_v7().to_string(), source, ty, data)
            .with_time(OffsetDateTime::now_utc())
            .with_datacontenttype("application/json")
    }

    /// An event that is known by this `id` and `source`, without a time and a media type. Unlike
    /// [`of_type`](Self::of_type), it asks neither the clock nor the random number generator.
    #[must_use]
    pub fn identified(
        id: impl Into<String>,
        source: impl Into<String>,
        ty: impl Into<String>,
        data: T,
    ) -> Self {
        let attributes = Attributes {
            specversion: SpecVersion::V1_0,
            id: id.into(),
            source: source.into(),
            ty: ty.into(),
            subject: None,
            time: None,
            datacontenttype: None,
            dataschema: None,
            extensions: BTreeMap::new(),
        };
        Self { data, attributes }
    }

    /// Replaces the `id`. Two events with the same `source` and `id` are the same event.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.attributes.id = id.into();
        self
    }

    /// Sets the `subject`: what in the source the event is about.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.attributes.subject = Some(subject.into());
        self
    }

    /// Sets the `time` at which it happened. `None`: unknown.
    #[must_use]
    pub fn with_time(mut self, time: impl Into<Option<OffsetDateTime>>) -> Self {
        self.attributes.time = time.into();
        self
    }

    /// Sets the media type of the payload. `None`: not stated.
    #[must_use]
    pub fn with_datacontenttype<S: Into<String>>(mut self, media_type: impl Into<Option<S>>) -> Self {
        self.attributes.datacontenttype = media_type.into().map(Into::into);
        self
    }

    /// Sets the `dataschema`: the absolute URI of the schema that the payload follows. `None`: not stated.
    #[must_use]
    pub fn with_dataschema<S: Into<String>>(mut self, schema: impl Into<Option<S>>) -> Self {
        self.attributes.dataschema = schema.into().map(Into::into);
        self
    }

    /// Sets an extension attribute. CloudEvents 1.0 allows lower-case letters and digits in `name`, and
    /// strings, integers and booleans as `value`; this is checked when the event is written.
    #[must_use]
    pub fn with_extension(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.attributes.extensions.insert(name.into(), value.into());
        self
    }

    /// Puts the event into a trace: sets the extensions `traceparent` and `tracestate`.
    #[must_use]
    pub fn with_trace_context(mut self, trace: &TraceContext) -> Self {
        self.attributes.extensions.remove("tracestate");
        if let Some(state) = trace.tracestate() {
            self = self.with_extension("tracestate", state);
        }
        self.with_extension("traceparent", trace.traceparent())
    }

    /// Says how many events led to this one: the extension `hops`, by which a gateway ends loops.
    #[must_use]
    pub fn with_hops(self, hops: u32) -> Self {
        // Integers of CloudEvents have 32 bits and a sign.
        self.with_extension(HOPS, hops.min(i32::MAX.unsigned_abs()))
    }

    /// Says which event led to this one, by its id: the extension `causationid`.
    #[must_use]
    pub fn with_cause(self, id: impl Into<String>) -> Self {
        self.with_extension(CAUSE, id.into())
    }

    /// Chooses the version of the specification that the event is written in. Attributes are not touched:
    /// [`into_v1`](CloudEvent::into_v1) and [`into_v0_1`](CloudEvent::into_v0_1) convert.
    #[must_use]
    pub fn with_specversion(mut self, version: SpecVersion) -> Self {
        self.attributes.specversion = version;
        self
    }

    /// The version of the specification this event came in, or will be written in.
    #[must_use]
    pub fn specversion(&self) -> SpecVersion {
        self.attributes.specversion
    }

    /// `id`: with [`source`](Self::source), identifies the event. A redelivery has the same.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.attributes.id
    }

    /// `source`: who emitted the event.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.attributes.source
    }

    /// `type`: what happened, for example `user.created`.
    #[must_use]
    pub fn ty(&self) -> &str {
        &self.attributes.ty
    }

    /// `subject`: what in the source the event is about.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.attributes.subject.as_deref()
    }

    /// `time`: when it happened.
    #[must_use]
    pub fn time(&self) -> Option<OffsetDateTime> {
        self.attributes.time
    }

    /// `datacontenttype`: the media type of the payload.
    #[must_use]
    pub fn datacontenttype(&self) -> Option<&str> {
        self.attributes.datacontenttype.as_deref()
    }

    /// `dataschema`: the URI of the schema that the payload follows.
    #[must_use]
    pub fn dataschema(&self) -> Option<&str> {
        self.attributes.dataschema.as_deref()
    }

    /// The value of an extension attribute.
    #[must_use]
    pub fn extension(&self, name: &str) -> Option<&Value> {
        self.attributes.extensions.get(name)
    }

    /// All extension attributes, ordered by name.
    pub fn extensions(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.attributes.extensions.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The trace that the event belongs to, when it says so and says it well.
    #[must_use]
    pub fn trace_context(&self) -> Option<TraceContext> {
        let text = |name| self.extension(name).and_then(Value::as_str);
        TraceContext::parse(text("traceparent")?, text("tracestate"))
    }

    /// How many events led to this one, as its extension `hops` says; 0 where it has none.
    #[must_use]
    pub fn hops(&self) -> u32 {
        match self.extension(HOPS) {
            Some(Value::Number(hops)) => {
                hops.as_u64().map_or(0, |hops| u32::try_from(hops).unwrap_or(u32::MAX))
            }
            // Over HTTP, attributes are text.
            Some(Value::String(hops)) => {
                hops.parse::<u64>().map_or(0, |hops| u32::try_from(hops).unwrap_or(u32::MAX))
            }
            _ => 0,
        }
    }

    /// The id of the event that led to this one, as its extension `causationid` says.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.extension(CAUSE).and_then(Value::as_str)
    }

    /// The same event around another payload.
    pub fn map<U>(self, payload: impl FnOnce(T) -> U) -> CloudEvent<U> {
        CloudEvent { data: payload(self.data), attributes: self.attributes }
    }
}

impl CloudEvent<Data> {
    /// The payload as it would be in a body of its own: JSON text, or the bytes of a payload of another type
    /// ([`datacontenttype`](Self::datacontenttype)), which the JSON format holds as a string or in base64.
    ///
    /// ```
    /// # use eg_sdk::CloudEvent;
    /// let json = br#"{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"text/csv","data":"a,b\n"}"#;
    /// assert_eq!(*CloudEvent::from_json(json)?.payload(), *b"a,b\n");
    /// # Ok::<(), eg_sdk::InvalidEvent>(())
    /// ```
    #[must_use]
    pub fn payload(&self) -> Cow<'_, [u8]> {
        let json = self.datacontenttype().is_none_or(media::is_json);
        match &self.data {
            Data::Json(raw) if !json => match serde_json::from_str::<String>(raw.get()) {
                Ok(text) => Cow::Owned(text.into_bytes()),
                Err(_) => Cow::Borrowed(raw.get().as_bytes()),
            },
            data => Cow::Borrowed(data.as_bytes()),
        }
    }

    /// Decodes the payload.
    ///
    /// # Errors
    /// Says where the payload does not fit `T`.
    pub fn decode<T: FromData>(self) -> Result<CloudEvent<T>, DataError> {
        Ok(CloudEvent { data: T::from_data(self.data)?, attributes: self.attributes })
    }
}

impl<T: IntoData> CloudEvent<T> {
    /// Writes the payload as JSON. A payload that is [`Data`] keeps its bytes.
    ///
    /// # Errors
    /// When the payload cannot be written as JSON.
    pub fn encode(self) -> Result<CloudEvent<Data>, DataError> {
        let data = self.data.into_data()?;
        Ok(CloudEvent { data, attributes: self.attributes })
    }
}
