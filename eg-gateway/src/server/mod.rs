//! Serves HTTP/1.1 connections: binds ports, accepts connections and shuts down gracefully. `connections` limits their
//! number, `pace` their duration, and `api` handles the requests.

mod answer;
mod connections;
pub(crate) mod framing;
pub(crate) mod inside;
mod linger;
mod pace;
mod screen;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use self::answer::Answer;
pub(crate) use self::connections::Connections;
use self::connections::{Open, Slot};
use self::linger::{Lingering, linger};
use self::pace::{HEAD, Paced};
use self::screen::Screened;
use crate::budget::{Budget, Holder, Reservation};
use crate::options::ListenAddr;

/// How long a connection may be idle. `pace` limits the time for a head that has begun.
const IDLE: Duration = Duration::from_secs(60);

/// Maximum number of bytes that are read ahead, and so of a head: a longer one gets a 431.
const READ_AHEAD: usize = 64 * 1024;

/// The answer for a client that the gateway has no room for.
const NO_ROOM: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// Pause after a failed accept, which usually means that the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Pause after connections have been told to close to make room.
const CLOSE_PAUSE: Duration = Duration::from_millis(1);

/// Maximum number of ports to try if the system's free IPv4 port is in use on IPv6.
const PORT_TRIES: usize = 20;

/// The address of the client at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Binds the address, and returns it with the actual port.
pub(crate) async fn bind(addr: ListenAddr) -> io::Result<(ListenAddr, Vec<TcpListener>)> {
    let mut tries = PORT_TRIES;
    loop {
        let first = TcpListener::bind(addr.first()).await?;
        let port = first.local_addr()?.port();
        if let ListenAddr::Exact(_) = addr {
            return Ok((addr.with_port(port), vec![first]));
        }
        match TcpListener::bind(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port)).await {
            Ok(second) => return Ok((addr.with_port(port), vec![first, second])),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
                tries -= 1;
                if addr.port() != 0 || tries == 0 {
                    return Err(e);
                }
            }
            // This machine has no IPv6.
            Err(_) => return Ok((addr.with_port(port), vec![first])),
        }
    }
}

/// The parts that the connections of one API share.
#[derive(Clone)]
pub(crate) struct Serving<A> {
    pub(crate) service: A,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) connections: Arc<Connections>,
    /// Memory for requests.
    pub(crate) memory: Budget,
}

/// What answers the requests to an API.
pub(crate) trait Api:
    Service<hyper::Request<Lingering>, Response = Response, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
{
}

impl<A> Api for A where
    A: Service<hyper::Request<Lingering>, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static
{
}

/// The connection was closed to make room when its request arrived.
#[derive(Debug, thiserror::Error)]
#[error("the connection is being closed")]
struct Closing;

/// Serves until `stop`, then finishes the requests under way.
pub(crate) async fn serve<A: Api>(listener: TcpListener, serving: Serving<A>, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    // Owned here, so that dropping this future ends the connections too.
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = open.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => match serving.connections.admit(address.ip()) {
                    Some(place) => {
                        open.spawn(connection(stream, Peer(address), place, serving.clone(), graceful.watcher()));
                    }
                    None => refuse(&stream, serving.tls.is_some()),
                },
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    // Connections that are told to close need a moment.
                    let pause =
                        if serving.connections.make_room() { CLOSE_PAUSE } else { ACCEPT_PAUSE };
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
    open.join_all().await;
}

/// Tells a client to come back later, as far as that takes no waiting.
fn refuse(stream: &TcpStream, tls: bool) {
    tracing::debug!("no room for a connection");
    if !tls {
        // The client finds the connection closed in any case.
        let _ = stream.try_write(NO_ROOM);
    }
}

async fn connection<A: Api>(
    stream: TcpStream,
    peer: Peer,
    place: Open,
    serving: Serving<A>,
    watcher: Watcher,
) {
    // A failure only delays small responses.
    let _ = stream.set_nodelay(true);
    let slot = Arc::clone(place.slot());
    let serve = async {
        let Some(tls) = serving.tls.clone() else { return http(stream, peer, &slot, serving, watcher).await };
        match tokio::time::timeout(HEAD, tls.accept(stream)).await {
            Ok(Ok(stream)) => http(stream, peer, &slot, serving, watcher).await,
            Ok(Err(error)) => tracing::debug!(%error, "the TLS handshake failed"),
            Err(_) => tracing::debug!("the TLS handshake did not finish in time"),
        }
    };
    tokio::select! {
        () = serve => {}
        () = slot.closed() => tracing::debug!("closed an idle connection to make room"),
    }
}

async fn http<S, A>(stream: S, peer: Peer, slot: &Arc<Slot>, serving: Serving<A>, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Api,
{
    let Serving { service, memory, .. } = serving;
    let client = Holder::client(peer.0.ip());
    let stream = Paced::new(Screened::new(stream), Arc::clone(slot), memory, client);
    let service = TowerToHyperService::new(service);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        let expected = slot.requested();
        request.extensions_mut().insert(peer);
        let response = service.call(linger(request));
        async move {
            if !expected {
                return Err(Closing);
            }
            let Ok(response) = response.await;
            let (mut head, body) = response.into_parts();
            let room = head.extensions.remove::<Arc<Reservation>>();
            Ok(hyper::Response::from_parts(head, Answer::new(body, Arc::clone(slot), room)))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(READ_AHEAD)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "connection ended");
    }
}
