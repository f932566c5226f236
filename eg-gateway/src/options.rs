//! The settings of a gateway, with their defaults. `cli` reads them from flags and the environment.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use eg_grammar::limits;

use crate::decide::access::AccessKeys;
use crate::decide::targets::PrivateTargets;
use crate::store::StoreUrl;
use crate::tls::TlsFiles;
use eg_grammar::DeliveryPolicy;

/// Settings of a [`Gateway`](crate::Gateway). Start from [`Options::new`] and change what differs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Address of the Events API.
    pub events_addr: ListenAddr,
    /// Address of the Config API.
    pub config_addr: ListenAddr,
    /// Directory of the store. Created with mode 0700 if it does not exist.
    pub data_dir: PathBuf,
    /// Database that keeps the store instead of `data_dir`. Any number of gateways may work with the same one.
    pub store: Option<StoreUrl>,
    /// How long this gateway may be silent before others that work with `store` take over what it had under way. At least a second.
    pub store_lease: Duration,
    /// URL of a Lambda emulator on this machine, such as that of `cargo eg`. All `awslambda` functions are called there,
    /// over plain HTTP and without a signature; it takes precedence over `lambda_endpoint` and `aws_endpoint`. `None`: the
    /// functions are in AWS.
    pub local_lambda: Option<String>,
    /// Endpoint of the Lambda Invoke API. `None`: AWS, in the function's region.
    #[cfg(feature = "aws")]
    pub lambda_endpoint: Option<String>,
    /// Endpoint of all AWS APIs, for example moto's; for Lambda, `lambda_endpoint` takes precedence. `None`: AWS, in the
    /// function's region, and for a queue the host in its URL.
    #[cfg(feature = "aws")]
    pub aws_endpoint: Option<String>,
    /// Retry policy of subscriptions that have none of their own.
    pub retry: DeliveryPolicy,
    /// How long the gateway recognises duplicates: events with the source, id, type, method and path of an earlier one. A
    /// duplicate gets a `202` and is not delivered again. Zero turns this off. Events of CloudEvents 0.1 are never
    /// duplicates, because their clients may repeat ids.
    pub dedupe_window: Duration,
    /// Maximum length of a chain of events that cause one another, counted in the extension `hops`. Deliveries of an event
    /// beyond it become dead letters, because the chain is probably a loop.
    pub max_hops: u64,
    /// Maximum number of events that one event may lead to, directly and through others. Only events count that name a cause
    /// in `causationid` which the gateway knows, or have `hops`; with 0, none of them is delivered. Deliveries of further ones become dead letters, because the chain branches without end.
    pub max_fan_out: u64,
    /// Number of events in a row after which a function is stopped that keeps itself busy: each event for it is emitted
    /// because of the one before, has no known cause, and comes within 100 ms. The deliveries that wait then become dead
    /// letters. 0, the default, turns this off; use at least 1,000, see [Loops](crate#loops).
    pub max_loop: u64,
    /// Bytes of memory for requests and their answers, and the same again for deliveries under way. When it is used up,
    /// clients get a 503; see [Under load](crate#under-load).
    pub memory_limit: usize,
    /// How long events are kept after they were accepted. An event with an unfinished delivery or a dead letter is kept
    /// longer; dead letters stay until somebody redrives or discards them.
    pub retention: Duration,
    /// Whether to take over the time of the machine at the start even if its clock was set since the last gateway with this
    /// store ran. Ages of events and deliveries count that. Without it, the gateway follows slowly, on Linux and until the
    /// machine is restarted.
    pub trust_clock: bool,
    /// Maximum size of the store in bytes, without its write-ahead log, which takes up to some 20 MiB. From nine tenths
    /// of it on, the oldest finished events are deleted early, and only spaces that hold less than their equal share may
    /// store more. Emitters whose events do not fit get a 503.
    pub store_limit: u64,
    /// Maximum number of concurrent deliveries, over all functions. At least 1.
    pub workers: usize,
    /// Timeout of a call to a function that is not on Lambda, unless the function has a `timeout`.
    pub http_timeout: Duration,
    /// Timeout of a call to an `awslambda` function, unless the function has a `timeout`.
    pub lambda_timeout: Duration,
    /// Maximum size of a request body in bytes.
    pub body_limit: usize,
    /// Maximum size of a function's reply in bytes. A call with a larger one fails. Lambda's own limit is 6 MB.
    pub reply_limit: usize,
    /// PEM file with root certificates that the gateway trusts when it calls functions, besides Mozilla's and those of the
    /// machine. For functions behind a private certificate authority.
    pub ca_file: Option<PathBuf>,
    /// URL of the proxy (`http://…`) for `https` functions; the gateway opens tunnels through it. It still resolves the
    /// functions' names itself and refuses those that lead only to private addresses, unless they are allowed. `None`:
    /// the gateway connects to functions directly.
    pub https_proxy: Option<String>,
    /// Hosts that are called without the proxy, in the syntax of `NO_PROXY`: domains, addresses and networks, separated by
    /// commas.
    pub no_proxy: Option<String>,
    /// The private addresses where functions may be. The default, none, keeps anyone who may register functions from
    /// reaching other services in the gateway's network. A local gateway needs [`PrivateTargets::all`].
    pub private_targets: PrivateTargets,
    /// The keys that clients need to configure the gateway and to emit events.
    pub access_keys: AccessKeys,
    /// Whether routes and spaces follow the rules of the original, see [Routes](crate#routes) and [Spaces](crate#spaces), and
    /// whether to keep other quirks: bodies whose content type has parameters, and JSON that is not an object,
    /// reach functions as base64; the names of a query are sorted, and its exact text and the white space around JSON are
    /// lost; and status 500 is the only failure of an `http` function.
    pub strict_compat: bool,
    /// Address of the original's Connections API, for deployment tools that query it. `None`: it is not served.
    pub connector_addr: Option<ListenAddr>,
    /// Further names under which clients call the APIs, besides `localhost`, the loopback addresses, the addresses that the
    /// APIs listen on and the names under `domain`: hosts like `events.example`, or all hosts below one like `*.example`. An
    /// API that needs no key refuses other names, because they may be those of a web page that points its name to this
    /// machine. Pages under these names may use the APIs. See [Web pages](crate#web-pages).
    pub allowed_hosts: Vec<String>,
    /// Certificate and key of the Events API. `None`: plain HTTP.
    pub events_tls: Option<TlsFiles>,
    /// Certificate and key of the Config API. `None`: plain HTTP.
    pub config_tls: Option<TlsFiles>,
    /// Maximum number of connections to each API; fewer if the process may not open so many files. When all are open,
    /// those that wait for a request make room; see [Under load](crate#under-load). At least 1.
    pub max_connections: usize,
    /// The number of calls of functions whose answers and logs are kept in memory, for the dashboard: at most about 8 KB each.
    /// The newest are kept, and no function displaces the few calls of another one. Functions on Lambda are asked for the end
    /// of their log with each call. 0: none are kept.
    pub recent_calls: usize,
    /// URL of the OpenTelemetry collector that receives spans over OTLP/HTTP, for example `http://localhost:4318`. `None`:
    /// no spans are recorded.
    #[cfg(feature = "otlp")]
    pub otlp_endpoint: Option<String>,
    /// Domain whose subdomains are spaces: a request to `<space>.<domain>` belongs to `<space>`. `None`: the path alone
    /// determines the space.
    pub domain: Option<String>,
}

