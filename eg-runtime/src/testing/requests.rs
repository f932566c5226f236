//! Requests of a test: prepares and sends them. Leaves finding and calling the function to the service.

use std::fmt::Display;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Collected};
use serde::Serialize;

use super::answer::Answer;
use super::app::TestApp;
use super::clock;
use crate::Caller;
use crate::context::Invocation;
use crate::outcome::Failure;

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

impl TestApp {
    /// Sends an HTTP request to the `#[http]` function that answers it. An asynchronous function on the same route gets its
    /// copy from the gateway only.
    pub async fn http<B: Into<Body>>(&self, request: http::Request<B>) -> Answer {
        let routed = self.0.routed(request.method(), request.uri().path());
        let (service, timeout) = routed.map_or((0, None), |(service, function)| (service, function.timeout));
        let invocation = Invocation { deadline: timeout.and_then(clock::deadline), ..Invocation::default() };
        let invocation = Arc::new(invocation);
        let member = self.0.member(service);
        let call = member.service.http(request.map(Into::into), &invocation);
        let response = clock::ahead(self.0.ahead(), call).await;
        let (parts, body) = response.unwrap_or_else(Failure::into_response).into_parts();
        // To a client, a failed body is a truncated answer.
        let body = body.collect().await.map(Collected::to_bytes);
        let status = if body.is_ok() { parts.status } else { StatusCode::BAD_GATEWAY };
        Answer { status, headers: parts.headers, body: body.unwrap_or_default() }
    }

    /// Prepares a request with this method, to add headers and a body.
    ///
    /// ```standalone_crate
    /// # use eg_runtime::testing::TestApp;
    /// # use eg_runtime::{App, Error, http};
    /// # #[http(PATCH, "/users/{id}")]
    /// # async fn change() {}
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::new(App::new())?;
    /// let answer = app.request("PATCH", "/users/7").bearer("t0k3n").json(&["name"]).send().await;
    /// assert_eq!(answer.status(), 200);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// If the method or the path is invalid.
    pub fn request(&self, method: &str, path: &str) -> TestRequest<'_> {
        let valid = method.parse().unwrap_or_else(|e| panic!("`{method}` is not an HTTP method: {e}"));
        TestRequest::new(self, valid, path)
    }

    /// Sends a GET request.
    ///
    /// # Panics
    /// If `path` is invalid.
    pub async fn get(&self, path: &str) -> Answer {
        TestRequest::new(self, Method::GET, path).send().await
    }

    /// Sends a POST request with a JSON body.
    ///
    /// # Panics
    /// If `path` is invalid, or `body` cannot be serialized.
    pub async fn post<T: Serialize + ?Sized>(&self, path: &str, body: &T) -> Answer {
        TestRequest::new(self, Method::POST, path).json(body).send().await
    }

    /// Sends a PUT request with a JSON body.
    ///
    /// # Panics
    /// If `path` is invalid, or `body` cannot be serialized.
    pub async fn put<T: Serialize + ?Sized>(&self, path: &str, body: &T) -> Answer {
        TestRequest::new(self, Method::PUT, path).json(body).send().await
    }

    /// Sends a DELETE request.
    ///
    /// # Panics
    /// If `path` is invalid.
    pub async fn delete(&self, path: &str) -> Answer {
        TestRequest::new(self, Method::DELETE, path).send().await
    }
}
