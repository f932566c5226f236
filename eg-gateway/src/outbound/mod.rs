//! Opens HTTP/1.1 connections (with TLS for `https` URLs, through a proxy if there is one), drives them in the task that
//! waits for the response, and keeps them for later calls. The callers build the requests and interpret the responses.

pub(crate) mod arriving;
mod lookups;
pub(crate) mod reading;
pub(crate) mod resolve;

use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::HOST;
use http::uri::Scheme;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use self::arriving::Arriving;
use self::reading::Reading;
use self::resolve::Resolver;
use crate::clock;
use crate::decide::targets::PrivateTargets;
use crate::options::Options;
use crate::tls::ClientTls;

/// Timeout for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum number of bytes that a connection reads ahead, for the head of a response and for each piece of its body.
const READ_AHEAD: usize = 64 * 1024;

/// How long an idle connection is kept.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// Opens connections. Clones share the settings.
#[derive(Clone)]
pub(crate) struct Connector {
    resolver: Resolver,
    tcp: HttpConnector<Resolver>,
    proxy: Option<Arc<Matcher>>,
    tls: ClientTls,
}

/// The reason why there is no response.
pub(crate) type SendError = Box<dyn Error + Send + Sync>;

/// No connection to the host of a function, or of the local Lambda.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to {host}")]
struct NotConnected {
    /// The host, with its port if the URL has one.
    host: String,
    source: SendError,
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Transfers the bytes of an open connection while it is polled.
type Driver = http1::Connection<Stream, Full<Bytes>>;

/// The connections to one origin.
pub(crate) struct Pool {
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

impl Connector {
    /// Returns the connector for the hosts of functions. It refuses names that resolve only to addresses that are not
    /// allowed. `https` connections use the proxy of the options.
    pub(crate) fn of_functions(options: &Options, tls: &ClientTls, allowed: &Arc<PrivateTargets>) -> Self {
        let proxy = options.https_proxy.as_ref().map(|proxy| {
            let except = options.no_proxy.as_deref().unwrap_or_default();
            Arc::new(Matcher::builder().https(proxy.as_str()).no(except).build())
        });
        Self::new(tls, Resolver::new(allowed), proxy)
    }

    /// Returns the connector for hosts that the operator of the gateway sets.
    pub(crate) fn of_operator(tls: &ClientTls) -> Self {
        Self::new(tls, Resolver::unrestricted(), None)
    }

    fn new(tls: &ClientTls, resolver: Resolver, proxy: Option<Arc<Matcher>>) -> Self {
        Self { tcp: tcp(resolver.clone()), resolver, proxy, tls: tls.clone() }
    }

    async fn connect(&self, origin: &Uri) -> Result<Stream, SendError> {
        if origin.scheme() == Some(&Scheme::HTTP) {
            return Ok(MaybeHttpsStream::Http(called(self.tcp.clone(), origin.clone()).await?));
        }
        let tls = self.tls.config();
        let Some(proxy) = self.proxy.as_ref().and_then(|proxy| proxy.intercept(origin)) else {
            return called(HttpsConnector::from((self.tcp.clone(), tls)), origin.clone()).await;
        };
        // The proxy resolves the name again; the rules for private addresses hold for what the gateway sees.
        self.resolver.check(origin.host().unwrap_or_default()).await?;
        let mut tunnel = Tunnel::new(proxy.uri().clone(), tcp(Resolver::unrestricted()));
        if let Some(credentials) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        called(HttpsConnector::from((tunnel, tls)), origin.clone()).await
    }
}

fn tcp(resolver: Resolver) -> HttpConnector<Resolver> {
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp
}

/// Calls a connector as soon as it is ready.
async fn called<S>(mut connector: S, origin: Uri) -> Result<S::Response, SendError>
where
    S: Service<Uri, Error: Into<SendError>>,
{
    poll_fn(|context| connector.poll_ready(context)).await.map_err(Into::into)?;
    connector.call(origin).await.map_err(Into::into)
}

impl Pool {
    /// Creates a pool without connections. `origin` has a scheme and an authority.
    pub(crate) fn new(connector: Connector, origin: Uri) -> Arc<Self> {
        Arc::new(Self { connector, origin, idle: Mutex::default() })
    }

    /// Sends a request with an absolute URL, as [`send`](Self::send) does.
    pub(crate) async fn send_absolute(
        self: &Arc<Self>,
        request: Request<Full<Bytes>>,
        limit: usize,
        reading: Reading<'_>,
    ) -> Result<Response<Bytes>, SendError> {
        self.send(in_origin_form(request)?, limit, reading).await
    }

