//! Calls functions with `#[invoke]` with payloads as Lambda sends them, whatever their family. Leaves reading the payload
//! and writing the answer to the function's expansion.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Method, header};

use super::{Entry, Service};
use crate::body::without_default_limit;
use crate::context::Invocation;
use crate::outcome::Failure;
use crate::payload::PayloadError;

impl Service {
    /// Returns the function that takes all payloads: one with `#[invoke]`, if it is the only one that is served.
    pub(crate) fn invoked(&self) -> Option<&Entry> {
        match self.functions.as_slice() {
            [only] => Some(only).filter(|only| only.def.is_invoked()),
            _ => None,
        }
    }

    /// Returns the service of one function, as `_HANDLER` chooses it.
    pub(crate) fn alone(&self, name: &str) -> Option<Self> {
        let function = self.functions.iter().find(|function| function.def.name == name)?;
        Some(Self::of(vec![function.clone()], self.layers.clone(), None, self.shared.clone()))
    }

    /// Calls a function with `#[invoke]`.
    ///
    /// # Errors
    /// If the function failed. An error with a type of its own keeps it.
    pub(crate) async fn invoke(
        &self,
        function: &Entry,
        payload: Bytes,
        invocation: &Arc<Invocation>,
    ) -> Result<Response, Failure> {
        let mut request = Request::new(Body::from(payload));
        without_default_limit(&mut request);
        *request.method_mut() = Method::POST;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        request.extensions_mut().insert(self.scope(invocation, None, None));
        function.served.call_for_its_result(request).await
    }

    /// Returns the failure for a payload that cannot be handled. Functions with `#[invoke]` would take it, but a process
    /// that serves several functions cannot know for which of them it is.
    pub(crate) fn refusal(&self, error: PayloadError) -> Failure {
        let mut failure = Failure::from(error);
        let invoked = self.functions.iter().filter(|function| function.def.is_invoked());
        let names: Vec<_> = invoked.map(|function| format!("`{}`", function.def.name)).collect();
        if !names.is_empty() {
            let take = if names.len() == 1 { "takes" } else { "take" };
            failure.message = format!(
                "{}; {} {take} any payload, but only if `_HANDLER` names it",
                failure.message,
                names.join(", ")
            );
        }
        failure
    }
}
