//! The connections that commands call gateways and Lambdas over, as the SDK's client makes them: TLS with the webpki
//! roots. Knows no API.

use std::time::Duration;

/// A pool of connections.
pub(crate) fn connections() -> reqwest::Client {
    let tls = rustls::ClientConfig::clone(eg_sdk::__private::tls_config());
    let builder =
        reqwest::Client::builder().connect_timeout(Duration::from_secs(5)).tls_backend_preconfigured(tls);
    builder.build().expect("no option above depends on the machine")
}
