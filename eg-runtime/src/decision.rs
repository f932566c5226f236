//! `Decision`: what an authorizer decides about a request. `authorizer` turns it into what API Gateway expects.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Map, Value, json};

/// What a function with [`#[authorizer]`](macro@crate::authorizer) decides about a request.
///
/// ```
/// use eg_runtime::Decision;
///
/// let decision = Decision::allow("u7").with("tier", "gold");
/// assert_eq!((decision.is_allowed(), decision.principal_id()), (true, Some("u7")));
/// assert_eq!(decision.context()["tier"], "gold");
/// assert!(!Decision::deny().is_allowed() && !Decision::unauthorized().is_allowed());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub(crate) verdict: Verdict,
    principal_id: Option<String>,
    context: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allow,
    Deny,
    Unauthorized,
}

impl Decision {
    /// Lets the request reach its function, on behalf of this principal: the function finds it in
    /// [`Caller::principal_id`](crate::Caller::principal_id).
    #[must_use]
    pub fn allow(principal_id: impl Into<String>) -> Self {
        Self { verdict: Verdict::Allow, principal_id: Some(principal_id.into()), context: Map::new() }
    }

    /// Refuses the request: its client gets a 403.
    #[must_use]
    pub fn deny() -> Self {
        Self { verdict: Verdict::Deny, principal_id: None, context: Map::new() }
    }

    /// Refuses the request because it does not say, or not rightly, who sends it: its client gets a 401.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self { verdict: Verdict::Unauthorized, ..Self::deny() }
    }

    /// Adds a value to the context, which the function finds in [`Caller::authorizer`](crate::Caller::authorizer). REST and
    /// WebSocket APIs pass texts, numbers and truth values; of other values, the function gets the JSON as a text.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.context.insert(name.into(), value.into());
        self
    }

    /// Returns whether the request reaches its function.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.verdict == Verdict::Allow
    }

    /// Returns on whose behalf the request is allowed.
    #[must_use]
    pub fn principal_id(&self) -> Option<&str> {
        self.principal_id.as_deref()
    }

    /// Returns the context.
    #[must_use]
    pub fn context(&self) -> &Map<String, Value> {
        &self.context
    }

    /// Returns the decision that a status is: an authorizer may also refuse by an error, and so may its extractors.
    pub(crate) fn of_status(status: StatusCode) -> Option<Self> {
        match status {
            StatusCode::UNAUTHORIZED => Some(Self::unauthorized()),
            _ if status.is_client_error() => Some(Self::deny()),
            _ => None,
        }
    }

    /// Returns the status for the client, and its message in the words of API Gateway.
    pub(crate) fn status(&self) -> (StatusCode, &'static str) {
        match self.verdict {
            Verdict::Allow => (StatusCode::OK, "OK"),
            Verdict::Deny => (StatusCode::FORBIDDEN, "Forbidden"),
            Verdict::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthorized"),
        }
    }
}

impl IntoResponse for Decision {
    fn into_response(self) -> Response {
        let (status, message) = self.status();
        let mut response = (status, Json(json!({ "message": message }))).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Turns the decision of a function into a response.
pub fn decided(decision: Decision) -> Response {
    decision.into_response()
}
