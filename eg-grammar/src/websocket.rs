//! Defines the event types, the stage and the message limit of WebSocket APIs. The payloads are left to the runtime, and the API
//! itself to the template and the local cloud.

/// The type of the event of a new connection.
pub const CONNECT: &str = "websocket.connect";

/// The type of the event of a message that a client has sent.
pub const MESSAGE: &str = "websocket.message";

/// The type of the event of a connection that has ended.
pub const DISCONNECT: &str = "websocket.disconnect";

/// The only stage of an API, which is the path of its URL, too: `wss://<host>/ws`.
pub const STAGE: &str = "ws";

/// How many bytes a message may have, in both directions. Limit of API Gateway
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html>).
pub const MAX_MESSAGE: usize = 128 * 1024;

/// Returns whether an event type is one of a WebSocket API.
///
/// ```
/// use eg_grammar::websocket::is_event;
///
/// assert!(is_event("websocket.message") && !is_event("websocket.opened") && !is_event("message"));
/// ```
#[must_use]
pub fn is_event(ty: &str) -> bool {
    [CONNECT, MESSAGE, DISCONNECT].contains(&ty)
}
