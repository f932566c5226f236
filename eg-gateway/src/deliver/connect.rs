//! Connections to functions that speak HTTP: TLS, and which client connects where. Sends nothing itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};

use super::resolve::Resolver;
use crate::decide::targets::PrivateTargets;

/// A client that keeps connections for later requests.
pub(super) type HyperClient<R> = Client<HttpsConnector<HttpConnector<R>>, Full<Bytes>>;

/// A client that connects to every address.
pub(crate) type PlainClient = HyperClient<GaiResolver>;

/// A client for functions. Names that lead only to addresses which are not allowed are not connected to.
pub(super) fn client(allowed: &Arc<PrivateTargets>) -> HyperClient<Resolver> {
    over(HttpConnector::new_with_resolver(Resolver::new(allowed)))
}

/// A client for what the operator of the gateway named.
pub(crate) fn plain_client() -> PlainClient {
    over(HttpConnector::new())
}

fn over<R>(mut tcp: HttpConnector<R>) -> HyperClient<R>
where
    HttpsConnector<HttpConnector<R>>: Connect + Clone,
{
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(Duration::from_secs(10)));
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_timer(TokioTimer::new())
        .build(HttpsConnector::from((tcp, tls())))
}

/// Mozilla's roots and ring: no dependence on files of the machine.
fn tls() -> ClientConfig {
    let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
