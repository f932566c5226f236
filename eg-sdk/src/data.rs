//! The undecoded payload of an event. Keeps the exact bytes; callers decode on request.

use std::fmt;

use bytes::Bytes;
use eg_grammar::{is_too_deep, too_deep};
use serde::de::DeserializeOwned;
use serde::ser::Serialize;
use serde_json::value::RawValue;

/// The undecoded payload of an event. JSON keeps its exact text: key order, big integers, white space.
#[derive(Clone, Default)]
pub enum Data {
    /// The event has no `data`.
    #[default]
    Empty,
    /// `data` of the JSON format.
    Json(Box<RawValue>),
    /// `data_base64` of the JSON format.
    Binary(Bytes),
}

impl Data {
    /// The payload's bytes: JSON text, or the binary payload. Empty when there is none.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Empty => &[],
            Self::Json(raw) => raw.get().as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns whether there is no payload.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Json(raw) => write!(f, "Json({})", raw.get()),
            Self::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
        }
    }
}

impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Empty, Self::Empty) => true,
            (Self::Json(a), Self::Json(b)) => a.get() == b.get(),
            (Self::Binary(a), Self::Binary(b)) => a == b,
            _ => false,
        }
    }
}

/// A payload does not match the requested type, or cannot be serialized as JSON.
#[derive(Debug, thiserror::Error)]
#[error("{}{reason}", if path.is_empty() { String::new() } else { format!("data.{path}: ") })]
pub struct DataError {
    /// The place in the payload, for example `address.city`; empty for the payload as a whole.
    pub path: String,
    /// The error at that place.
    pub reason: String,
}

/// Types that a payload can be decoded into: everything that serde deserializes, and [`Data`] itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read as the payload of an event",
    label = "does not implement `Deserialize`",
    note = "add `#[derive(serde::Deserialize)]` to `{Self}`; a type that borrows, such as `&str`, needs an owned one instead"
)]
pub trait FromData: Sized {
    /// Decodes `data`; a missing payload counts as JSON `null`.
    ///
    /// # Errors
    /// Says where the payload does not fit.
    fn from_data(data: Data) -> Result<Self, DataError>;
}

impl FromData for Data {
    fn from_data(data: Data) -> Result<Self, DataError> {
        Ok(data)
    }
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> FromData for T {
    fn from_data(data: Data) -> Result<Self, DataError> {
        let bytes: &[u8] = if data.is_empty() { b"null" } else { data.as_bytes() };
        // Tracking the path costs time per field, so it is determined only after a failure.
        serde_json::from_slice(bytes).map_err(|first| {
            if is_too_deep(bytes) {
                return DataError { path: String::new(), reason: too_deep().to_string() };
            }
            let mut json = serde_json::Deserializer::from_slice(bytes);
            match serde_path_to_error::deserialize::<_, T>(&mut json) {
                Err(e) => {
                    let path = Some(e.path().to_string()).filter(|path| path != ".").unwrap_or_default();
                    DataError { path, reason: e.into_inner().to_string() }
                }
                Ok(_) => DataError { path: String::new(), reason: first.to_string() },
            }
        })
    }
}

/// Types that can become a payload: everything that serde serializes, and [`Data`] itself, whose bytes are kept.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be written as the payload of an event",
    label = "does not implement `Serialize`",
    note = "add `#[derive(serde::Serialize)]` to `{Self}`"
)]
pub trait IntoData {
    /// Serializes `self` as a payload.
    ///
    /// # Errors
    /// If `self` cannot be serialized as JSON, for example a map whose keys are not strings.
    fn into_data(self) -> Result<Data, DataError>;
}

impl IntoData for Data {
    fn into_data(self) -> Result<Data, DataError> {
        Ok(self)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize> IntoData for T {
    fn into_data(self) -> Result<Data, DataError> {
        serde_json::value::to_raw_value(&self)
            .map(Data::Json)
            .map_err(|e| DataError { path: String::new(), reason: e.to_string() })
    }
}
