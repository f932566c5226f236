//! TLS for `https://` gateways: rustls with ring and the webpki roots. The machine's own certificate store
//! is not read: that costs several milliseconds at the first connection of a cold start.

use std::sync::Arc;

pub(super) fn config() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
