//! Clients of a WebSocket API in a test: they connect, send messages and leave. Leaves what functions send to them to the
//! recorder.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use eg_grammar::websocket::{self, CONNECT, DISCONNECT, MESSAGE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::answer::{Answer, InvocationError};
use super::app::TestApp;
use crate::ConnectionRecorder;
use crate::outcome::{Failure, FailureKind};

impl TestApp {
    /// Returns the recorder of what the functions send to connections.
    #[must_use]
    pub fn connections(&self) -> &ConnectionRecorder {
        &self.0.connections
    }

    /// Lets a client connect: calls the function with `websocket.connect`. With a synchronous subscription, its answer decides:
    /// a status that is no success refuses the connection.
    ///
    /// # Errors
    /// The failure that would be reported to Lambda. If no function takes the event, a `Reject`.
    pub async fn connect(&self, connection: &str) -> Result<Answer, InvocationError> {
        // The API knows a connection only once its function has accepted it.
        self.0.connections.leave(connection);
        let more = json!({ "headers": {} });
        let answer = self.on_connection(CONNECT, "CONNECT", "$connect", connection, more).await?;
        if answer.status().is_success() {
            self.0.connections.enter(connection);
        }
        Ok(answer)
    }

    /// Lets a client send a text: calls the function with `websocket.message`. The body of its answer goes to the client if the
    /// subscription is synchronous.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn message(&self, connection: &str, text: &str) -> Result<Answer, InvocationError> {
        let (serial, _) = self.stamp();
        let more = json!({ "body": text, "messageId": serial.to_string() });
        self.on_connection(MESSAGE, "MESSAGE", "$default", connection, more).await
    }

    /// Lets a client leave: calls the function with `websocket.disconnect`.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect).
    pub async fn disconnect(&self, connection: &str) -> Result<Answer, InvocationError> {
        self.0.connections.leave(connection);
        let more = json!({ "disconnectStatusCode": 1000, "disconnectReason": "" });
        self.on_connection(DISCONNECT, "DISCONNECT", "$disconnect", connection, more).await
    }

    /// Calls the function that subscribes to an event of a connection, with what API Gateway sends.
    async fn on_connection(
        &self,
        ty: &'static str,
        event: &str,
        route: &str,
        connection: &str,
        mut more: Value,
    ) -> Result<Answer, InvocationError> {
        let functions = self.0.definitions();
        let subscribes = |function: &'static crate::registry::FunctionDef| {
            function.subscriptions().any(|subscription| subscription.event_type == ty)
        };
        let Some((_, function)) = functions.into_iter().find(|(_, function)| subscribes(function)) else {
            let message = format!("no function subscribes to `{ty}`");
            return Err(Failure::new(FailureKind::Reject, message).into());
        };
        let (serial, now) = self.stamp();
        let time = super::sources::millis(now);
        let mut context = json!({ "eventType": event, "routeKey": route, "connectionId": connection, "apiId": "test",
            "requestId": serial.to_string(), "domainName": "localhost", "stage": websocket::STAGE,
            "requestTimeEpoch": time, "connectedAt": time, "identity": { "sourceIp": "127.0.0.1" } });
        let mut payload = json!({ "isBase64Encoded": false });
        for (name, value) in more.as_object_mut().into_iter().flatten() {
            let target =
                if ["body", "headers"].contains(&name.as_str()) { &mut payload } else { &mut context };
            target[name] = value.take();
        }
        payload["requestContext"] = context;
        let answer = self.call(function.name, &payload).await?;
        answered(&answer)
    }
}

/// Reads the answer to API Gateway.
fn answered(answer: &Value) -> Result<Answer, InvocationError> {
    let invalid = || Failure::new(FailureKind::Retry, format!("`{answer}` is no answer to API Gateway"));
    let status = answer["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok()).ok_or_else(invalid)?;
    let headers = answer["headers"].as_object().into_iter().flatten();
    let headers: HeaderMap = headers
        .filter_map(|(name, value)| Some((name.parse().ok()?, value.as_str()?.parse().ok()?)))
        .collect();
    let body = answer["body"].as_str().unwrap_or_default();
    let body = match answer["isBase64Encoded"].as_bool() {
        Some(true) => STANDARD.decode(body).map_err(|_| invalid())?,
        _ => body.as_bytes().to_vec(),
    };
    Ok(Answer { status, headers, body: Bytes::from(body) })
}
