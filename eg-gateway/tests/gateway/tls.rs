//! TLS on the ports of the APIs.

use std::path::Path;
use std::sync::Arc;

use eg_gateway::{Gateway, StartError, TlsFiles};
use reqwest::Client;
use rustls::pki_types::CertificateDer;

use crate::support::{TestGateway, options};

/// Writes a certificate for localhost and its key into `dir`.
fn certificate(dir: &Path) -> (TlsFiles, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles { cert: dir.join("cert.pem"), key: dir.join("key.pem") };
    std::fs::write(&files.cert, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.der().clone())
}

fn client(trusted: CertificateDer<'static>) -> Client {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted).unwrap();
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    Client::builder().tls_backend_preconfigured(config).build().unwrap()
}

#[tokio::test]
async fn both_apis() {
    let dir = tempfile::tempdir().unwrap();
    let (files, trusted) = certificate(dir.path());
    let gateway = TestGateway::with(|options| {
        options.events_tls = Some(files.clone());
        options.config_tls = Some(files);
    })
    .await;
    let client = client(trusted);
    for (url, status) in
        [(gateway.api.events.clone(), 404), (format!("{}/v1/status", gateway.api.config), 200)]
    {
        assert!(url.starts_with("https://localhost:"), "{url}");
        assert_eq!(client.get(&url).send().await.unwrap().status(), status);
        assert!(client.get(url.replace("https", "http")).send().await.is_err(), "{url} without TLS");
    }
    drop(client);
    gateway.gateway.shutdown().await;
}

#[tokio::test]
async fn unusable_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (files, _) = certificate(dir.path());
    let missing = dir.path().join("missing");
    let swapped = TlsFiles { cert: files.key.clone(), key: files.cert.clone() };
    let no_cert = TlsFiles { cert: missing.clone(), ..files.clone() };
    let no_key = TlsFiles { key: missing.clone(), ..files.clone() };
    for (tls, named) in [(no_cert, &missing), (no_key, &missing), (swapped, &files.key)] {
        let mut options = options(&dir);
        options.config_tls = Some(tls);
        let error = Gateway::start(options).await.unwrap_err();
        assert!(matches!(error, StartError::Tls { .. }), "{error}");
        assert!(error.to_string().contains(&named.display().to_string()), "{error}");
    }
    assert!(!dir.path().join("data").exists(), "a gateway that does not start leaves nothing behind");
}
