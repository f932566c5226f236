//! Asks the authorizer of a route before its function, where nobody in front of the program has done so. `authorizer`
//! answers API Gateway when it asks.

use axum::Json;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::json;

use crate::caller::Caller;
use crate::context::Scope;
use crate::decision::Decision;
use crate::served::Served;

/// The authorizer of a route.
#[derive(Debug, Clone)]
pub(crate) struct Guard(Served);

impl Guard {
    pub(crate) fn new(authorizer: Served) -> Self {
        Self(authorizer)
    }

    /// Returns the name of the authorizer.
    pub(crate) fn name(&self) -> &'static str {
        self.0.name()
    }

    /// Lets a request pass, with what the authorizer says about its sender. The authorizer gets the request without its
    /// body.
    ///
    /// # Errors
    /// The answer for the client, if the request may not pass.
    pub(crate) async fn admit(&self, mut request: Request) -> Result<Request, Response> {
        if was_authorized(&request, self.name()) {
            return Ok(request);
        }
        let mut question = Request::new(Body::empty());
        *question.method_mut() = request.method().clone();
        *question.uri_mut() = request.uri().clone();
        *question.headers_mut() = request.headers().clone();
        *question.extensions_mut() = request.extensions().clone();
        let response = self.0.answer(question).await;
        let decided = response.extensions().get::<Decision>().cloned();
        match decided.or_else(|| Decision::of_status(response.status())) {
            Some(decision) if decision.is_allowed() => {
                let caller = Caller::find(request.extensions(), request.headers()).authorized(&decision);
                request.extensions_mut().insert(caller);
                Ok(request)
            }
            Some(decision) => Err(decision.into_response()),
            None => {
                let shown = Json(json!({ "message": "Internal Server Error" }));
                Err((StatusCode::INTERNAL_SERVER_ERROR, shown).into_response())
            }
        }
    }
}

/// Returns whether this authorizer has let the request pass when API Gateway asked it, as the payload says, which only API
/// Gateway writes.
fn was_authorized(request: &Request, authorizer: &str) -> bool {
    let scope = request.extensions().get::<Scope>();
    let sent = scope.and_then(|scope| scope.context.invocation.sent.get());
    sent.is_some_and(|sent| Caller::was_authorized(sent, authorizer))
}
