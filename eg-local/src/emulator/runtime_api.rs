//! Serves the Runtime API to one function process: turns HTTP requests into [`Call`]s, which the environment answers.

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

use super::body::{Received, receive};
use super::report::error_payload;
use super::status::{INVOKED, MAX_PAYLOAD, Refusal, taken};

const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";
pub(super) const ERROR_BODY: HeaderName = HeaderName::from_static("lambda-runtime-function-error-body");
pub(super) const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");

/// A request of the process.
#[derive(Debug)]
pub(super) enum Call {
    /// It requests an event.
    Next(NextReply),
    /// It answers the event with that request id.
    Response { request_id: String, payload: Payload, reply: Reply },
    /// It reports the failure of the event with that request id.
    Error { request_id: String, error: ReportedError, reply: Reply },
    /// It reports that it cannot start.
    InitError { error: ReportedError, reply: Reply },
}

/// Sends the event to the waiting process. Closed if the process disconnected.
pub(super) type NextReply = oneshot::Sender<Result<Event, Refusal>>;

/// Sends back whether the request was accepted.
pub(super) type Reply = oneshot::Sender<Result<(), Refusal>>;

/// An answer.
#[derive(Debug)]
pub(super) enum Payload {
    Whole(Bytes),
    /// Larger than Lambda's limit; dropped.
    TooLarge,
    /// A stream of parts.
    Stream(Body),
}

/// An event for the process.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) payload: Bytes,
    /// `Lambda-Runtime-*` headers.
    pub(super) headers: HeaderMap,
}

/// An error that the process posted.
#[derive(Debug, Clone)]
pub(super) struct ReportedError {
    /// The posted JSON object, or one made from other posted text.
    pub(super) payload: Bytes,
    pub(super) error_type: String,
    pub(super) message: String,
}

/// The routes of one environment. Each request becomes one call.
pub(super) fn router(calls: mpsc::Sender<Call>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .fallback(unknown)
        .layer(DefaultBodyLimit::disable())
        .with_state(calls)
}

type Calls = State<mpsc::Sender<Call>>;

async fn next(State(calls): Calls) -> Result<Response, Refusal> {
    let (reply, event) = oneshot::channel();
    calls.send(Call::Next(reply)).await.map_err(|_| Refusal::Gone)?;
    let event = event.await.map_err(|_| Refusal::Gone)??;
    let json = [(CONTENT_TYPE, "application/json")];
    Ok((INVOKED, event.headers, json, event.payload).into_response())
}

async fn response(
    State(calls): Calls,
    Path(request_id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    if headers.get(RESPONSE_MODE).is_some_and(|mode| mode == "streaming") {
        let payload = Payload::Stream(body);
        return say(&calls, |reply| Call::Response { request_id, payload, reply }).await;
    }
    let payload = match receive(body, MAX_PAYLOAD).await {
        Received::Whole(bytes) => Payload::Whole(bytes),
        Received::TooLarge => Payload::TooLarge,
        Received::Broken(error) => return Err(Refusal::Unreadable(error)),
    };
    say(&calls, |reply| Call::Response { request_id, payload, reply }).await
}

async fn error(
    State(calls): Calls,
    Path(request_id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let error = reported(&headers, body).await?;
    say(&calls, |reply| Call::Error { request_id, error, reply }).await
}

async fn init_error(State(calls): Calls, headers: HeaderMap, body: Body) -> Result<Response, Refusal> {
    let error = reported(&headers, body).await?;
    say(&calls, |reply| Call::InitError { error, reply }).await
}

async fn unknown(request: Request) -> Refusal {
    Refusal::UnknownOperation { method: request.method().to_string(), path: request.uri().path().to_owned() }
}

async fn say(calls: &mpsc::Sender<Call>, call: impl FnOnce(Reply) -> Call) -> Result<Response, Refusal> {
    let (reply, answer) = oneshot::channel();
    calls.send(call(reply)).await.map_err(|_| Refusal::Gone)?;
    answer.await.map_err(|_| Refusal::Gone)??;
    Ok(taken())
}

async fn reported(headers: &HeaderMap, body: Body) -> Result<ReportedError, Refusal> {
    match receive(body, MAX_PAYLOAD).await {
        Received::Whole(bytes) => Ok(ReportedError::read(header_error_type(headers), bytes)),
        Received::TooLarge => Err(Refusal::TooLarge),
        Received::Broken(error) => Err(Refusal::Unreadable(error)),
    }
}

fn header_error_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(ERROR_TYPE).and_then(|value| value.to_str().ok())
}

impl ReportedError {
    /// Reads a posted error, with the type from the header.
    pub(super) fn read(header: Option<&str>, body: Bytes) -> Self {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Posted {
            error_type: Option<String>,
            error_message: Option<String>,
        }
        let fallback = header.unwrap_or("Runtime.Unknown");
        match serde_json::from_slice::<Posted>(&body) {
            Ok(posted) => Self {
                error_type: posted.error_type.unwrap_or_else(|| fallback.to_owned()),
                message: posted.error_message.unwrap_or_default(),
                payload: body,
            },
            Err(_) => {
                let message = String::from_utf8_lossy(&body).into_owned();
                Self { error_type: fallback.to_owned(), payload: error_payload(fallback, &message), message }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: Option<&str>, body: &'static str, [ty, message, payload]: [&str; 3]) {
        let error = ReportedError::read(header, Bytes::from_static(body.as_bytes()));
        assert_eq!([error.error_type.as_str(), error.message.as_str()], [ty, message]);
        let json = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap();
        assert_eq!(json(&error.payload), json(payload.as_bytes()));
    }

    #[test]
    fn posted_errors_keep_their_payload() {
        let body = r#"{"errorType":"Reject","errorMessage":"no such user","stackTrace":[]}"#;
        check(Some("unhandled"), body, ["Reject", "no such user", body]);
        check(None, r#"{"errorMessage":"x"}"#, ["Runtime.Unknown", "x", r#"{"errorMessage":"x"}"#]);
    }

    #[test]
    fn what_is_not_an_error_object_becomes_one() {
        check(
            Some("Runtime.Oops"),
            "plain words",
            ["Runtime.Oops", "plain words", r#"{"errorMessage":"plain words","errorType":"Runtime.Oops"}"#],
        );
        check(None, "", ["Runtime.Unknown", "", r#"{"errorMessage":"","errorType":"Runtime.Unknown"}"#]);
    }
}
