//! The connection pool: opens connections, reuses idle ones, and enforces time limits.

use std::fmt;
use std::io;
#[cfg(feature = "history")]
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
#[cfg(feature = "history")]
use tokio::io::DuplexStream;

#[cfg(feature = "history")]
use super::connection::Arriving;
use super::connection::{Connection, RequestBody, Unanswered};
use super::url::Url;

/// The time limit for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum idle time of a connection. Middleboxes may silently drop connections that are idle for longer.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// The maximum number of idle connections.
const MAX_IDLE_CONNECTIONS: usize = 32;

/// Opens the client's end of a connection to a host and port.
#[cfg(feature = "history")]
pub(super) type Dial = Arc<dyn Fn(&str) -> io::Result<DuplexStream> + Send + Sync>;

/// The idle connections, and what opens new ones.
#[derive(Default)]
pub(super) struct Transport {
    idle: Mutex<Vec<Idle>>,
    /// What opens connections instead of TCP.
    #[cfg(feature = "history")]
    dial: Option<Dial>,
}

#[derive(Debug)]
struct Idle {
    tls: bool,
    authority: String,
    since: Instant,
    connection: Connection,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct TransportError(#[from] Kind);

#[derive(Debug, thiserror::Error)]
enum Kind {
    #[error("cannot connect to {0}: {1}")]
    Connect(String, io::Error),
    #[error("connecting to {0} timed out")]
    ConnectTimeout(String),
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
    #[error("timed out after {}", Seconds(*.0))]
    Timeout(Duration),
}

impl TransportError {
    /// Returns whether no connection was made, so that nothing was sent.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        matches!(self.0, Kind::Connect(..) | Kind::ConnectTimeout(_))
    }

    /// Returns whether the time limit was reached.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.0, Kind::Timeout(_) | Kind::ConnectTimeout(_))
    }
}

impl Transport {
    /// Opens connections with `dial`.
    #[cfg(feature = "history")]
    pub(super) fn over(dial: Dial) -> Self {
        Self { dial: Some(dial), ..Self::default() }
    }

    /// Sends `request` to `url` and sets its `Host` and path.
    pub(super) async fn send(
        &self,
        request: Request<RequestBody>,
        url: &Url,
        timeout: Duration,
    ) -> Result<Response<Bytes>, TransportError> {
        let request = addressed(request, url);
        match tokio::time::timeout(timeout, self.exchange(request, url)).await {
            Ok(outcome) => outcome.map_err(TransportError),
            Err(_) => Err(Kind::Timeout(timeout).into()),
        }
    }

    /// Sends `request` over a new connection and returns the response once its head has arrived. `timeout` applies to
    /// the head only; the body may take any time.
    #[cfg(feature = "history")]
    pub(super) async fn begin(
        &self,
        request: Request<RequestBody>,
        url: &Url,
        timeout: Duration,
    ) -> Result<Response<Arriving>, TransportError> {
        let request = addressed(request, url);
        let begin = async { Ok(self.open(url).await?.begin(request).await?) };
        match tokio::time::timeout(timeout, begin).await {
            Ok(outcome) => outcome.map_err(TransportError),
            Err(_) => Err(Kind::Timeout(timeout).into()),
        }
    }

    async fn exchange(&self, mut request: Request<RequestBody>, url: &Url) -> Result<Response<Bytes>, Kind> {
        while let Some(mut connection) = self.take(url) {
            match connection.exchange(request).await {
                Ok(response) => {
                    self.give_back(connection, url);
                    return Ok(response);
                }
                // The server closed the idle connection.
                Err(Unanswered::Unsent(unsent)) => request = *unsent,
                Err(Unanswered::Broken(error)) => return Err(error.into()),
            }
        }
        let mut connection = self.open(url).await?;
        match connection.exchange(request).await {
            Ok(response) => {
                self.give_back(connection, url);
                Ok(response)
            }
            Err(Unanswered::Unsent(_)) => {
                Err(Kind::Connect(url.address(), io::ErrorKind::ConnectionReset.into()))
            }
            Err(Unanswered::Broken(error)) => Err(error.into()),
        }
    }

    /// Returns the most recently used idle connection for `url`.
    fn take(&self, url: &Url) -> Option<Connection> {
        let mut idle = self.idle();
        idle.retain(|idle| idle.since.elapsed() < MAX_IDLE);
        let fits = |idle: &Idle| idle.tls == url.is_tls() && idle.authority == url.authority();
        let at = idle.iter().rposition(fits)?;
        Some(idle.remove(at).connection)
    }

    fn give_back(&self, connection: Connection, url: &Url) {
        if connection.is_open() {
            let mut idle = self.idle();
            if idle.len() == MAX_IDLE_CONNECTIONS {
                idle.remove(0);
            }
            let (tls, authority) = (url.is_tls(), url.authority().to_owned());
            idle.push(Idle { tls, authority, since: Instant::now(), connection });
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        // The lock guards no partial state.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn open(&self, url: &Url) -> Result<Connection, Kind> {
        let address = url.address();
        let open = async {
            #[cfg(feature = "history")]
            if let Some(dial) = &self.dial {
                return Connection::over(dial(url.authority())?).await;
            }
            #[cfg(feature = "tls")]
            if url.is_tls() {
                return Connection::open_tls(&address, url.host()).await;
            }
            Connection::open(&address).await
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, open).await {
            Ok(opened) => opened.map_err(|error| Kind::Connect(address, error)),
            Err(_) => Err(Kind::ConnectTimeout(address)),
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("idle", &self.idle).finish_non_exhaustive()
    }
}

/// Sets the request's `Host` and path from the URL.
fn addressed(mut request: Request<RequestBody>, url: &Url) -> Request<RequestBody> {
    *request.uri_mut() = url.target().parse().expect("URLs are checked when they are made");
    let host = HeaderValue::from_str(url.authority()).expect("so are their hosts");
    request.headers_mut().insert(header::HOST, host);
    request
}

/// Formats a duration for messages.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0.as_secs_f64())
    }
}
