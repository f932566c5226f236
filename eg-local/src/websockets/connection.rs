//! One connection: hands the messages of its client to the function, and sends to the client. Which functions there are, and
//! what a payload looks like, is left to the other modules.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bytes::Bytes;
use eg_grammar::websocket::{DISCONNECT, MESSAGE};
use futures_util::stream::SplitStream;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;
use tokio::sync::mpsc;

use super::WebSockets;
use super::payload::millis;

/// How many messages wait for a slow client.
const WAITING: usize = 64;

/// How long the end of a connection waits for its client.
const FAREWELL: Duration = Duration::from_secs(2);

/// A connection as its payloads describe it.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) id: String,
    pub(super) host: String,
    pub(super) user_agent: Option<String>,
    pub(super) since: OffsetDateTime,
}

/// What a program that manages an open connection needs.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) frames: mpsc::Sender<Out>,
    pub(super) connection: Connection,
    /// When something was sent in either direction for the last time, in milliseconds.
    active: Arc<AtomicI64>,
}

/// What the client gets.
#[derive(Debug)]
pub(super) enum Out {
    Text(Utf8Bytes),
    Close,
}

/// How a connection ended: the code and the reason.
type End = (u16, String);

/// A function's answer to API Gateway.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Connection {
    /// Describes the client that has sent these headers.
    pub(super) fn new(headers: &HeaderMap) -> Self {
        let text =
            |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
        // The ids of API Gateway have an escape in URLs, too.
        let id = URL_SAFE.encode(&uuid::Uuid::new_v4().as_bytes()[..11]);
        Self {
            id,
            host: text(header::HOST).unwrap_or_default(),
            user_agent: text(header::USER_AGENT),
            since: OffsetDateTime::now_utc(),
        }
    }
}

impl Open {
    /// Returns when something was sent in either direction for the last time.
    pub(super) fn active(&self) -> OffsetDateTime {
        let millis = i128::from(self.active.load(Ordering::Relaxed));
        OffsetDateTime::from_unix_timestamp_nanos(millis * 1_000_000).unwrap_or(self.connection.since)
    }

    pub(super) fn touch(&self) {
        self.active.store(millis(OffsetDateTime::now_utc()), Ordering::Relaxed);
    }
}

impl WebSockets {
    /// Adds a connection. Returns what is sent to it.
    pub(super) fn opened(&self, connection: &Connection) -> mpsc::Receiver<Out> {
        let (frames, sent) = mpsc::channel(WAITING);
        let active = Arc::new(AtomicI64::new(millis(connection.since)));
        self.open().insert(connection.id.clone(), Open { frames, connection: connection.clone(), active });
        sent
    }

    /// Returns an open connection.
    pub(super) fn find(&self, id: &str) -> Option<Open> {
        self.open().get(id).cloned()
    }
}

/// Serves a connection until it ends, and calls the function of `websocket.disconnect`.
pub(super) async fn serve(
    sockets: &WebSockets,
    connection: &Connection,
    socket: WebSocket,
    mut frames: mpsc::Receiver<Out>,
) {
    let (mut sink, stream) = socket.split();
    let write = async {
        while let Some(frame) = frames.recv().await {
            let Out::Text(text) = frame else {
                return ended(close_code::NORMAL, "Connection Closed Normally");
            };
            if sink.send(Message::Text(text)).await.is_err() {
                return ended(close_code::ABNORMAL, "the connection broke");
            }
        }
        ended(close_code::NORMAL, "Connection Closed Normally")
    };
    let (code, reason) = tokio::select! {
        end = write => end,
        end = read(sockets, connection, stream) => end,
        () = sockets.0.stop.cancelled() => ended(close_code::AWAY, "Going away"),
    };
    sockets.open().remove(&connection.id);
    let farewell = async {
        // Codes that only describe an end cannot be sent. If the client has closed the connection, this changes nothing.
        if !matches!(code, close_code::STATUS | close_code::ABNORMAL) {
            let frame = CloseFrame { code, reason: Utf8Bytes::from(&*reason) };
            let _ = sink.send(Message::Close(Some(frame))).await;
        }
        let _ = sink.close().await;
    };
    // A client that does not read must not keep the function from its event.
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
    disconnected(sockets, connection, code, &reason).await;
}

