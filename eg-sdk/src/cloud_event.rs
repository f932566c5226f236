//! `CloudEvent`: attributes and payload of one event. Leaves the wire formats to `structured` and `http`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use eg_grammar::extension::{CAUSATION_ID, HOPS, TRACEPARENT, TRACESTATE, parse_hops};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Data, DataError, Event, FromData, IntoData, TraceContext, media};

/// A CloudEvent, version 1.0 or 0.1, with a payload of type `T`.
///
/// Without a type parameter, the payload is undecoded ([`Data`]); [`CloudEvent::decode`] decodes it.
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
    /// `cloudEventsVersion` as it came, if it is not `0.1`: the original checked no value.
    pub(crate) stated_version: Option<Box<str>>,
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

impl Attributes {
    /// Returns the version for the wire.
    pub(crate) fn version(&self) -> &str {
        self.stated_version.as_deref().unwrap_or(self.specversion.as_str())
    }

    /// Sets the version of the specification.
    pub(crate) fn set_version(&mut self, version: SpecVersion) {
        self.specversion = version;
        self.stated_version = None;
    }

    /// Takes over the `cloudEventsVersion` of an event in 0.1.
    pub(crate) fn state_version(&mut self, version: String) {
        self.set_version(SpecVersion::V0_1);
        self.stated_version = (version != SpecVersion::V0_1.as_str()).then(|| version.into());
    }
}

/// The version of the CloudEvents specification that an event's wire form follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpecVersion {
    /// CloudEvents 1.0.
    V1_0,
    /// CloudEvents 0.1, the version of the original Serverless Event Gateway.
    V0_1,
}

impl SpecVersion {
    /// Returns `1.0` or `0.1`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V0_1 => "0.1",
        }
    }
}

impl<E: Event> CloudEvent<E> {
    /// Creates an event of `E`'s type with the current time and a new UUIDv7 as `id`.
    ///
    /// `source` names the emitter (for example `/services/users`). A source fixed by the type takes precedence.
    #[must_use]
    pub fn new(source: &str, data: E) -> Self {
        Self::of_type(E::TYPE, E::SOURCE.unwrap_or(source), data)
    }
}

impl<T> CloudEvent<T> {
    /// Creates an event of type `ty`, for payloads without an [`Event`] type.
    #[must_use]
    pub fn of_type(ty: impl Into<String>, source: impl Into<String>, data: T) -> Self {
        Self::identified(Uuid::now_v7().to_string(), source, ty, data)
            .with_time(OffsetDateTime::now_utc())
            .with_datacontenttype("application/json")
    }

    /// Creates an event with this `id` and `source`, without a time and a media type. Unlike
    /// [`of_type`](Self::of_type), it uses neither the clock nor the random number generator.
    #[must_use]
    pub fn identified(
        id: impl Into<String>,
        source: impl Into<String>,
        ty: impl Into<String>,
        data: T,
    ) -> Self {
        let attributes = Attributes {
            specversion: SpecVersion::V1_0,
            stated_version: None,
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
    ///
    /// Never use the id of another event, such as the one that a function is handling: derive an id from it with
    /// [`caused_by`](Self::caused_by).
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.attributes.id = id.into();
        self
    }

    /// Sets the `subject`: the thing within the source that the event is about.
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

    /// Removes an extension attribute, if it is there.
    #[must_use]
    pub fn without_extension(mut self, name: &str) -> Self {
        self.attributes.extensions.remove(name);
        self
    }

    /// Sets the trace: the extensions `traceparent` and `tracestate`.
    #[must_use]
    pub fn with_trace_context(mut self, trace: &TraceContext) -> Self {
        self.attributes.extensions.remove(TRACESTATE);
        if let Some(state) = trace.tracestate() {
            self = self.with_extension(TRACESTATE, state);
        }
        self.with_extension(TRACEPARENT, trace.traceparent())
    }

    /// Sets how many events led to this one: the extension `hops`, which the gateway uses to break loops.
    #[must_use]
    pub fn with_hops(self, hops: u32) -> Self {
        // CloudEvents integers are signed 32-bit values.
        self.with_extension(HOPS, hops.min(i32::MAX.unsigned_abs()))
    }

    /// Sets the id of the event that led to this one: the extension `causationid`.
    #[must_use]
    pub fn with_cause(self, id: impl Into<String>) -> Self {
        self.with_extension(CAUSATION_ID, id.into())
    }

    /// Sets the version of the specification in which the event is written. Does not convert attributes; use
    /// [`into_v1`](CloudEvent::into_v1) or [`into_v0_1`](CloudEvent::into_v0_1) for that.
    #[must_use]
    pub fn with_specversion(mut self, version: SpecVersion) -> Self {
        self.attributes.set_version(version);
        self
    }

    /// Returns the version of the specification in which the event was read or will be written.
    #[must_use]
    pub fn specversion(&self) -> SpecVersion {
        self.attributes.specversion
    }

    /// Returns `id`. Together with [`source`](Self::source) it identifies the event. A redelivery has the same id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.attributes.id
    }

