//! Serves HTTP/1.1 connections: binds ports, accepts and limits connections, and shuts down gracefully. `api` handles
//! the requests.

mod framing;
mod screen;

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use self::screen::Screened;
use crate::options::ListenAddr;

/// How long a client may take to send the head of a request, and how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Pause after a failed accept, which usually means that the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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

/// Serves until `stop`, then finishes the requests under way.
///
/// `limit` is the number of connections; further ones wait, all but one in the operating system's queue.
pub(crate) async fn serve(
    listener: TcpListener,
    service: Router,
    tls: Option<TlsAcceptor>,
    limit: Arc<Semaphore>,
    stop: CancellationToken,
) {
    let graceful = GracefulShutdown::new();
    // Owned here, so that dropping this future ends the connections too.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let permit = tokio::select! {
                        () = stop.cancelled() => break,
                        permit = Arc::clone(&limit).acquire_owned() => permit,
                    };
                    let connection = connection(stream, Peer(peer), service.clone(), tls.clone(), graceful.watcher());
                    connections.spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
    connections.join_all().await;
}

async fn connection(
    stream: TcpStream,
    peer: Peer,
    service: Router,
    tls: Option<TlsAcceptor>,
    watcher: Watcher,
) {
    // A failure only delays small responses.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return http(stream, peer, service, watcher).await };
    match tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => http(stream, peer, service, watcher).await,
        Ok(Err(error)) => tracing::debug!(%error, "the TLS handshake failed"),
        Err(_) => tracing::debug!("the TLS handshake did not finish in time"),
    }
}

async fn http<S>(stream: S, peer: Peer, service: Router, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(service);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(Screened::new(stream)), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "connection ended");
    }
}
