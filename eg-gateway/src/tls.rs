//! TLS for the APIs: reads certificate and key. Who uses it is `server`'s part.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// The files that an API identifies itself with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates in PEM, the API's own first, then those that lead to the root.
    pub cert: PathBuf,
    /// The private key in PEM.
    pub key: PathBuf,
}

/// Accepts TLS 1.2 and 1.3 with the certificate in these files; the reason when they hold none.
pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, String> {
    let cert_error = |e: &dyn std::fmt::Display| format!("{}: {e}", files.cert.display());
    let certs: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(&files.cert).and_then(Iterator::collect).map_err(|e| cert_error(&e))?;
    if certs.is_empty() {
        return Err(cert_error(&"there is no certificate in it"));
    }
    let key_error = |e: &dyn std::fmt::Display| format!("{}: {e}", files.key.display());
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| key_error(&e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_no_client_auth()
        .with_single_cert(certs, key)
        .map_err(|e| key_error(&e))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
