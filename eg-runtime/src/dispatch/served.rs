//! One function, ready to be called: behind the app's layers, within its deadline, its panics caught.

use axum::extract::Request;
use axum::response::Response;

use crate::context::Scope;
use crate::layer::{Function, Layers};
use crate::outcome::{Failure, FailureKind};
use crate::panics;
use crate::registry::FunctionDef;

/// A function of this process.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) def: &'static FunctionDef,
    // Without layers, the function is called as it is: a box and a lock less per invocation.
    layered: Option<Function>,
}

impl Served {
    pub(crate) fn new(def: &'static FunctionDef, layers: &Layers) -> Self {
        Self { def, layered: layers.around(def.call) }
    }

    /// Calls the function. What it did not survive is a response with that failure.
    pub(crate) async fn call(&self, mut request: Request) -> Response {
        let deadline = request.extensions_mut().get_mut::<Scope>().and_then(|scope| {
            scope.context.function = self.def.name;
            scope.context.deadline
        });
        let call = async {
            match &self.layered {
                Some(function) => panics::catch(function.clone().answer(request)).await,
                None => panics::catch((self.def.call)(request)).await,
            }
        };
        let Some(deadline) = deadline else { return call.await };
        tokio::time::timeout_at(deadline.cancels_at().into(), call).await.unwrap_or_else(|_| {
            let name = self.def.name;
            let message =
                format!("`{name}` was cancelled because its time is up: give it more, or do less at once");
            Failure { kind: FailureKind::Timeout, message }.into_response()
        })
    }

    /// The same for an HTTP request, whose failures the client hears of.
    pub(crate) async fn answer(&self, request: Request) -> Response {
        let response = self.call(request).await;
        // A 4xx is an answer to the client, not a fault of the function.
        if response.status().is_server_error() {
            self.log(&response);
        }
        response
    }

    /// A failure is on record where the function's own output goes, whoever else is told.
    pub(crate) fn log(&self, response: &Response) {
        if let Some(failure) = response.extensions().get::<Failure>() {
            failure.log(self.def.name);
        }
    }
}
