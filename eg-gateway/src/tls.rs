//! TLS in both directions: the certificate of the APIs, and the roots that the gateway trusts as a client.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

/// The files of an API's certificate and private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM file with the certificate chain: the API's own certificate first, then intermediate ones.
    pub cert: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// Returns the client settings: Mozilla's roots and ring, without dependence on files of the machine.
pub(crate) fn client() -> ClientConfig {
    let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Returns an acceptor for TLS 1.2 and 1.3 with the certificate in these files, or the reason why they cannot be
/// used.
pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, String> {
    let cert_error = |e: &dyn std::fmt::Display| format!("{}: {e}", files.cert.display());
    let certs: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(&files.cert).and_then(Iterator::collect).map_err(|e| cert_error(&e))?;
    if certs.is_empty() {
        return Err(cert_error(&"the file contains no certificate"));
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
