//! Converts events between versions 1.0 and 0.1 of the specification. Leaves the wire formats to `structured`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::rules::check;
use crate::{CloudEvent, Data, InvalidEvent, SpecVersion};

/// The extension that marks the payload of a 0.1 event as base64, for which 0.1 has no attribute. The name comes from
/// CloudEvents 0.3.
const ENCODING: &str = "datacontentencoding";

impl CloudEvent<Data> {
    /// Converts the event to CloudEvents 1.0. An event that is already 1.0 stays unchanged.
    ///
    /// | 0.1 | 1.0 |
    /// |---|---|
    /// | `eventType`, `eventID`, `source`, `eventTime` | `type`, `id`, `source`, `time` |
    /// | `contentType`, `schemaURL` | `datacontenttype`, `dataschema` |
    /// | `eventTypeVersion` | extension `eventtypeversion` |
    /// | extension `subject` | `subject` |
    /// | other extensions | extensions; names lose all but letters and digits, in lower case; values that 1.0 does not have (objects, arrays, fractions, long integers) become their JSON text |
    /// | string `data` with extension `datacontentencoding: base64` | `data_base64` |
    ///
    /// # Errors
    /// If two extensions would get the same name, or an attribute violates a rule that only 1.0 has.
    ///
    /// ```
    /// # use eg_sdk::CloudEvent;
    /// let old = br#"{"eventType":"user.created","cloudEventsVersion":"0.1","source":"/users","eventID":"1","data":{}}"#;
    /// let event = CloudEvent::from_json(old)?.into_v1()?;
    /// assert_eq!(event.to_json()?, br#"{"specversion":"1.0","id":"1","source":"/users","type":"user.created","data":{}}"#);
    /// # Ok::<(), eg_sdk::InvalidEvent>(())
    /// ```
    pub fn into_v1(mut self) -> Result<Self, InvalidEvent> {
        if self.attributes.specversion == SpecVersion::V1_0 {
            return Ok(self);
        }
        self.attributes.set_version(SpecVersion::V1_0);
        self.decode_base64()?;
        let mut extensions = BTreeMap::new();
        for (name, value) in std::mem::take(&mut self.attributes.extensions) {
            let Some(value) = scalar(value) else { continue };
            let plain: String =
                name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
            if extensions.insert(plain.clone(), value).is_some() {
                return Err(InvalidEvent::attribute(
                    name,
                    format!("becomes `{plain}` in CloudEvents 1.0, as another extension does"),
                ));
            }
        }
        self.attributes.extensions = extensions;
        check(&self.attributes)?;
        Ok(self)
    }

    /// Converts the event to CloudEvents 0.1, for gateways that support no other version; see
    /// [`into_v1`](Self::into_v1) for the names.
    ///
    /// # Errors
    /// If an attribute violates a rule that only 0.1 has: `source` must be an absolute URI or path.
    pub fn into_v0_1(mut self) -> Result<Self, InvalidEvent> {
        if self.attributes.specversion == SpecVersion::V0_1 {
            return Ok(self);
        }
        self.attributes.set_version(SpecVersion::V0_1);
        if let Data::Binary(bytes) = &self.data {
            let text = serde_json::value::to_raw_value(&STANDARD.encode(bytes))?;
            self.data = Data::Json(text);
            self.attributes.extensions.insert(ENCODING.to_owned(), Value::from("base64"));
        }
        check(&self.attributes)?;
        Ok(self)
    }

    fn decode_base64(&mut self) -> Result<(), InvalidEvent> {
        let marked =
            self.attributes.extensions.get(ENCODING).and_then(Value::as_str).is_some_and(|e| e == "base64");
        if !marked {
            return Ok(());
        }
        if let Data::Json(raw) = &self.data {
            let invalid =
                |e: &dyn std::fmt::Display| InvalidEvent::attribute("data", format!("not base64: {e}"));
            let text: String = serde_json::from_str(raw.get()).map_err(|e| invalid(&e))?;
            self.data = Data::Binary(STANDARD.decode(text).map_err(|e| invalid(&e))?.into());
        }
        self.attributes.extensions.remove(ENCODING);
        Ok(())
    }
}

/// Converts an extension value to one that 1.0 allows.
fn scalar(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Number(n) if n.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => Some(Value::Number(n)),
        Value::String(_) | Value::Bool(_) => Some(value),
        other => Some(Value::String(other.to_string())),
    }
}
