//! Finds the authorizer of this process and asks it. `authorizer` has the forms of questions and answers.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;

use super::{Entry, Service};
use crate::context::Invocation;
use crate::registry::Trigger;

impl Service {
    /// Returns the only authorizer of this process, and whether it answers with policies; `None` if it has none or several.
    pub(crate) fn authorizer(&self) -> Option<(&Entry, bool)> {
        let mut authorizers = self.functions.iter().filter_map(|function| {
            function.def.triggers.iter().find_map(|trigger| match trigger {
                Trigger::Authorizer { iam } => Some((function, *iam)),
                _ => None,
            })
        });
        authorizers.next().filter(|_| authorizers.next().is_none())
    }

    /// Asks an authorizer about a request.
    pub(crate) async fn authorize(
        &self,
        function: &Entry,
        mut request: Request,
        invocation: &Arc<Invocation>,
    ) -> Response {
        request.extensions_mut().insert(self.scope(invocation, None, None));
        function.served.answer(request).await
    }
}
