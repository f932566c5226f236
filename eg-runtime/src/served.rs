//! Calls a function: behind the app's layers, within its deadline, with its panics caught.

use axum::extract::Request;
use axum::response::Response;

use crate::context::Scope;
use crate::extract::Call;
use crate::layer::{Function, Layers};
use crate::outcome::{Failure, FailureKind};
use crate::panics;

/// A callable function of this process.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    name: &'static str,
    call: Call,
    // Without layers, the function is called directly, which saves a box and a lock per invocation.
    layered: Option<Function>,
}

impl Served {
    pub(crate) fn new(name: &'static str, call: Call, layers: &Layers) -> Self {
        Self { name, call, layered: layers.around(call) }
    }

    /// Calls the function. A panic or a missed deadline becomes a response that carries the failure.
    async fn call(&self, mut request: Request) -> Response {
        let deadline = request.extensions_mut().get_mut::<Scope>().and_then(|scope| {
            scope.context.function = self.name;
            scope.context.invocation.deadline
        });
        let call = async {
            match &self.layered {
                Some(function) => panics::catch(function.clone().answer(request)).await,
                None => panics::catch((self.call)(request)).await,
            }
        };
        let Some(deadline) = deadline else { return call.await };
        tokio::time::timeout_at(deadline.cancels_at().into(), call).await.unwrap_or_else(|_| {
            let name = self.name;
            let message =
                format!("`{name}` was cancelled because its time is up: give it more, or do less at once");
            Failure::new(FailureKind::Timeout, message).into_response()
        })
    }

    /// Calls the function for a waiting caller. A 4xx is an answer to the caller. A 5xx is a fault of the function
    /// and is printed to its log.
    pub(crate) async fn answer(&self, request: Request) -> Response {
        let response = self.call(request).await;
        match Failure::of(&response).filter(|_| response.status().is_server_error()) {
            None => response,
            Some(failure) => {
                let (failure, response) = failure.explained(response).await;
                failure.log(self.name);
                response
            }
        }
    }

    /// Calls the function for an event without a waiting caller.
    ///
    /// # Errors
    /// Any failure status, with the function's message. The failure is also printed to its log.
    pub(crate) async fn settle(&self, request: Request) -> Result<Response, Failure> {
        let response = self.call(request).await;
        Failure::of_unhandled(response).await.inspect_err(|failure| failure.log(self.name))
    }
}
