//! Serves the Extensions API to the processes of one environment. Leaves the state to [`Desk`].

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::HeaderMap;
use http::header::HeaderName;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::FunctionSpec;
use super::arn::{ACCOUNT, LATEST};
use super::body::{Received, receive};
use super::extensions::{Desk, ExtensionEvent, Interest, Trouble};
use super::status::{ExtensionRefusal, taken, told};

const NAME: &str = "lambda-extension-name";
const FEATURES: &str = "lambda-extension-accept-feature";
const IDENTIFIER: HeaderName = HeaderName::from_static("lambda-extension-identifier");
const EVENT_IDENTIFIER: HeaderName = HeaderName::from_static("lambda-extension-event-identifier");
const ERROR_TYPE: &str = "lambda-extension-function-error-type";

/// Bodies here are small.
const MOST_BYTES: usize = 64 * 1024;

#[derive(Debug, Clone)]
struct Front {
    desk: Desk,
    function: Function,
}

/// The facts about the function that an extension gets.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Function {
    function_name: String,
    function_version: &'static str,
    handler: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'static str>,
}

#[derive(Debug, Deserialize)]
struct Registration {
    #[serde(default)]
    events: Vec<String>,
}

/// The routes of one environment.
pub(super) fn router(desk: Desk, spec: &FunctionSpec) -> Router {
    let function = Function {
        function_name: spec.id.clone(),
        function_version: LATEST,
        handler: spec.handler.clone(),
        account_id: None,
    };
    Router::new()
        .route("/2020-01-01/extension/register", post(register))
        .route("/2020-01-01/extension/event/next", get(next))
        .route("/2020-01-01/extension/init/error", post(init_error))
        .route("/2020-01-01/extension/exit/error", post(exit_error))
        .with_state(Front { desk, function })
}

async fn register(
    State(front): State<Front>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ExtensionRefusal> {
    let name = text(&headers, NAME).filter(|name| !name.is_empty()).ok_or(ExtensionRefusal::NoName)?;
    let Received::Whole(body) = receive(body, MOST_BYTES).await else {
        return Err(ExtensionRefusal::BadRequest("the body cannot be read".to_owned()));
    };
    let registration: Registration =
        serde_json::from_slice(&body).map_err(|error| ExtensionRefusal::BadRequest(error.to_string()))?;
    let interests = registration.events.into_iter().map(interest).collect::<Result<_, _>>()?;
    let id = front.desk.register(name, interests)?;
    let wants_account = text(&headers, FEATURES)
        .is_some_and(|features| features.split(',').any(|feature| feature.trim() == "accountId"));
    let function = Function { account_id: wants_account.then_some(ACCOUNT), ..front.function };
    Ok(([(IDENTIFIER, id)], told(&function)).into_response())
}

fn interest(name: String) -> Result<Interest, ExtensionRefusal> {
    match name.as_str() {
        "INVOKE" => Ok(Interest::Invoke),
        "SHUTDOWN" => Ok(Interest::Shutdown),
        _ => Err(ExtensionRefusal::UnknownEventType(name)),
    }
}

async fn next(State(front): State<Front>, headers: HeaderMap) -> Result<Response, ExtensionRefusal> {
    let event = front.desk.next(identifier(&headers)?)?;
    let event: ExtensionEvent = event.await.map_err(|_| ExtensionRefusal::Gone)?;
    Ok(([(EVENT_IDENTIFIER, Uuid::new_v4().to_string())], told(&event)).into_response())
}

async fn init_error(State(front): State<Front>, headers: HeaderMap) -> Result<Response, ExtensionRefusal> {
    report(&front, &headers, Trouble::InitError)
}

async fn exit_error(State(front): State<Front>, headers: HeaderMap) -> Result<Response, ExtensionRefusal> {
    report(&front, &headers, Trouble::ExitError)
}

fn report(front: &Front, headers: &HeaderMap, trouble: Trouble) -> Result<Response, ExtensionRefusal> {
    let id = identifier(headers)?;
    if text(headers, ERROR_TYPE).is_none_or(str::is_empty) {
        return Err(ExtensionRefusal::MissingHeader("Lambda-Extension-Function-Error-Type"));
    }
    front.desk.report(id, trouble)?;
    Ok(taken())
}

fn identifier(headers: &HeaderMap) -> Result<&str, ExtensionRefusal> {
    let id = text(headers, IDENTIFIER.as_str()).ok_or(ExtensionRefusal::NoIdentifier)?;
    if Uuid::try_parse(id).is_ok() { Ok(id) } else { Err(ExtensionRefusal::BadIdentifier) }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