impl Options {
    /// The [`recent_calls`](Self::recent_calls) of a gateway on a developer's machine.
    pub const RECENT_CALLS: usize = 1_000;

    /// Returns the defaults: loopback ports 4000 (Events API) and 4001 (Config API), and a store in `data_dir`.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            events_addr: ListenAddr::Loopback(4000),
            config_addr: ListenAddr::Loopback(4001),
            data_dir: data_dir.into(),
            store: None,
            store_lease: Duration::from_secs(8),
            local_lambda: None,
            #[cfg(feature = "aws")]
            lambda_endpoint: None,
            #[cfg(feature = "aws")]
            aws_endpoint: None,
            retry: DeliveryPolicy::default(),
            dedupe_window: Duration::from_secs(5 * 60),
            max_hops: u64::from(limits::HOPS),
            max_fan_out: limits::FAN_OUT,
            max_loop: 0,
            memory_limit: 64 * 1024 * 1024,
            retention: Duration::from_secs(7 * 24 * 60 * 60),
            trust_clock: false,
            store_limit: 10 * 1024 * 1024 * 1024,
            workers: 400,
            http_timeout: Duration::from_secs(30),
            // A function may run for 15 minutes (Lambda quota), and its response takes a moment to arrive.
            lambda_timeout: Duration::from_secs(15 * 60 + 10),
            // The rest is room for the envelope around a body.
            body_limit: limits::PAYLOAD + 64 * 1024,
            reply_limit: limits::PAYLOAD + 64 * 1024,
            ca_file: None,
            https_proxy: None,
            no_proxy: None,
            private_targets: PrivateTargets::none(),
            access_keys: AccessKeys::default(),
            domain: None,
            strict_compat: false,
            connector_addr: None,
            allowed_hosts: Vec::new(),
            events_tls: None,
            config_tls: None,
            max_connections: 4096,
            recent_calls: 0,
            #[cfg(feature = "otlp")]
            otlp_endpoint: None,
        }
    }
}

/// Address that an API listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenAddr {
    /// This port on 127.0.0.1 and, where the machine has IPv6, on `[::1]`. Port 0 selects a free port, the same on both.
    Loopback(u16),
    /// This address only.
    Exact(SocketAddr),
}

impl ListenAddr {
    /// Returns the port; 0 stands for any free one.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Loopback(port) => port,
            Self::Exact(addr) => addr.port(),
        }
    }

    /// Returns the same address with another port.
    #[must_use]
    pub fn with_port(self, port: u16) -> Self {
        match self {
            Self::Loopback(_) => Self::Loopback(port),
            Self::Exact(addr) => Self::Exact(SocketAddr::new(addr.ip(), port)),
        }
    }

    /// Returns the URL for programs on this machine.
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

    /// Returns the address that must be bound. [`ListenAddr::Loopback`] also binds `[::1]`, where the machine has it.
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
