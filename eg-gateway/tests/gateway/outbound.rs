//! Calls of functions that are behind a private certificate authority or a proxy.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use eg_gateway::{Gateway, Options, StartError};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::support::{PATIENCE, TestGateway, options};

/// A function at `https://localhost:<port>/`, whose certificate no public authority signed.
struct PrivateFunction {
    url: String,
    /// The file with the root certificate.
    root: PathBuf,
    _dir: TempDir,
    _tasks: JoinSet<()>,
}

impl PrivateFunction {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let root = dir.path().join("root.pem");
        std::fs::write(&root, made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let certs: Vec<CertificateDer<'static>> = vec![made.cert.der().clone()];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(certs, key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Clients that do not trust the certificate hang up.
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    head(&mut stream).await;
                    let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    stream.shutdown().await.unwrap();
                }
            }
        });
        Self { url, root, _dir: dir, _tasks: tasks }
    }
}

/// A proxy that opens tunnels, and the heads of the requests for them.
struct Proxy {
    address: String,
    requests: mpsc::UnboundedReceiver<String>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, requests) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let sender = sender.clone();
                tokio::spawn(async move {
                    let head = head(&mut stream).await;
                    let target = head.split(' ').nth(1).unwrap().to_owned();
                    sender.send(head).unwrap();
                    let mut target = TcpStream::connect(target).await.unwrap();
                    stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut target).await;
                });
            }
        });
        Self { address, requests, _tasks: tasks }
    }
}

/// Reads the head of a request.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Starts a gateway that delivers to the function.
async fn gateway(function: &PrivateFunction, change: impl FnOnce(&mut Options)) -> TestGateway {
    let gateway = TestGateway::with(|options| {
        options.retry.attempts = 1;
        change(options);
    })
    .await;
    gateway.api.event_type("e").await;
    gateway.api.http_function("f", &function.url).await;
    gateway.api.subscribe("e", "f").await;
    gateway.api.emit("e", "1").await;
    gateway
}

#[tokio::test]
async fn a_private_authority_is_trusted_if_its_root_is_given() {
    let function = PrivateFunction::start().await;
    let stranger = gateway(&function, |_| {}).await;
    let letter = &stranger.api.wait_for_dead_letters(1).await[0];
    assert!(letter["reason"].as_str().unwrap().contains("invalid peer certificate"), "{letter}");

    let root = function.root.clone();
    let trusting = gateway(&function, |options| options.ca_file = Some(root)).await;
    trusting.api.wait_for_books("delivered", 1).await;
}

#[tokio::test]
async fn unusable_roots_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    for (file, problem) in
        [(empty, "contains no certificate"), (dir.path().join("missing.pem"), "missing.pem")]
    {
        let mut options = options(&dir);
        options.ca_file = Some(file);
        let error = Gateway::start(options).await.unwrap_err();
        assert!(matches!(error, StartError::Roots(_)), "{error}");
        assert!(error.to_string().contains(problem), "{error}");
    }
}

#[tokio::test]
async fn a_proxy_opens_a_tunnel_to_the_function() {
    let function = PrivateFunction::start().await;
    let mut proxy = Proxy::start().await;
    let address = format!("http://user:secret@{}", proxy.address);
    let with_proxy = |no_proxy: Option<&str>| {
        let (root, address, no_proxy) = (function.root.clone(), address.clone(), no_proxy.map(str::to_owned));
        move |options: &mut Options| {
            options.ca_file = Some(root);
            options.https_proxy = Some(address);
            options.no_proxy = no_proxy;
        }
    };
    gateway(&function, with_proxy(None)).await.api.wait_for_books("delivered", 1).await;
    let request = tokio::time::timeout(PATIENCE, proxy.requests.recv()).await.unwrap().unwrap();
    let target = function.url.trim_start_matches("https://").trim_end_matches('/');
    assert!(request.starts_with(&format!("CONNECT {target} HTTP/1.1\r\n")), "{request}");
    assert!(request.to_lowercase().contains("proxy-authorization: basic dxnlcjpzzwnyzxq="), "{request}");

    gateway(&function, with_proxy(Some("localhost"))).await.api.wait_for_books("delivered", 1).await;
    assert!(proxy.requests.try_recv().is_err(), "the exception is called directly");
}
