//! Answers the questions of API Gateway and of the event gateway whether a request may pass. `payload` reads them, and
//! `guard` asks within the process.

mod answer;

use std::sync::Arc;

use crate::context::Invocation;
use crate::dispatch::Service;
use crate::outcome::Failure;
use crate::payload;

/// Answers a payload that asks whether a request may pass. `None` if this process has no authorizer for it, or if the
/// payload asks nothing.
///
/// # Errors
/// If the authorizer failed, or the client is to get a 401.
pub(crate) async fn answer(
    service: &Service,
    json: &str,
    invocation: &Arc<Invocation>,
) -> Option<Result<String, Failure>> {
    let (function, iam) = service.authorizer()?;
    let question = match payload::read_question(json)? {
        Ok(question) => question,
        Err(error) => return Some(Err(error.into())),
    };
    let _ = invocation.sent.set(question.sent);
    let response = service.authorize(function, question.request, invocation).await;
    Some(answer::write(&question.asks_for, iam, function.name(), response).await)
}
