//! Opens the sockets and the certificate of one API before the rest of the gateway exists. `server` serves the
//! connections.

use std::io;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::error::{Api, StartError};
use crate::budget::Budget;
use crate::options::{ListenAddr, Options};
use crate::server::{self, Connections, Serving};
use crate::tls::{self, TlsFiles};

/// A port that accepts connections once it is served.
pub(super) struct Port {
    addr: ListenAddr,
    listeners: Vec<TcpListener>,
    tls: Option<TlsAcceptor>,
}

impl Port {
    /// Opens the port of an API, with the certificate in `tls` or else for plain HTTP.
    pub(super) async fn open(api: Api, addr: ListenAddr, tls: Option<&TlsFiles>) -> Result<Self, StartError> {
        let (addr, listeners) = server::bind(addr).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::PortInUse { api, port: addr.port() },
            _ => StartError::Listen { api, addr, source },
        })?;
        Ok(Self { addr, listeners, tls: acceptor(api, tls)? })
    }

    /// Opens the port of the Connections API, if it is set. It uses the certificate of the Config API.
    pub(super) async fn open_connector(options: &Options) -> Result<Option<Self>, StartError> {
        let Some(addr) = options.connector_addr else { return Ok(None) };
        let (addr, listeners) =
            server::bind(addr).await.map_err(|source| StartError::Connector { addr, source })?;
        Ok(Some(Self { addr, listeners, tls: acceptor(Api::Config, options.config_tls.as_ref())? }))
    }

    /// Returns the URL for programs on this machine, with the actual port.
    pub(super) fn url(&self) -> String {
        self.addr.url(self.tls.is_some())
    }

    /// Serves at most `limit` connections at once, in tasks that end after `stop`. `memory` is that for requests.
    pub(super) fn serve(
        self,
        service: impl server::Api + Sync,
        limit: usize,
        memory: &Budget,
        stop: &CancellationToken,
        tasks: &mut JoinSet<()>,
    ) {
        let (tls, connections, memory) = (self.tls, Connections::new(limit), memory.clone());
        let serving = Serving { service, tls, connections, memory };
        for listener in self.listeners {
            tasks.spawn(server::serve(listener, serving.clone(), stop.clone()));
        }
    }
}

fn acceptor(api: Api, files: Option<&TlsFiles>) -> Result<Option<TlsAcceptor>, StartError> {
    files.map(tls::acceptor).transpose().map_err(|reason| StartError::Tls { api, reason })
}
