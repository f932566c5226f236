//! A local WebSocket API: clients connect, functions get their events as API Gateway sends them, and send to the connections
//! with the API Gateway Management API. Leaves running the functions to the [emulator](crate::emulator).
//!
//! # The endpoints
//! Both are on the emulator's port:
//!
//! | who | where |
//! |---|---|
//! | clients | `ws://127.0.0.1:9001/ws` |
//! | functions | `AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI=http://127.0.0.1:9001/ws`, for AWS's SDKs, too |
//!
//! Pages of this machine may connect, whatever their port.
//!
//! # What always holds
//! 1. The function of `websocket.connect` decides: a status that is no success, or a failure, refuses the connection.
//! 2. A connection can be sent to from when it is accepted until it ends. Afterwards, it is gone (410).
//! 3. The messages of a connection are handled one after the other. API Gateway does not promise that.
//! 4. Each connection that was accepted ends with one call of the function of `websocket.disconnect`, also when the local
//!    cloud [stops](WebSockets::stop).

mod connection;
mod manage;
mod payload;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::extract::ws::{WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use eg_grammar::websocket::{CONNECT, MAX_MESSAGE, STAGE};
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::connection::{Answer, Connection, Open};
use crate::activity::{Observer, TriggerActivity};
use crate::emulator::Invoker;

/// The functions of an API, by their ids. An event without a function is not handled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SocketFunctions {
    /// Gets `websocket.connect`, and decides about the connection.
    pub connect: Option<String>,
    /// Gets `websocket.message`.
    pub message: Option<String>,
    /// Whether the client gets the body of the function's answer to its message.
    pub answers: bool,
    /// Gets `websocket.disconnect`.
    pub disconnect: Option<String>,
}

/// A WebSocket API; cheap to clone.
#[derive(Debug, Clone)]
pub struct WebSockets(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    observer: Observer,
    /// `None` until [`WebSockets::set`].
    functions: Mutex<Option<(Invoker, SocketFunctions)>>,
    open: Mutex<HashMap<String, Open>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl WebSockets {
    /// Creates an API without functions, which accepts no connections.
    #[must_use]
    pub fn new(observer: Observer) -> Self {
        Self(Arc::new(Inner {
            observer,
            functions: Mutex::default(),
            open: Mutex::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }))
    }

    /// Sets the functions, which are called through `invoker`. Open connections stay open.
    pub fn set(&self, invoker: Invoker, functions: SocketFunctions) {
        *self.0.functions.lock().unwrap_or_else(PoisonError::into_inner) = Some((invoker, functions));
    }

    /// The route of clients, for [`EmulatorOptions::pages`](crate::emulator::EmulatorOptions::pages).
    pub fn clients(&self) -> Router {
        Router::new().route(&format!("/{STAGE}"), get(accept)).with_state(self.clone())
    }

    /// The routes of functions, for [`EmulatorOptions::routes`](crate::emulator::EmulatorOptions::routes).
    pub fn management(&self) -> Router {
        manage::router(self.clone())
    }

    /// Ends all connections. Returns when their calls have ended.
    pub async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    fn functions(&self) -> Option<(Invoker, SocketFunctions)> {
        self.0.functions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls a function with an event of a connection. Returns its answer, or why there is none.
    async fn call(
        &self,
        invoker: &Invoker,
        function: &str,
        event: &'static str,
        payload: &Value,
    ) -> Result<Answer, String> {
        let started = Instant::now();
        let context = &payload["requestContext"];
        let id = [&context["messageId"], &context["requestId"]].into_iter().find_map(Value::as_str);
        let events = id.map(str::to_owned).into_iter().collect();
        self.0.observer.report(TriggerActivity::Calling { events, trigger: event.to_owned() });
        let answer = invoker.invoke(event, function, payload.to_string()).await;
        let answer = answer.map_err(|error| error.to_string()).and_then(|json| Answer::read(&json));
        self.0.observer.report(TriggerActivity::Socket {
            event: event.to_owned(),
            connection: context["connectionId"].as_str().unwrap_or_default().to_owned(),
            function: function.to_owned(),
            outcome: answer.as_ref().map(|answer| answer.status.as_u16()).map_err(String::clone),
            duration: started.elapsed(),
        });
        answer
    }
}

/// Returns the URL for clients, if the emulator has this one.
#[must_use]
pub fn client_url(emulator: &str) -> String {
    format!("{}/{STAGE}", emulator.replacen("http", "ws", 1))
}

/// Returns the URL of the API Gateway Management API, if the emulator has this one.
#[must_use]
pub fn management_url(emulator: &str) -> String {
    format!("{emulator}/{STAGE}")
}

/// Accepts a client, if the function of `websocket.connect` does.
async fn accept(
    State(sockets): State<WebSockets>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if sockets.0.stop.is_cancelled() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    // A client may leave while its function decides. What the function has accepted must end with its event all the same.
    let tasks = sockets.0.tasks.clone();
    let accepted = tasks.spawn(async move { decided(sockets, &query, &headers, upgrade).await });
    accepted.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// Calls the function of `websocket.connect`, and begins the connection that it accepts.
async fn decided(
    sockets: WebSockets,
    query: &[(String, String)],
    headers: &HeaderMap,
    mut upgrade: WebSocketUpgrade,
) -> Response {
    let Some((invoker, functions)) = sockets.functions().filter(|(_, functions)| functions.is_any()) else {
        let reason = "no function subscribes to websocket.connect, websocket.message or websocket.disconnect";
        return (StatusCode::NOT_FOUND, reason).into_response();
    };
    let connection = Connection::new(headers);
    if let Some(function) = &functions.connect {
        let payload = connection.connect(headers, query);
        match sockets.call(&invoker, function, CONNECT, &payload).await {
            Err(_) => return StatusCode::BAD_GATEWAY.into_response(),
            Ok(answer) if !answer.status.is_success() => return answer.into_response(),
            Ok(answer) => {
                if let Some(protocol) = answer.header(header::SEC_WEBSOCKET_PROTOCOL) {
                    upgrade.set_selected_protocol(protocol);
                }
            }
        }
    }
    let frames = sockets.opened(&connection);
    let failed = {
        let (sockets, connection) = (sockets.clone(), connection.clone());
        move |_| {
            let tasks = sockets.0.tasks.clone();
            tasks.spawn(async move {
                let broke = "the connection broke";
                connection::disconnected(&sockets, &connection, close_code::ABNORMAL, broke).await;
            });
        }
    };
    let token = sockets.0.tasks.token();
    upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE).on_failed_upgrade(failed).on_upgrade(
        move |socket| async move {
            connection::serve(&sockets, &connection, socket, frames).await;
            drop(token);
        },
    )
}

impl SocketFunctions {
    fn is_any(&self) -> bool {
        self.connect.is_some() || self.message.is_some() || self.disconnect.is_some()
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let media_type = self.header(header::CONTENT_TYPE);
        let mut response = (self.status, self.body).into_response();
        if let Some(media_type) = media_type {
            response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        }
        response
    }
}
