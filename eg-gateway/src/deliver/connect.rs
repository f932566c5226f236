//! Opens HTTP/1.1 connections to functions (with TLS for `https` URLs), drives them in the task that waits for the
//! response, and keeps them for later calls. `http` builds the requests and interprets the responses.

use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service as _;

use super::resolve::Resolver;
use crate::clock;
use crate::decide::targets::PrivateTargets;
use crate::tls;

/// Timeout for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an idle connection is kept.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// Opens connections.
pub(super) type Connector = HttpsConnector<HttpConnector<Resolver>>;

/// The reason why there is no response.
pub(super) type SendError = Box<dyn Error + Send + Sync>;

/// Transfers the bytes of an open connection while it is polled.
type Driver = http1::Connection<MaybeHttpsStream<TokioIo<TcpStream>>, Full<Bytes>>;

/// The connections to one origin.
pub(super) struct Pool {
    connector: Connector,
    origin: Uri,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// Idle connections and when they became idle, the oldest first.
    connections: Vec<(Instant, Connection)>,
    /// Whether a task is running that closes connections that are idle for too long.
    swept: bool,
}

/// An open connection, used for one exchange after the other. The task that waits for the response drives it, because
/// a separate task would have to be woken twice for each exchange. If the host closes an idle connection, this is
/// detected only when the connection is used again.
struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// `None` once the connection is closed.
    driver: Option<Pin<Box<Driver>>>,
}

#[allow(clippy::large_enum_variant, reason = "lives for one call, and only when the call fails")]
enum Unanswered {
    /// The connection had been closed and nothing was sent. The request can be sent on another connection.
    Unsent(Request<Full<Bytes>>),
    Failed(SendError),
}

/// Returns the connector for the hosts of functions. It refuses names that resolve only to addresses that are not
/// allowed.
pub(super) fn connector(allowed: &Arc<PrivateTargets>) -> Connector {
    let mut tcp = HttpConnector::new_with_resolver(Resolver::new(allowed));
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    HttpsConnector::from((tcp, tls::client()))
}

impl Pool {
    /// Creates a pool without connections. `origin` has a scheme and an authority.
    pub(super) fn new(connector: Connector, origin: Uri) -> Arc<Self> {
        Arc::new(Self { connector, origin, idle: Mutex::default() })
    }

    /// Sends a request and reads the whole response. The request must be in origin form and have a `Host` header. The
    /// body of the response may have at most `limit` bytes.
    pub(super) async fn send(
        self: &Arc<Self>,
        mut request: Request<Full<Bytes>>,
        limit: usize,
    ) -> Result<Response<Bytes>, SendError> {
        loop {
            let kept = self.idle().connections.pop();
            let (is_new, mut connection) = match kept {
                Some((_, connection)) => (false, connection),
                // This future is large. On the heap, it costs memory only in the calls that need it.
                None => (true, Box::pin(self.open()).await?),
            };
            match connection.exchange(request, limit).await {
                Ok(response) => {
                    self.keep(connection);
                    return Ok(response);
                }
                Err(Unanswered::Unsent(unsent)) if !is_new => request = unsent,
                Err(Unanswered::Unsent(_)) => return Err("the connection was closed at once".into()),
                Err(Unanswered::Failed(error)) => return Err(error),
            }
        }
    }

    async fn open(&self) -> Result<Connection, SendError> {
        let mut connector = self.connector.clone();
        poll_fn(|context| connector.poll_ready(context)).await?;
        let stream = connector.call(self.origin.clone()).await?;
        let (sender, driver) = http1::handshake(stream).await?;
        Ok(Connection { sender, driver: Some(Box::pin(driver)) })
    }

