//! The functions that expansions of `#[invoke]` call: they read the payload into the last argument, and turn the result
//! into the answer, both without any envelope. Leaves all other arguments to `extract` and errors to `returned`.

use std::marker::PhantomData;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use eg_grammar::too_deep;
use http::{HeaderValue, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::extract::Readable;
use crate::outcome::is_depth_exceeded;

/// The last argument's type, to choose how it is read: as JSON, or by an extractor.
#[derive(Debug)]
pub struct Payload<T>(PhantomData<T>);

impl<T> Payload<T> {
    /// The choice for `T`.
    pub const NEW: Self = Self(PhantomData);
}

/// The payload is JSON of the type.
#[derive(Debug)]
pub struct IsJson<T>(PhantomData<T>);

/// The payload is JSON of the type inside axum's `Json`.
#[derive(Debug)]
pub struct IsWrapped<T>(PhantomData<T>);

/// The argument is an extractor.
#[derive(Debug)]
pub struct IsExtractor<T>(PhantomData<T>);

impl<T> Payload<Json<T>> {
    /// Returns how the argument is read.
    #[must_use]
    pub fn kind(&self) -> IsWrapped<T> {
        IsWrapped(PhantomData)
    }
}

impl Payload<Bytes> {
    /// Returns how the argument is read.
    #[must_use]
    pub fn kind(&self) -> IsExtractor<Bytes> {
        IsExtractor(PhantomData)
    }
}

/// Types that serde deserializes.
pub trait ByDeserialize<T> {
    /// Returns how the argument is read.
    fn kind(&self) -> IsJson<T> {
        IsJson(PhantomData)
    }
}

impl<T: DeserializeOwned> ByDeserialize<T> for Payload<T> {}

/// All other types.
pub trait ByExtraction<T> {
    /// Returns how the argument is read.
    fn kind(&self) -> IsExtractor<T> {
        IsExtractor(PhantomData)
    }
}

impl<T> ByExtraction<T> for &Payload<T> {}

/// A type that can be the last argument of a function with `#[invoke]`, and is not read with serde.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the payload of a function",
    label = "neither implements `Deserialize` nor is an extractor",
    note = "add `#[derive(serde::Deserialize)]` to `{Self}`; for the bytes of the payload, take `eg_runtime::Bytes`",
    note = "for a value that is given to `App::state`, take `State<{Self}>`"
)]
pub trait PayloadArgument<Via>: FromRequest<(), Via> {}

#[diagnostic::do_not_recommend]
impl<T: FromRequest<(), Via>, Via> PayloadArgument<Via> for T {}

impl<T: DeserializeOwned> IsJson<T> {
    /// Reads the payload.
    ///
    /// # Errors
    /// A rejection that names the place in the payload.
    pub async fn read(self, request: Request) -> Result<T, Response> {
        json(request).await
    }
}

impl<T> IsWrapped<T> {
    /// Reads the payload.
    ///
    /// # Errors
    /// A rejection that names the place in the payload.
    pub async fn read(self, request: Request) -> Result<Json<T>, Response>
    where
        T: Readable,
    {
        json(request).await.map(Json)
    }
}

impl<T> IsExtractor<T> {
    /// Extracts the argument.
    ///
    /// # Errors
    /// The rejection, as a response.
    pub async fn read<Via>(self, request: Request) -> Result<T, Response>
    where
        T: PayloadArgument<Via>,
    {
        T::from_request(request, &()).await.map_err(IntoResponse::into_response)
    }
}

/// Reads the payload as JSON. A payload that does not fit is rejected: a retry cannot help.
async fn json<T: DeserializeOwned>(request: Request) -> Result<T, Response> {
    let payload = Bytes::from_request(request, &()).await.map_err(IntoResponse::into_response)?;
    match Json::from_bytes(&payload) {
        Ok(Json(value)) => Ok(value),
        Err(rejection) => {
            let text = rejection.body_text();
            // axum's own words are about the body of a request.
            let reason = text.split_once(": ").map_or(text.as_str(), |(_, reason)| reason);
            let reason = if is_depth_exceeded(reason) { too_deep().to_string() } else { reason.to_owned() };
            Err(Error::reject(format!("the payload is not what the function takes: {reason}"))
                .into_response())
        }
    }
}

/// The value that a function returned, by reference, to choose how it becomes the answer.
#[derive(Debug)]
pub struct Answer<'a, T>(pub &'a T);

/// The answer is JSON of the value.
#[derive(Debug)]
pub struct AsJson;

/// The answer is JSON of the value inside axum's `Json`.
#[derive(Debug)]
pub struct AsWrapped;

/// The answer is the bytes.
#[derive(Debug)]
pub struct AsBytes;

impl<T> Answer<'_, Json<T>> {
    /// Returns how the value becomes the answer.
    #[must_use]
    pub fn kind(&self) -> AsWrapped {
        AsWrapped
    }
}

impl Answer<'_, Bytes> {
    /// Returns how the value becomes the answer.
    #[must_use]
    pub fn kind(&self) -> AsBytes {
        AsBytes
    }
}

/// All other values.
pub trait BySerialize {
    /// Returns how the value becomes the answer.
    fn kind(&self) -> AsJson {
        AsJson
    }
}

impl<T> BySerialize for &Answer<'_, T> {}

/// A type that can be the answer of a function with `#[invoke]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the answer of a function with `#[invoke]`",
    label = "does not implement `Serialize`",
    note = "add `#[derive(serde::Serialize)]` to `{Self}`: the answer is its JSON, and not a response of HTTP; for bytes as they are, return `eg_runtime::Bytes`",
    note = "a function that can fail returns `Result<_, eg_runtime::Error>`"
)]
pub trait Writable: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Writable for T {}

impl AsJson {
    /// Returns the answer.
    pub fn response(self, value: impl Writable) -> Response {
        match serde_json::to_vec(&value) {
            Ok(json) => answer(json),
            Err(error) => {
                Error::reject(format!("the answer cannot be written as JSON: {error}")).into_response()
            }
        }
    }
}

impl AsWrapped {
    /// Returns the answer.
    pub fn response<T: Writable>(self, Json(value): Json<T>) -> Response {
        AsJson.response(value)
    }
}

impl AsBytes {
    /// Returns the answer.
    #[must_use]
    pub fn response(self, value: Bytes) -> Response {
        answer(value)
    }
}

fn answer(payload: impl Into<Body>) -> Response {
    let mut response = Response::new(payload.into());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