    /// Returns `source`: the emitter.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.attributes.source
    }

    /// Returns `type`: what happened, for example `user.created`.
    #[must_use]
    pub fn ty(&self) -> &str {
        &self.attributes.ty
    }

    /// Returns `subject`: the thing within the source that the event is about.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.attributes.subject.as_deref()
    }

    /// Returns `time`: when it happened.
    #[must_use]
    pub fn time(&self) -> Option<OffsetDateTime> {
        self.attributes.time
    }

    /// Returns `datacontenttype`: the media type of the payload.
    #[must_use]
    pub fn datacontenttype(&self) -> Option<&str> {
        self.attributes.datacontenttype.as_deref()
    }

    /// Returns `dataschema`: the URI of the payload's schema.
    #[must_use]
    pub fn dataschema(&self) -> Option<&str> {
        self.attributes.dataschema.as_deref()
    }

    /// Returns the value of an extension attribute.
    #[must_use]
    pub fn extension(&self, name: &str) -> Option<&Value> {
        self.attributes.extensions.get(name)
    }

    /// Returns all extension attributes, ordered by name.
    pub fn extensions(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.attributes.extensions.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the event's trace, if it has a valid one.
    #[must_use]
    pub fn trace_context(&self) -> Option<TraceContext> {
        let text = |name| self.extension(name).and_then(Value::as_str);
        TraceContext::parse(text(TRACEPARENT)?, text(TRACESTATE))
    }

    /// Returns the extension `hops`: how many events led to this one; 0 if it is absent or not a count,
    /// `u32::MAX` if it is larger.
    #[must_use]
    pub fn hops(&self) -> u32 {
        match self.extension(HOPS) {
            Some(Value::Number(hops)) => {
                hops.as_u64().map_or(0, |hops| u32::try_from(hops).unwrap_or(u32::MAX))
            }
            // In HTTP binary mode, attributes are text.
            Some(Value::String(hops)) => parse_hops(hops).unwrap_or(0),
            _ => 0,
        }
    }

    /// Returns the extension `causationid`: the id of the event that led to this one.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.extension(CAUSATION_ID).and_then(Value::as_str)
    }

    /// Replaces the payload.
    pub fn map<U>(self, payload: impl FnOnce(T) -> U) -> CloudEvent<U> {
        CloudEvent { data: payload(self.data), attributes: self.attributes }
    }
}

impl CloudEvent<Data> {
    /// Returns the payload as a body of its own: JSON text, or the bytes of a payload of another type
    /// ([`datacontenttype`](Self::datacontenttype)), which the JSON format stores as a string or in base64.
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
    /// Names the place where the payload does not match `T`.
    pub fn decode<T: FromData>(self) -> Result<CloudEvent<T>, DataError> {
        Ok(CloudEvent { data: T::from_data(self.data)?, attributes: self.attributes })
    }
}

impl<T: IntoData> CloudEvent<T> {
    /// Serializes the payload as JSON. A [`Data`] payload keeps its bytes.
    ///
    /// # Errors
    /// If the payload cannot be serialized as JSON.
    pub fn encode(self) -> Result<CloudEvent<Data>, DataError> {
        let data = self.data.into_data()?;
        Ok(CloudEvent { data, attributes: self.attributes })
    }
}
