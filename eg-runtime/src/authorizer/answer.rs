//! Writes the answer of an authorizer in the form that its caller expects. Sources: AWS's descriptions of Lambda
//! authorizers for HTTP, REST and WebSocket APIs; the contract of Event Gateway 0.9.1.

use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::caller::DECIDED_BY;
use crate::decision::{Decision, Verdict};
use crate::outcome::{Failure, FailureKind};
use crate::payload::AsksFor;

/// Writes the answer of the authorizer `name` to a question, as JSON. `iam` says whether the API expects a policy where it could
/// take less. The context has the name, so that a route knows whose decision it gets.
///
/// # Errors
/// If the authorizer failed, or if the client gets a 401: API Gateway knows that by an error with this message.
pub(super) async fn write(
    asks_for: &AsksFor,
    iam: bool,
    name: &str,
    response: Response,
) -> Result<String, Failure> {
    let decided = response.extensions().get::<Decision>().cloned();
    let Some(decision) = decided.or_else(|| Decision::of_status(response.status())) else {
        return Err(match Failure::of_unhandled(response).await {
            Err(failure) => failure,
            Ok(_) => Failure::new(FailureKind::Reject, "the authorizer has decided nothing".to_owned()),
        });
    };
    let principal = decision.principal_id().unwrap_or_default();
    let answer = match asks_for {
        AsksFor::Gateway if decision.is_allowed() => {
            let context: Map<_, _> =
                decision.context().iter().map(|(name, value)| (name.clone(), text(value).into())).collect();
            json!({ "authorization": { "principalId": principal, "context": context } })
        }
        AsksFor::Gateway => json!({ "error": { "message": decision.status().1 } }),
        _ if decision.verdict == Verdict::Unauthorized => {
            let kind = FailureKind::Named { error_type: "Unauthorized", is_reject: true };
            return Err(Failure::new(kind, "Unauthorized".to_owned()));
        }
        AsksFor::HttpApi { .. } if !iam => {
            let mut context = decision.context().clone();
            context.extend(decision.principal_id().map(|id| ("principalId".to_owned(), id.into())));
            if decision.is_allowed() {
                context.insert(DECIDED_BY.to_owned(), name.into());
            }
            json!({ "isAuthorized": decision.is_allowed(), "context": context })
        }
        AsksFor::HttpApi { arn } | AsksFor::Policy { arn } => {
            let effect = if decision.is_allowed() { "Allow" } else { "Deny" };
            let statement = json!({ "Action": "execute-api:Invoke", "Effect": effect, "Resource": arn });
            let mut context: Map<_, _> =
                decision.context().iter().map(|(name, value)| (name.clone(), plain(value))).collect();
            if decision.is_allowed() {
                context.insert(DECIDED_BY.to_owned(), name.into());
            }
            json!({ "principalId": principal, "context": context,
                "policyDocument": { "Version": "2012-10-17", "Statement": [statement] } })
        }
    };
    Ok(answer.to_string())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns a value as it is if API Gateway passes it on with a policy, else its JSON as a text.
fn plain(value: &Value) -> Value {
    match value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => value.clone(),
        other => other.to_string().into(),
    }
}
