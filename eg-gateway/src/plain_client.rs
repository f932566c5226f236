//! An HTTP client for addresses that the operator of the gateway sets: a local Lambda and a collector of spans.
//! `deliver` makes the connections to other functions.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::tls;

/// A client that connects to every address, and keeps connections for later requests.
pub(crate) type PlainClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Creates a client without connections.
pub(crate) fn plain_client() -> PlainClient {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(Duration::from_secs(10)));
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_timer(TokioTimer::new())
        .build(HttpsConnector::from((tcp, tls::client())))
}