    /// Sends a request with an absolute URL, as [`begin`](Self::begin) does.
    pub(crate) async fn begin_absolute(
        self: &Arc<Self>,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Arriving>, SendError> {
        self.begin(in_origin_form(request)?).await
    }

    /// Sends a request and reads the whole response; `reading` says how much of it is kept. The request must be in origin
    /// form and have a `Host` header. The body of the response may have at most `limit` bytes.
    pub(crate) async fn send(
        self: &Arc<Self>,
        request: Request<Full<Bytes>>,
        limit: usize,
        reading: Reading<'_>,
    ) -> Result<Response<Bytes>, SendError> {
        let read = |response: Response<Incoming>| async move {
            let (head, body) = response.into_parts();
            Ok(Response::from_parts(head, reading.read(body, limit).await?))
        };
        let (response, connection) = self.exchange(request, read).await?;
        self.keep(connection);
        Ok(response)
    }

    /// Sends a request and returns the response when its head has arrived. The request must be in origin form and have a
    /// `Host` header.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Arriving>, SendError> {
        let (response, connection) = self.exchange(request, |response| async { Ok(response) }).await?;
        Ok(response.map(|body| Arriving::new(body, connection, Arc::clone(self))))
    }

    /// Sends a request over an idle or a new connection, and reads the response with `read`.
    async fn exchange<T, F>(
        &self,
        mut request: Request<Full<Bytes>>,
        read: impl Fn(Response<Incoming>) -> F,
    ) -> Result<(T, Connection), SendError>
    where
        F: Future<Output = Result<T, SendError>>,
    {
        loop {
            let kept = self.idle().connections.pop();
            let (is_new, mut connection) = match kept {
                Some((_, connection)) => (false, connection),
                // This future is large. On the heap, it costs memory only in the calls that need it.
                None => (true, Box::pin(self.open()).await?),
            };
            match connection.exchange(request, &read).await {
                Ok(response) => return Ok((response, connection)),
                Err(Unanswered::Unsent(unsent)) if !is_new => request = unsent,
                Err(Unanswered::Unsent(_)) => return Err("the connection was closed at once".into()),
                Err(Unanswered::Failed(error)) => return Err(error),
            }
        }
    }

    async fn open(&self) -> Result<Connection, SendError> {
        let stream = self.connector.connect(&self.origin).await.map_err(|source| {
            let port = self.origin.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
            NotConnected { host: format!("{}{port}", self.origin.host().unwrap_or_default()), source }
        })?;
        let (sender, driver) = http1::Builder::new().max_buf_size(READ_AHEAD).handshake(stream).await?;
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

/// Returns a request to an absolute URL in origin form, with a `Host` header.
fn in_origin_form(mut request: Request<Full<Bytes>>) -> Result<Request<Full<Bytes>>, SendError> {
    let host = request.uri().authority().map(|host| HeaderValue::from_str(host.as_str())).transpose()?;
    let target = request.uri().path_and_query().cloned();
    *request.uri_mut() = target.map_or_else(Uri::default, Uri::from);
    request.headers_mut().extend(host.map(|host| (HOST, host)));
    Ok(request)
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
    async fn exchange<T, F>(
        &mut self,
        request: Request<Full<Bytes>>,
        read: impl Fn(Response<Incoming>) -> F,
    ) -> Result<T, Unanswered>
    where
        F: Future<Output = Result<T, SendError>>,
    {
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
            read(response).await.map_err(Unanswered::Failed)
        };
        let mut exchange = pin!(exchange);
        poll_fn(|context| {
            // The exchange waits only for the driver and is polled after it, so it needs no waker.
            let mut unheard = Context::from_waker(Waker::noop());
            // The second time, the driver sends what the exchange has just passed to it.
            for _ in 0..2 {
                drive(driver, context);
                if let Poll::Ready(outcome) = exchange.as_mut().poll(&mut unheard) {
                    return Poll::Ready(outcome);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Lets the driver transfer what it can. It reports to the exchange, or to the body, how the connection ended.
fn drive(driver: &mut Option<Pin<Box<Driver>>>, context: &mut Context<'_>) {
    if driver.as_mut().is_some_and(|connection| connection.as_mut().poll(context).is_ready()) {
        *driver = None;
    }
}

#[cfg(test)]
mod tests;
