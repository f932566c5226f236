//! TLS in both directions: the certificate of the APIs, and the roots that the gateway trusts as a client.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

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

/// The settings of the gateway as a client: it trusts Mozilla's roots, those of the machine, and those of its operator.
/// Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientTls {
    /// The roots of the operator.
    own: Arc<[CertificateDer<'static>]>,
    /// Created for the first `https` URL, because it reads many files.
    config: Arc<OnceLock<ClientConfig>>,
}

impl ClientTls {
    /// Reads the roots of the operator from a PEM file, or describes why one cannot be trusted.
    pub(crate) fn new(own: Option<&Path>) -> Result<Self, String> {
        let own = own.map(certificates).transpose()?.unwrap_or_default();
        let mut roots = RootCertStore::empty();
        own.iter().try_for_each(|cert| roots.add(cert.clone())).map_err(|e| e.to_string())?;
        Ok(Self { own: own.into(), config: Arc::default() })
    }

    /// Returns the settings.
    pub(crate) fn config(&self) -> ClientConfig {
        self.config.get_or_init(|| client(&self.own)).clone()
    }
}

/// Returns the settings of a client that trusts only the roots in a PEM file, or nobody, or describes why one cannot be
/// trusted.
#[cfg(feature = "postgres")]
pub(crate) fn client_of(file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for cert in file.map(certificates).transpose()?.unwrap_or_default() {
        roots.add(cert).map_err(|e| e.to_string())?;
    }
    Ok(client_with(roots))
}

fn client(own: &[CertificateDer<'static>]) -> ClientConfig {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let machine = rustls_native_certs::load_native_certs();
    for error in &machine.errors {
        tracing::warn!(%error, "root certificates of this machine cannot be read");
    }
    roots.add_parsable_certificates(machine.certs.into_iter().chain(own.iter().cloned()));
    client_with(roots)
}

fn client_with(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Reads the certificates in a PEM file, or describes why there are none.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let error = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let certs = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let certs: Vec<_> = certs.map_err(|e| error(&e))?;
    if certs.is_empty() { Err(error(&"the file contains no certificate")) } else { Ok(certs) }
}

/// Returns an acceptor for TLS 1.2 and 1.3 with the certificate in these files, or the reason why they cannot be
/// used.
pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, String> {
    let certs = certificates(&files.cert)?;
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
