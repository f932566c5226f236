//! The functions that macro expansions call to extract arguments from a request, and the compiler's messages about types
//! that cannot be arguments. Leaves extraction itself to axum's traits.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use axum::extract::{Form, FromRequest, FromRequestParts, Json, Path, Query, Request};
use axum::response::{IntoResponse, Response};
use eg_sdk::{CloudEvent, EventSet, FromData, Question};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::ask::Ask;
use crate::emit::Emit;
use crate::state::State;

/// The future of a function's response.
pub type ResponseFuture = Pin<Box<dyn Future<Output = Response> + Send>>;
/// Calls a function with a request.
pub type Call = fn(Request) -> ResponseFuture;

/// Boxes the body of a caller. A function of its own, so that the compiler can blame the user's function for values
/// that are not `Send`.
pub fn boxed(call: impl Future<Output = Response> + Send + 'static) -> ResponseFuture {
    Box::pin(call)
}

/// Extracts an argument of type `T`. Its own functions belong to the types below and require what these types require
/// of their contents, so that the compiler names the missing trait. [`Extractor`] has the functions for all other types.
#[derive(Debug)]
pub struct Extract<T>(PhantomData<T>);

/// Extracts an argument from the parts of a request.
async fn parts<T: FromRequestParts<()>>(parts: &mut Parts) -> Result<T, Response> {
    T::from_request_parts(parts, &()).await.map_err(IntoResponse::into_response)
}

/// Extracts the last argument, which may consume the body.
async fn whole<T: FromRequest<(), Via>, Via>(request: Request) -> Result<T, Response> {
    T::from_request(request, &()).await.map_err(IntoResponse::into_response)
}

/// `from_request` for extractors of the body.
macro_rules! of_body {
    ($($ty:ty: $($bound:ident),+;)+) => {$(
        impl<T> Extract<$ty> {
            /// Extracts the last argument.
            ///
            /// # Errors
            /// The rejection, as a response.
            pub async fn from_request(request: Request) -> Result<$ty, Response>
            where
                $(T: $bound,)+
            {
                whole(request).await
            }
        }
    )+};
}

/// Both functions for extractors of other parts of the request.
macro_rules! of_parts {
    ($($ty:ty: $($bound:ident),+;)+) => {$(
        impl<T: 'static> Extract<$ty> {
            /// Extracts an argument.
            ///
            /// # Errors
            /// The rejection, as a response.
            pub async fn from_parts(from: &mut Parts) -> Result<$ty, Response>
            where
                $(T: $bound,)+
            {
                parts(from).await
            }

            /// Extracts the last argument.
            ///
            /// # Errors
            /// The rejection, as a response.
            pub async fn from_request(request: Request) -> Result<$ty, Response>
            where
                $(T: $bound,)+
            {
                parts(&mut request.into_parts().0).await
            }
        }
    )+};
}

of_body! {
    CloudEvent<T>: FromData;
    Json<T>: Readable;
    Form<T>: Readable;
}

of_parts! {
    Query<T>: Readable;
    Path<T>: Readable, Send;
    State<T>: Clone, Send, Sync;
    Emit<T>: EventSet;
    Ask<T>: Question;
}

/// A type that is read from a request: every type that serde deserializes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a request or an event",
    label = "does not implement `Deserialize`",
    note = "add `#[derive(serde::Deserialize)]` to `{Self}`; a type that borrows, such as `&str`, needs an owned one instead"
)]
pub trait Readable: DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> Readable for T {}

/// Extracts all other types.
pub trait Extractor<T> {
    /// Extracts an argument.
    ///
    /// # Errors
    /// The rejection, as a response.
    fn from_parts(from: &mut Parts) -> impl Future<Output = Result<T, Response>> + Send
    where
        T: Argument;

    /// Extracts the last argument.
    ///
    /// # Errors
    /// The rejection, as a response.
    fn from_request<Via>(request: Request) -> impl Future<Output = Result<T, Response>> + Send
    where
        T: LastArgument<Via>;
}

impl<T> Extractor<T> for Extract<T> {
    async fn from_parts(from: &mut Parts) -> Result<T, Response>
    where
        T: Argument,
    {
        parts(from).await
    }

    async fn from_request<Via>(request: Request) -> Result<T, Response>
    where
        T: LastArgument<Via>,
    {
        whole(request).await
    }
}

/// A type that can be an argument before the last one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a function, or not before the last one",
    label = "not an extractor of parts of the request",
    note = "an argument that consumes the body must be the last one",
    note = "for a value that is given to `App::state`, take `State<{Self}>`"
)]
pub trait Argument: FromRequestParts<()> {}

#[diagnostic::do_not_recommend]
impl<T: FromRequestParts<()>> Argument for T {}

/// A type that can be the last argument.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a function",
    label = "not an extractor",
    note = "for the payload of an event, take `CloudEvent<{Self}>` or `Json<{Self}>`; for a JSON body, `Json<{Self}>`",
    note = "for a value that is given to `App::state`, take `State<{Self}>`"
)]
pub trait LastArgument<Via>: FromRequest<(), Via> {}

#[diagnostic::do_not_recommend]
impl<T: FromRequest<(), Via>, Via> LastArgument<Via> for T {}

/// No type has this trait. It lets the compiler explain why axum's own `State` is no argument here.
#[diagnostic::on_unimplemented(
    message = "`axum::extract::State` cannot be an argument of a function",
    label = "this is axum's `State`",
    note = "use `eg_runtime::State`, which finds the values of `App::state` by their types"
)]
pub trait StateOfTheApp: FromRequestParts<()> {}

/// axum's own `State`, for the advice.
impl<T> Extract<axum::extract::State<T>> {
    /// Never compiles.
    ///
    /// # Errors
    /// As for the other extractors.
    pub async fn from_parts(from: &mut Parts) -> Result<axum::extract::State<T>, Response>
    where
        axum::extract::State<T>: StateOfTheApp,
    {
        parts(from).await
    }

    /// Never compiles.
    ///
    /// # Errors
    /// As for the other extractors.
    pub async fn from_request(request: Request) -> Result<axum::extract::State<T>, Response>
    where
        axum::extract::State<T>: StateOfTheApp,
    {
        parts(&mut request.into_parts().0).await
    }
}