    fn keep(self: &Arc<Self>, connection: Connection) {
        if connection.driver.is_none() || connection.sender.is_closed() {
            return;
        }
        let mut idle = self.idle();
        idle.connections.push((clock::instant(), connection));
        if !std::mem::replace(&mut idle.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes connections that are idle for too long, until none is left.
async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(MAX_IDLE).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.idle();
        idle.connections.retain(|(since, _)| clock::instant().duration_since(*since) < MAX_IDLE);
        if idle.connections.is_empty() {
            idle.swept = false;
            return;
        }
    }
}

impl Connection {
    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        limit: usize,
    ) -> Result<Response<Bytes>, Unanswered> {
        let Self { sender, driver } = self;
        let exchange = async {
            if sender.ready().await.is_err() {
                return Err(Unanswered::Unsent(request));
            }
            let response =
                sender.try_send_request(request).await.map_err(|mut error| match error.take_message() {
                    Some(request) => Unanswered::Unsent(request),
                    None => Unanswered::Failed(error.into_error().into()),
                })?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, limit).collect().await.map_err(Unanswered::Failed)?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        let mut exchange = pin!(exchange);
        poll_fn(|context| {
            // The exchange waits only for the driver and is polled after it, so it needs no waker.
            let mut unheard = Context::from_waker(Waker::noop());
            // The second time, the driver sends what the exchange has just passed to it.
            for _ in 0..2 {
                // The driver reports to the exchange how the connection ended.
                if driver.as_mut().is_some_and(|driver| driver.as_mut().poll(context).is_ready()) {
                    *driver = None;
                }
                if let Poll::Ready(outcome) = exchange.as_mut().poll(&mut unheard) {
                    return Poll::Ready(outcome);
                }
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::resolve::blocked;
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    fn pool(listener: &TcpListener, host: &str, allowed: PrivateTargets) -> Arc<Pool> {
        let origin = format!("http://{host}:{}", listener.local_addr().unwrap().port());
        Pool::new(connector(&Arc::new(allowed)), origin.parse().unwrap())
    }

    fn post() -> Request<Full<Bytes>> {
        Request::post("/").header("host", "h").body(Full::from("event")).unwrap()
    }

    async fn read_request(stream: &mut TcpStream) {
        let mut read = Vec::new();
        while !read.ends_with(b"event") {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0, "{read:?}");
        }
    }

    #[tokio::test]
    async fn a_connection_serves_one_exchange_after_the_other() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pool = pool(&listener, "127.0.0.1", PrivateTargets::all());
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            for _ in 0..3 {
                read_request(&mut stream).await;
                stream.write_all(ANSWER).await.unwrap();
            }
        };
        let call = async {
            for _ in 0..3 {
                assert_eq!(pool.send(post(), 2).await.unwrap().into_body(), "ok");
            }
        };
        tokio::join!(serve, call);
    }

    /// The host closes an idle connection. The next call must not fail because of that.
    #[tokio::test]
    async fn a_connection_that_was_closed_while_idle_is_replaced() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pool = pool(&listener, "127.0.0.1", PrivateTargets::all());
        let serve = async {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().await.unwrap();
                read_request(&mut stream).await;
                stream.write_all(ANSWER).await.unwrap();
            }
        };
        let call = async {
            assert_eq!(pool.send(post(), 2).await.unwrap().into_body(), "ok");
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(pool.send(post(), 2).await.unwrap().into_body(), "ok");
        };
        tokio::join!(serve, call);
    }

    #[tokio::test]
    async fn a_response_that_is_too_large_is_not_read() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pool = pool(&listener, "127.0.0.1", PrivateTargets::all());
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            stream.write_all(ANSWER).await.unwrap();
        };
        let (response, ()) = tokio::join!(pool.send(post(), 1), serve);
        assert!(response.unwrap_err().is::<http_body_util::LengthLimitError>());
        assert!(pool.idle().connections.is_empty());
    }

    #[tokio::test]
    async fn idle_connections_are_closed_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pool = pool(&listener, "127.0.0.1", PrivateTargets::all());
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            stream.write_all(ANSWER).await.unwrap();
            stream
        };
        let (response, mut stream) = tokio::join!(pool.send(post(), 2), serve);
        response.unwrap();
        assert!(!pool.idle().connections.is_empty());
        pool.idle().connections[0].0 -= MAX_IDLE;
        tokio::time::pause();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    }

    /// A name does not show where it leads, so its addresses are checked when it is resolved. (This name is in every
    /// hosts file. `http` would have refused it earlier.)
    #[tokio::test]
    async fn names_that_lead_to_private_addresses_are_not_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let error = pool(&listener, "localhost", PrivateTargets::none()).send(post(), 2).await.unwrap_err();
        assert!(blocked(&*error).is_some(), "{error:?}");

        let allowed = pool(&listener, "localhost", PrivateTargets::none().allow("127.0.0.0/8").unwrap());
        let request = tokio::spawn(async move { allowed.send(post(), 2).await });
        listener.accept().await.unwrap();
        request.abort();
    }
}
