//! What is unusual, and compiles: names of the prelude, `#[cfg]` on arguments, deprecated functions, errors of other types.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, clippy::pedantic)]
#![allow(clippy::unused_async, reason = "what matters is the attribute, not what the function does")]
#![allow(clippy::unnecessary_wraps, reason = "what matters is the type of the result")]

use std::io;

use eg_runtime::{
    Bytes, CloudEvent, Data, Emit, Error, Event, EventGateway, IntoResponse, Json, State, StatusCode, Uri,
    axum::response::Redirect, http, queue, subscribe,
};

mod prelude {
    //! Names that the expansion might have used.
    #![allow(dead_code, non_camel_case_types)]

    pub enum Option {}
    pub enum Result {}
    pub struct Box;
    pub struct value;
    pub struct error;
}

#[http(POST, "/drop")]
async fn drop() {}

mod without_prelude {
    #![no_implicit_prelude]

    #[allow(unused_imports)]
    use super::prelude::{Box, Option, Result, error, value};

    #[::eg_runtime::http(GET, "/")]
    async fn plain() {}

    #[::eg_runtime::subscribe("a")]
    async fn with_arguments(
        _uri: ::eg_runtime::Uri,
        _event: ::eg_runtime::CloudEvent<::eg_runtime::Data>,
    ) -> ::core::result::Result<(), ::eg_runtime::Error> {
        ::core::result::Result::Ok(())
    }
}

#[http(GET, "/old")]
#[deprecated]
async fn old() {}

/// The last argument may depend on the configuration, and then another one is the last.
#[http(POST, "/cfg")]
async fn configured(
    #[cfg(not(unix))] headers: eg_runtime::HeaderMap,
    #[cfg(any(unix, windows))] uri: Uri,
    #[cfg(all(unix, not(windows)))] body: Bytes,
    #[cfg(windows)] body: String,
) {
    #[cfg(not(unix))]
    let _ = headers;
    let _ = (uri, body);
}

#[http(POST, "/never")]
async fn no_last_argument(body: Bytes, #[cfg(any())] uri: Uri) {
    let _ = body;
}

/// An event.
#[derive(serde::Serialize, serde::Deserialize, Event)]
#[event("price.asked")]
pub struct PriceAsked {}

/// A client of the gateway is always there.
#[subscribe("ask")]
async fn ask(State(gateway): State<EventGateway>, ask: Emit<PriceAsked>) -> Result<(), Error> {
    gateway.request(PriceAsked {}).await?;
    ask.request(PriceAsked {}).await?;
    Ok(())
}

/// One of the subscribed types is the argument's.
#[subscribe(PriceAsked, "price.asked.again")]
#[queue("prices")]
async fn one_of_two(_event: CloudEvent<PriceAsked>) -> io::Result<()> {
    Ok(())
}

/// Another view of an event has no event type of its own.
#[subscribe(PriceAsked)]
async fn undecoded(_event: CloudEvent<Data>) -> Result<StatusCode, (StatusCode, String)> {
    Ok(StatusCode::OK)
}

#[subscribe("b")]
async fn boxed() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Ok(())
}

#[subscribe("c")]
async fn text() -> Result<(), String> {
    Err("no")?;
    Ok(())
}

#[http(GET, "/login")]
async fn opaque() -> Result<impl IntoResponse, Redirect> {
    Ok(Json(1))
}

fn main() {
    let _ = (drop, configured, no_last_argument, ask, one_of_two, undecoded, boxed, text);
}
