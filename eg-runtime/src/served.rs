//! Calls a function: behind the app's layers, within its deadline, with its panics caught.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;

use crate::context::{Invocation, Scope};
use crate::deadline::Deadline;
use crate::extract::{Call, ResponseFuture};
use crate::layer::{Function, Layers};
use crate::outcome::{ErrorType, Failure, FailureKind};
use crate::panics;

/// A callable function of this process.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    name: &'static str,
    call: Call,
    /// The function within its own layers.
    own: Option<Function>,
    // Without layers, the function is called directly, which saves a box and a lock per invocation.
    layered: Option<Function>,
}

impl Served {
    /// A function within its own layers, and those of the app.
    pub(crate) fn new(name: &'static str, call: Call, own: Option<&Layers>, layers: &Layers) -> Self {
        let own = own.and_then(|own| own.around(call));
        let layered = match &own {
            Some(function) => layers.around_function(function.clone()),
            None => layers.around(call),
        };
        Self { name, call, own, layered }
    }

    /// Returns the name in the manifest.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the function with only its own layers, for a router that the layers of the app are around.
    pub(crate) fn bare(&self) -> Self {
        Self { layered: None, ..self.clone() }
    }

    /// Calls the function, whose answer a caller gets or not. A panic or a missed deadline becomes a response that carries
    /// the failure.
    async fn call(&self, mut request: Request, has_caller: bool) -> (Response, Arc<Invocation>) {
        let scope = request.extensions_mut().get_mut::<Scope>();
        let invocation = scope.map(|scope| {
            scope.context.function = self.name;
            scope.has_caller = has_caller;
            scope.context.invocation.clone()
        });
        let invocation = invocation.unwrap_or_default();
        #[cfg(feature = "tracing")]
        let span = crate::tracing::span(self.name, &request);
        let answer = match self.layered.as_ref().or(self.own.as_ref()) {
            Some(function) => function.clone().answer(request),
            None => (self.call)(request),
        };
        #[cfg(feature = "tracing")]
        let answer = Box::pin(crate::tracing::within(span, answer));
        (guarded(self.name, invocation.deadline, answer).await, invocation)
    }

    /// Calls the function for a waiting caller. A 4xx is an answer to the caller. A 5xx is a fault of the function
    /// and is printed to its log.
    pub(crate) async fn answer(&self, request: Request) -> Response {
        let (response, invocation) = self.call(request, true).await;
        Failure::log_once(response, self.name, &invocation.request_id).await
    }

    /// Calls a function with `#[invoke]`, which answers with a value and not with a status.
    ///
    /// # Errors
    /// Any failure status, with the function's message, and with the type of its error if that has one. The failure is
    /// also printed to its log.
    pub(crate) async fn call_for_its_result(&self, request: Request) -> Result<Response, Failure> {
        let (response, invocation) = self.call(request, true).await;
        let error_type = response.extensions().get::<ErrorType>().copied();
        let named = |failure: Failure| match error_type {
            Some(ErrorType(error_type)) => {
                let is_reject = failure.kind == FailureKind::Reject;
                Failure { kind: FailureKind::Named { error_type, is_reject }, ..failure }
            }
            None => failure,
        };
        let log = |failure: &Failure| failure.log(Some(self.name), &invocation.request_id);
        Failure::of_unhandled(response).await.map_err(named).inspect_err(log)
    }

    /// Calls the function for an event without a waiting caller.
    ///
    /// # Errors
    /// Any failure status, with the function's message. The failure is also printed to its log.
    pub(crate) async fn settle(&self, request: Request) -> Result<Response, Failure> {
        let (response, invocation) = self.call(request, false).await;
        let log = |failure: &Failure| failure.log(Some(self.name), &invocation.request_id);
        Failure::of_unhandled(response).await.inspect_err(log)
    }
}

/// Awaits an answer until the deadline. A panic or a missed deadline becomes a response that carries the failure.
pub(crate) async fn guarded(name: &str, deadline: Option<Deadline>, answer: ResponseFuture) -> Response {
    let answer = panics::catch(answer);
    let Some(deadline) = deadline else { return answer.await };
    tokio::time::timeout_at(deadline.cancels_at().into(), answer).await.unwrap_or_else(|_| {
        let message =
            format!("`{name}` was cancelled because its time is up: give it more with `timeout = \"1m\"`, or do less at once");
        Failure::new(FailureKind::Timeout, message).into_response()
    })
}
