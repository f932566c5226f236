//! Serves the API Gateway Management API: sends to connections, describes and closes them. Signatures are not checked.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use eg_grammar::websocket::{MAX_MESSAGE, STAGE};
use http::{HeaderName, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use super::WebSockets;
use super::connection::{Open, Out};

/// How long a client may keep what is sent to it waiting.
const PATIENCE: Duration = Duration::from_secs(5);

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// Why a call has no effect, in the words of the service.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    Gone,
    TooLarge,
    Slow,
    Unreadable,
}

pub(super) fn router(sockets: WebSockets) -> Router {
    let path = format!("/{STAGE}/@connections/{{connection}}");
    Router::new().route(&path, post(send).get(describe).delete(close)).with_state(sockets)
}

async fn send(
    State(sockets): State<WebSockets>,
    Path(connection): Path<String>,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let open = sockets.find(&connection).ok_or(Refusal::Gone)?;
    let message = Limited::new(body, MAX_MESSAGE).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() { Refusal::TooLarge } else { Refusal::Unreadable }
    })?;
    let text = String::from_utf8_lossy(&message.to_bytes()).into_owned();
    hand_over(&open, Out::Text(text.into())).await?;
    open.touch();
    Ok(StatusCode::OK)
}

async fn describe(
    State(sockets): State<WebSockets>,
    Path(connection): Path<String>,
) -> Result<Response, Refusal> {
    let open = sockets.find(&connection).ok_or(Refusal::Gone)?;
    let text = |time: time::OffsetDateTime| time.format(&Rfc3339).unwrap_or_default();
    let described = json!({
        "connectedAt": text(open.connection.since),
        "lastActiveAt": text(open.active()),
        "identity": { "sourceIp": "127.0.0.1", "userAgent": open.connection.user_agent },
    });
    Ok(axum::Json(described).into_response())
}

async fn close(
    State(sockets): State<WebSockets>,
    Path(connection): Path<String>,
) -> Result<StatusCode, Refusal> {
    let open = sockets.find(&connection).ok_or(Refusal::Gone)?;
    hand_over(&open, Out::Close).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn hand_over(open: &Open, frame: Out) -> Result<(), Refusal> {
    match tokio::time::timeout(PATIENCE, open.frames.send(frame)).await {
        Ok(sent) => sent.map_err(|_| Refusal::Gone),
        Err(_) => Err(Refusal::Slow),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, kind, message) = match self {
            Self::Gone => (StatusCode::GONE, "GoneException", "the connection has ended"),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "PayloadTooLargeException",
                "a message can have at most 128 KiB",
            ),
            Self::Slow => (
                StatusCode::TOO_MANY_REQUESTS,
                "LimitExceededException",
                "the client does not read its messages",
            ),
            Self::Unreadable => {
                (StatusCode::BAD_REQUEST, "BadRequestException", "the message is not complete")
            }
        };
        (status, [(ERROR_TYPE, kind)], axum::Json(json!({ "message": message }))).into_response()
    }
}
