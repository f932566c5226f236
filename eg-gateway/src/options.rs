//! What a gateway is started with. Reads no flags and no environment: that is `cli`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::decide::access::AccessKeys;
use crate::decide::retry::RetryPolicy;
use crate::decide::targets::PrivateTargets;
use crate::tls::TlsFiles;

/// Settings of a [`Gateway`](crate::Gateway). Start from [`Options::new`] and change what differs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Where the Events API listens.
    pub events_addr: ListenAddr,
    /// Where the Config API listens.
    pub config_addr: ListenAddr,
    /// Directory of the store; created (mode 0700) when it does not exist.
    pub data_dir: PathBuf,
    /// URL of a Lambda on this machine, such as `cargo eg`'s: all `awslambda` functions are called there, over plain HTTP
    /// and without a signature, whatever `lambda_endpoint` and `aws_endpoint` say. `None`: they are in AWS.
    pub local_lambda: Option<String>,
    /// Endpoint of the Lambda Invoke API. `None`: AWS, by region.
    #[cfg(feature = "aws")]
    pub lambda_endpoint: Option<String>,
    /// Endpoint of all AWS APIs, for example moto's; for Lambda, `lambda_endpoint` wins. `None`: AWS, by region, and for
    /// queues the place that their URL names.
    #[cfg(feature = "aws")]
    pub aws_endpoint: Option<String>,
    /// When failed deliveries are tried again, for subscriptions that say nothing else.
    pub retry: RetryPolicy,
    /// For how long an event with the source and id of an earlier one, sent to the same place as the same type, is a
    /// duplicate: it gets its `202`, and nothing follows. Zero: never; nor are events of CloudEvents 0.1, whose clients
    /// may repeat their ids.
    pub dedupe_window: Duration,
    /// How many events may lead to one another, by their extension `hops`, before the last one is taken for part of a
    /// loop and becomes a dead letter.
    pub max_hops: u64,
    /// Bytes of requests and of deliveries under way that are held in memory, each. Beyond that emitters get a 503.
    pub memory_limit: usize,
    /// Events are forgotten this long after they were accepted, once their deliveries are over. Dead letters stay
    /// until they are redriven or discarded.
    pub retention: Duration,
    /// When the store is larger, in bytes, the oldest events that are over are forgotten early. When that is not enough,
    /// emitters get a 503.
    pub store_limit: u64,
    /// How many deliveries may be under way at once, all functions together. At least 1.
    pub workers: usize,
    /// Time limit of one call of a function that is not on Lambda, unless the function has a `timeout` of its own.
    pub http_timeout: Duration,
    /// Time limit of one call of an `awslambda` function, unless it has a `timeout` of its own.
    pub lambda_timeout: Duration,
    /// Largest accepted request body in bytes.
    pub body_limit: usize,
    /// At which private addresses functions may be. Without any, a gateway on a server cannot be made to call what else
    /// runs there. A local gateway wants [`PrivateTargets::all`].
    pub private_targets: PrivateTargets,
    /// Who may configure and emit.
    pub access_keys: AccessKeys,
    /// Whether to keep two quirks of the original: bodies whose content type has parameters, and JSON that is no object,
    /// reach functions as base64; and of `http` functions only status 500 is a failure.
    pub strict_compat: bool,
    /// Where the connector of the original would listen, for tools that ask it for its connections. `None`: nowhere.
    pub connector_addr: Option<ListenAddr>,
    /// Certificate and key of the Events API. `None`: plain HTTP.
    pub events_tls: Option<TlsFiles>,
    /// Certificate and key of the Config API. `None`: plain HTTP.
    pub config_tls: Option<TlsFiles>,
    /// How many connections each API takes at once. Others wait until one ends. At least 1.
    pub max_connections: usize,
    /// The OpenTelemetry collector that spans are sent to over OTLP/HTTP, for example `http://localhost:4318`. `None`:
    /// nobody gets them.
    #[cfg(feature = "otlp")]
    pub otlp_endpoint: Option<String>,
    /// Requests to the host `<space>.<domain>` belong to that space. `None`: only the path says which space it is.
    pub domain: Option<String>,
}

impl Options {
    /// The defaults: loopback ports 4000 (Events API) and 4001 (Config API), and a store in `data_dir`.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            events_addr: ListenAddr::Loopback(4000),
            config_addr: ListenAddr::Loopback(4001),
            data_dir: data_dir.into(),
            local_lambda: None,
            #[cfg(feature = "aws")]
            lambda_endpoint: None,
            #[cfg(feature = "aws")]
            aws_endpoint: None,
            retry: RetryPolicy::default(),
            dedupe_window: Duration::from_secs(5 * 60),
            max_hops: 16,
            memory_limit: 64 * 1024 * 1024,
            retention: Duration::from_secs(7 * 24 * 60 * 60),
            store_limit: 10 * 1024 * 1024 * 1024,
            workers: 400,
            http_timeout: Duration::from_secs(30),
            // A function may run for 15 minutes (Lambda quota); its answer needs a moment to travel.
            lambda_timeout: Duration::from_secs(15 * 60 + 10),
            // Lambda takes payloads of 6 MB; the envelope around a body needs a little room.
            body_limit: 6 * 1024 * 1024 + 64 * 1024,
            private_targets: PrivateTargets::none(),
            access_keys: AccessKeys::default(),
            domain: None,
            strict_compat: false,
            connector_addr: None,
            events_tls: None,
            config_tls: None,
            max_connections: 4096,
            #[cfg(feature = "otlp")]
            otlp_endpoint: None,
        }
    }
}

/// Where an API listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenAddr {
    /// This port on 127.0.0.1 and, where the machine has IPv6, on `[::1]`. Port 0: any free one, the same on both.
    Loopback(u16),
    /// Exactly this address.
    Exact(SocketAddr),
}

impl ListenAddr {
    /// The port asked for; 0 for any.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Loopback(port) => port,
            Self::Exact(addr) => addr.port(),
        }
    }

    /// The same place with another port.
    #[must_use]
    pub fn with_port(self, port: u16) -> Self {
        match self {
            Self::Loopback(_) => Self::Loopback(port),
            Self::Exact(addr) => Self::Exact(SocketAddr::new(addr.ip(), port)),
        }
    }

    /// The URL under which programs on this machine reach it.
    pub(crate) fn url(self, https: bool) -> String {
        let scheme = if https { "https" } else { "http" };
        match self {
            Self::Loopback(port) => format!("{scheme}://localhost:{port}"),
            Self::Exact(addr) if addr.ip().is_unspecified() => {
                format!("{scheme}://localhost:{}", addr.port())
            }
            Self::Exact(addr) => format!("{scheme}://{addr}"),
        }
    }

    /// The addresses to bind, the indispensable one first.
    pub(crate) fn first(self) -> SocketAddr {
        match self {
            Self::Loopback(port) => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
            Self::Exact(addr) => addr,
        }
    }
}

impl From<u16> for ListenAddr {
    fn from(port: u16) -> Self {
        Self::Loopback(port)
    }
}

impl From<SocketAddr> for ListenAddr {
    fn from(addr: SocketAddr) -> Self {
        Self::Exact(addr)
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback(port) => write!(f, "localhost:{port}"),
            Self::Exact(addr) => addr.fmt(f),
        }
    }
}
