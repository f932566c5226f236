//! Connections from within the process: the pages of the dashboard call the APIs over them, by the same code as clients do
//! over sockets, also where the ports have TLS or are bound to other addresses.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Api, Peer, Serving, http};

/// Bytes on their way in each direction of a connection.
const BUFFER: usize = 64 * 1024;

/// Connections that wait to be accepted.
const WAITING: usize = 64;

/// Opens connections to one API. Clones lead to the same.
#[derive(Debug, Clone)]
pub(crate) struct Door(mpsc::Sender<DuplexStream>);

/// The other side of a [`Door`].
#[derive(Debug)]
pub(crate) struct Arrivals(mpsc::Receiver<DuplexStream>);

/// Creates a door to an API that [`serve`] serves.
pub(crate) fn door() -> (Door, Arrivals) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Door(sender), Arrivals(receiver))
}

impl Door {
    /// Opens a connection and returns the client's end.
    pub(crate) fn open(&self) -> io::Result<DuplexStream> {
        let (client, server) = tokio::io::duplex(BUFFER);
        self.0.try_send(server).map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(client)
    }
}

/// Serves until `stop`, then finishes the requests under way. Clients count as programs on this machine.
pub(crate) async fn serve<A: Api>(mut arrivals: Arrivals, serving: Serving<A>, stop: CancellationToken) {
    let peer = Peer(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let graceful = GracefulShutdown::new();
    // Owned here, so that dropping this future ends the connections too.
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = open.join_next() => {}
            arrived = arrivals.0.recv() => {
                let Some(stream) = arrived else { break };
                // Without a place, the client finds its connection closed.
                let Some(place) = serving.connections.admit(peer.0.ip()) else { continue };
                let (serving, watcher) = (serving.clone(), graceful.watcher());
                open.spawn(async move {
                    let slot = Arc::clone(place.slot());
                    tokio::select! {
                        () = http(stream, peer, &slot, serving, watcher) => {}
                        () = slot.closed() => {}
                    }
                });
            }
        }
    }
    graceful.shutdown().await;
    open.join_all().await;
}
