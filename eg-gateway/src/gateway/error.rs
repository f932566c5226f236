//! The reason why a gateway did not start.

use std::fmt;
use std::io;

use eg_grammar::Mistake;

use crate::options::ListenAddr;
use crate::store::StoreError;

/// The two APIs of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// The Events API.
    Events,
    /// The Config API.
    Config,
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Events => "Events API",
            Self::Config => "Config API",
        })
    }
}

/// The reason why a gateway did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another program is listening on the port.
    #[error("port {port} is already in use, so the {api} cannot listen there")]
    PortInUse {
        /// The API that needs it.
        api: Api,
        /// The port.
        port: u16,
    },
    /// The address cannot be used for another reason.
    #[error("the {api} cannot listen on {addr}: {source}")]
    Listen {
        /// The API that needs it.
        api: Api,
        /// The address.
        addr: ListenAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The address of the Connections API cannot be used.
    #[error("the connector's API cannot listen on {addr}: {source}")]
    Connector {
        /// The address.
        addr: ListenAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The certificate or the key cannot be used.
    #[error("the {api} cannot use TLS: {reason}")]
    Tls {
        /// The API that needs it.
        api: Api,
        /// The file and what is wrong with it.
        reason: String,
    },
    /// The root certificates for calls of functions cannot be used.
    #[error("cannot trust the root certificates of --ca-file: {0}")]
    Roots(String),
    /// One of [`Options::allowed_hosts`](crate::Options::allowed_hosts), or the domain, is not a host.
    #[error("cannot use this name of the gateway: {0}")]
    Name(Mistake),
    /// The store cannot be used.
    #[error("cannot open the store: {0}")]
    Store(#[from] StoreError),
    /// The stored configuration contradicts itself.
    #[error("the configuration stored in {place} cannot be used: {reason}")]
    Configuration {
        /// The directory of the store, or `the database`.
        place: String,
        /// The contradiction.
        reason: String,
    },
    /// The endpoint for spans cannot be used.
    #[cfg(feature = "otlp")]
    #[error("cannot send spans to {endpoint}: {reason}")]
    Spans {
        /// The endpoint.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
}
