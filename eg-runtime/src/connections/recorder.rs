//! `ConnectionRecorder`: what a test sees of the connections to which functions send. Calls nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eg_sdk::OffsetDateTime;

use super::{Connection, Presence};

/// Records what functions send to connections; see [`Connections::recording`](super::Connections::recording). Every id is that
/// of a connected client until it [leaves](Self::leave) or a function closes it. Clones share the recording.
#[derive(Debug, Clone, Default)]
pub struct ConnectionRecorder(Arc<Mutex<BTreeMap<String, Recorded>>>);

#[derive(Debug, Default)]
struct Recorded {
    sent: Vec<String>,
    is_gone: bool,
}

impl ConnectionRecorder {
    /// Returns what functions have sent to a connection, in order.
    #[must_use]
    pub fn sent(&self, connection: &str) -> Vec<String> {
        self.all().get(connection).map(|recorded| recorded.sent.clone()).unwrap_or_default()
    }

    /// Returns whether the client is still connected.
    #[must_use]
    pub fn is_connected(&self, connection: &str) -> bool {
        self.all().get(connection).is_none_or(|recorded| !recorded.is_gone)
    }

    /// Lets the client of a connection leave. No function hears of it; see
    /// [`TestApp::disconnect`](crate::testing::TestApp::disconnect).
    pub fn leave(&self, connection: &str) {
        self.all().entry(connection.to_owned()).or_default().is_gone = true;
    }

    /// Lets a client connect, perhaps one that has left.
    pub(crate) fn enter(&self, connection: &str) {
        self.all().entry(connection.to_owned()).or_default().is_gone = false;
    }

    pub(super) fn send(&self, connection: &str, text: String) -> Presence {
        if !self.is_connected(connection) {
            return Presence::Gone;
        }
        self.all().entry(connection.to_owned()).or_default().sent.push(text);
        Presence::Connected
    }

    pub(super) fn get(&self, connection: &str) -> Option<Connection> {
        // The recorder has no clock, so both times are fixed.
        self.is_connected(connection).then(|| Connection {
            connected_at: OffsetDateTime::UNIX_EPOCH,
            last_active_at: OffsetDateTime::UNIX_EPOCH,
            source_ip: "127.0.0.1".to_owned(),
            user_agent: None,
        })
    }

    pub(super) fn close(&self, connection: &str) -> Presence {
        let was = Presence::of(self.is_connected(connection));
        self.leave(connection);
        was
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Recorded>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
