//! Requests of a test, part by part. `TestApp` sends them.

use std::fmt::Display;

use axum::body::Body;
use axum::extract::Request;
use http::{HeaderName, HeaderValue, Method, header};
use serde::Serialize;

use super::{Answer, TestApp};
use crate::Caller;

/// A request that a test prepares, see [`TestApp::request`].
#[derive(Debug)]
#[must_use = "a request has no effect until it is sent"]
pub struct TestRequest<'a> {
    app: &'a TestApp,
    request: Request,
}

impl<'a> TestRequest<'a> {
    pub(super) fn new(app: &'a TestApp, method: Method, path: &str) -> Self {
        let request = Request::builder().method(method).uri(path).body(Body::empty());
        Self { app, request: request.unwrap_or_else(|e| panic!("`{path}` is not a valid path: {e}")) }
    }

    /// Adds a header.
    ///
    /// # Panics
    /// If the name or the value is invalid.
    pub fn header(mut self, name: &str, value: impl Display) -> Self {
        let value = value.to_string();
        let valid_name: HeaderName =
            name.parse().unwrap_or_else(|e| panic!("`{name}` is not the name of a header: {e}"));
        let value = HeaderValue::from_str(&value).unwrap_or_else(|e| panic!("the header `{name}`: {e}"));
        self.request.headers_mut().append(valid_name, value);
        self
    }

    /// Adds the header `Authorization: Bearer <token>`.
    ///
    /// # Panics
    /// If the token contains control characters.
    pub fn bearer(self, token: impl Display) -> Self {
        self.header(header::AUTHORIZATION.as_str(), format!("Bearer {token}"))
    }

    /// Sets who called, as an API in front of the function would report it.
    pub fn caller(mut self, caller: Caller) -> Self {
        self.request.extensions_mut().insert(caller);
        self
    }

    /// Sets the body to JSON, with its media type.
    ///
    /// # Panics
    /// If `body` cannot be serialized.
    pub fn json<T: Serialize + ?Sized>(mut self, body: &T) -> Self {
        let json = serde_json::to_vec(body).unwrap_or_else(|e| {
            panic!("the body of {} {}: {e}", self.request.method(), self.request.uri().path())
        });
        let media_type = HeaderValue::from_static("application/json");
        self.request.headers_mut().insert(header::CONTENT_TYPE, media_type);
        self.body(json)
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    /// Sends the request to the `#[http]` function that answers it.
    pub async fn send(self) -> Answer {
        self.app.http(self.request).await
    }
}
