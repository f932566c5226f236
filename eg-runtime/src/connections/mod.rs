//! `Connections`: the argument with which a function sends to the connections of a WebSocket API, looks them up and closes
//! them. Leaves the calls to the SDK, and the events of connections to `payload`.

mod recorder;

use axum::extract::FromRequestParts;
use bytes::Bytes;
use eg_sdk::__private::Connections as Client;
use eg_sdk::OffsetDateTime;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;

pub use self::recorder::ConnectionRecorder;
use crate::Error;
use crate::context::{NotAFunction, Scope};
use crate::sender::Sent;
use crate::shared::{Need, States, Unmet};

/// The connections of a WebSocket API, as an argument of a function: sends to a connection, looks it up, closes it.
///
/// ```
/// use eg_runtime::{CloudEvent, Connections, Data, Error, Presence, subscribe};
///
/// /// Answers each message to the connection that it comes from, whose id is the subject of the event.
/// #[subscribe("websocket.message")]
/// async fn echo(connections: Connections, message: CloudEvent) -> Result<(), Error> {
///     let connection = message.subject().unwrap_or_default();
///     let text = String::from_utf8_lossy(message.data.as_bytes());
///     if connections.send(connection, text).await? == Presence::Gone {
///         println!("the client has left");
///     }
///     Ok(())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// // In a test, the connections are an argument like any other.
/// let (connections, recorder) = Connections::recording();
/// let hello = Data::Binary("hello".into());
/// let hello = CloudEvent::of_type("websocket.message", "//x/ws", hello).with_subject("c1");
/// echo(connections, hello).await.unwrap();
/// assert_eq!(recorder.sent("c1"), ["hello"]);
/// # });
/// ```
///
/// The API is the one that `AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI` names, as `cargo eg run` and `cargo eg template` set
/// it. So functions with other triggers can send, too: on a schedule, or when an event arrives. Without the variable, it
/// is the API whose event the function handles.
///
/// A function with this argument may manage the connections of its application's API on AWS. The program needs the feature
/// `eventbridge` there, which signs the calls and which `cargo eg build` sets.
#[derive(Debug, Clone)]
pub struct Connections(Api);

#[derive(Debug, Clone)]
enum Api {
    Client(Box<Client>),
    Recorder(ConnectionRecorder),
}

/// Whether a connection is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a client that is gone gets nothing"]
pub enum Presence {
    /// The client is connected.
    Connected,
    /// The connection has ended, or never existed.
    Gone,
}

/// What the API knows about a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// When the client connected.
    pub connected_at: OffsetDateTime,
    /// When something was sent in either direction for the last time.
    pub last_active_at: OffsetDateTime,
    /// The address of the client.
    pub source_ip: String,
    /// The program of the client, if it says so.
    pub user_agent: Option<String>,
}

impl Connections {
    /// A function with this argument needs the client, and may manage connections.
    pub(crate) const NEED: Need = Need::of_connections::<Self>(provide);

    /// Creates connections in memory, for tests. The recorder has what was sent to them.
    #[must_use]
    pub fn recording() -> (Self, ConnectionRecorder) {
        let recorder = ConnectionRecorder::default();
        (Self::recorded_by(&recorder), recorder)
    }

    pub(crate) fn recorded_by(recorder: &ConnectionRecorder) -> Self {
        Self(Api::Recorder(recorder.clone()))
    }

    /// Sends a text message of at most 128 KiB, and returns once the API has it. A repeated attempt can send it twice.
    ///
    /// # Errors
    /// If the API is not known, refuses the message, or does not answer. That the client has left is no error.
    pub async fn send(&self, connection: &str, text: impl Into<String>) -> Result<Presence, Error> {
        let text = text.into();
        match &self.0 {
            Api::Client(client) => Ok(Presence::of(client.send(connection, Bytes::from(text)).await?)),
            Api::Recorder(recorder) => Ok(recorder.send(connection, text)),
        }
    }

    /// Sends a value as JSON.
    ///
    /// # Errors
    /// As for [`send`](Self::send), or if the value cannot be serialized.
    pub async fn send_json<T: Serialize + ?Sized>(
        &self,
        connection: &str,
        value: &T,
    ) -> Result<Presence, Error> {
        self.send(connection, serde_json::to_string(value)?).await
    }

    /// Looks up a connection; `None` if the client has left.
    ///
    /// # Errors
    /// If the API is not known, refuses the call, or does not answer.
    pub async fn get(&self, connection: &str) -> Result<Option<Connection>, Error> {
        match &self.0 {
            Api::Client(client) => match client.describe(connection).await? {
                Some(json) => Ok(Some(Connection::read(&json)?)),
                None => Ok(None),
            },
            Api::Recorder(recorder) => Ok(recorder.get(connection)),
        }
    }

    /// Closes a connection, if it is still there. The API then emits its `websocket.disconnect`.
    ///
    /// # Errors
    /// If the API is not known, refuses the call, or does not answer.
    pub async fn close(&self, connection: &str) -> Result<Presence, Error> {
        match &self.0 {
            Api::Client(client) => Ok(Presence::of(client.close(connection).await?)),
            Api::Recorder(recorder) => Ok(recorder.close(connection)),
        }
    }

    /// Returns the connections of the API that an invocation comes from, if the environment names none.
    fn of_invocation(self, sent: Option<&Sent>) -> Self {
        /// What the events of WebSocket APIs have in `requestContext`. REST APIs have no `connectionId`.
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Context {
            #[serde(rename = "connectionId")]
            _connection: String,
            api_id: String,
            stage: String,
        }
        let context = sent.and_then(|sent| sent.context.as_deref());
        let context: Option<Context> = context.and_then(|json| serde_json::from_str(json).ok());
        match (self.0, context) {
            (Api::Client(client), Some(Context { api_id, stage, .. })) => {
                Self(Api::Client(client.of_api(&api_id, &stage).into()))
            }
            (api, _) => Self(api),
        }
    }
}

/// Creates the client, if the app has none.
fn provide(states: &mut States) -> Result<(), Unmet> {
    let client = Client::from_env().map_err(|error| Unmet::Failed(error.into()))?;
    states.insert(Connections(Api::Client(client.into())));
    Ok(())
}

impl Presence {
    fn of(connected: bool) -> Self {
        if connected { Self::Connected } else { Self::Gone }
    }
}

impl Connection {
    fn read(json: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            connected_at: String,
            last_active_at: String,
            identity: Identity,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Identity {
            source_ip: String,
            user_agent: Option<String>,
        }
        let Answer { connected_at, last_active_at, identity } = serde_json::from_slice(json)?;
        Ok(Self {
            connected_at: OffsetDateTime::parse(&connected_at, &Rfc3339)?,
            last_active_at: OffsetDateTime::parse(&last_active_at, &Rfc3339)?,
            source_ip: identity.source_ip,
            user_agent: identity.user_agent,
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Connections {
    type Rejection = NotAFunction;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let Scope { shared, context, .. } = Scope::of(parts)?;
        let connections = shared.states.get::<Self>().ok_or(NotAFunction)?.clone();
        Ok(connections.of_invocation(context.invocation.sent.get()))
    }
}