/// Removes a connection, and calls the function of `websocket.disconnect`.
pub(super) async fn disconnected(sockets: &WebSockets, connection: &Connection, code: u16, reason: &str) {
    sockets.open().remove(&connection.id);
    if let Some((invoker, functions)) = sockets.functions()
        && let Some(function) = &functions.disconnect
    {
        let payload = connection.disconnect(code, reason);
        // The call is reported to the observer.
        let _ = sockets.call(&invoker, function, DISCONNECT, &payload).await;
    }
}

/// Hands the messages of the client to the function.
async fn read(sockets: &WebSockets, connection: &Connection, mut stream: SplitStream<WebSocket>) -> End {
    while let Some(message) = stream.next().await {
        let text = match message {
            Ok(Message::Text(text)) => text,
            Ok(Message::Ping(_) | Message::Pong(_)) => continue,
            Ok(Message::Binary(_)) => {
                return ended(close_code::UNSUPPORTED, "API Gateway takes no binary messages");
            }
            Ok(Message::Close(Some(frame))) => return (frame.code, frame.reason.to_string()),
            Ok(Message::Close(None)) => {
                return ended(close_code::STATUS, "Client-side close frame status not set");
            }
            Err(error) if is_too_large(&error) => return ended(close_code::SIZE, "Message too long"),
            Err(_) => break,
        };
        let Some(open) = sockets.find(&connection.id) else { break };
        open.touch();
        let call = {
            let (sockets, connection) = (sockets.clone(), connection.clone());
            async move { handled(&sockets, &connection, &text).await }
        };
        // If the connection ends meanwhile, the call goes on: it is reported, and `WebSockets::stop` waits for it.
        if let Ok(Some(answer)) = sockets.0.tasks.spawn(call).await
            && open.frames.send(Out::Text(answer)).await.is_err()
        {
            break;
        }
    }
    ended(close_code::ABNORMAL, "the connection broke")
}

/// Returns what the client gets as the answer to its message.
async fn handled(sockets: &WebSockets, connection: &Connection, text: &str) -> Option<Utf8Bytes> {
    let payload = connection.message(text);
    let refusal = |message: &str| {
        let request = &payload["requestContext"]["requestId"];
        let json = json!({ "message": message, "connectionId": connection.id, "requestId": request });
        Some(json.to_string().into())
    };
    let (invoker, functions) = sockets.functions()?;
    // API Gateway's answer if no route takes a message.
    let Some(function) = &functions.message else { return refusal("Forbidden") };
    match sockets.call(&invoker, function, MESSAGE, &payload).await {
        Err(_) => refusal("Internal server error"),
        Ok(answer) if functions.answers && !answer.body.is_empty() => {
            Some(String::from_utf8_lossy(&answer.body).into_owned().into())
        }
        Ok(_) => None,
    }
}

fn ended(code: u16, reason: &str) -> End {
    (code, reason.to_owned())
}

fn is_too_large(error: &axum::Error) -> bool {
    // The library does not export the kinds of its errors.
    error.to_string().contains("too long")
}

impl Answer {
    /// Reads the answer of a function.
    ///
    /// # Errors
    /// Returns what API Gateway would not understand.
    pub(super) fn read(json: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Read {
            status_code: u16,
            #[serde(default)]
            headers: Option<std::collections::BTreeMap<String, String>>,
            #[serde(default)]
            body: Option<String>,
            #[serde(default)]
            is_base64_encoded: bool,
        }
        let invalid = |reason: String| {
            format!("API Gateway requires an object with `statusCode` as the answer: {reason}")
        };
        let read: Read = serde_json::from_slice(json).map_err(|error| invalid(error.to_string()))?;
        let status = StatusCode::from_u16(read.status_code).map_err(|error| invalid(error.to_string()))?;
        let body = read.body.unwrap_or_default();
        let body = match read.is_base64_encoded {
            true => STANDARD.decode(body).map_err(|error| invalid(format!("`body`: {error}")))?.into(),
            false => body.into(),
        };
        let header = |(name, value): (String, String)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        };
        let headers = read.headers.into_iter().flatten().filter_map(header).collect();
        Ok(Self { status, headers, body })
    }

    pub(super) fn header(&self, name: HeaderName) -> Option<HeaderValue> {
        self.headers.get(name).cloned()
    }
}
