//! The HTTP client of services that call another system: its TLS, its time limit, its proxy, and why a call failed. What
//! to call is left to the services.

#![forbid(unsafe_code)]

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Url};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// Returns a client for the server at `url`. A call that takes longer than `limit` fails. A proxy in the environment
/// (`HTTP_PROXY` and the like) is used for other machines only.
///
/// # Errors
/// If the client cannot be built, for example because a proxy in the environment is not a URL.
pub fn client(url: &Url, limit: Duration) -> reqwest::Result<Client> {
    let builder = Client::builder().timeout(limit).tls_backend_preconfigured(tls());
    if is_this_machine(url) { builder.no_proxy().build() } else { builder.build() }
}

/// Returns why a call failed, for messages: reqwest's own text leaves the cause out.
#[must_use]
pub fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// TLS with ring and the webpki roots, as in the SDK.
fn tls() -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports TLS 1.2 and 1.3")
        .with_root_certificates(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
        .with_no_client_auth()
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::process::Command;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn addresses_of_this_machine() {
        for (url, expected) in [
            ("http://localhost:4000/logistics", true),
            ("http://127.0.0.1", true),
            ("http://127.1.2.3:80", true),
            ("http://[::1]:4000", true),
            ("https://vision.googleapis.com", false),
            ("http://10.0.0.1", false),
            ("http://localhost.example.com", false),
        ] {
            assert_eq!(is_this_machine(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn a_failed_call_has_its_cause() {
        let fails = async |url: &str, limit| {
            let url = Url::parse(url).unwrap();
            reason(&client(&url, limit).unwrap().get(url).send().await.unwrap_err())
        };
        // Nothing listens on port 1, which needs privileges.
        assert!(fails("http://127.0.0.1:1", LIMIT).await.starts_with("Connection refused"));
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        assert_eq!(fails(&url, Duration::from_millis(50)).await, "no answer in time");
    }

    /// Answers each connection with a status.
    fn serve(status: &'static str) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let _ = connection.read(&mut [0; 4096]);
                write!(connection, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
            }
        });
        url
    }

    /// The environment of a process is fixed, so the calls are in a process of their own.
    #[test]
    fn a_proxy_is_for_other_machines() {
        let proxy = serve("203 From the proxy");
        let called = Command::new(env::current_exe().unwrap())
            .args(["--exact", "tests::calls_with_a_proxy", "--ignored"])
            .env("HTTP_PROXY", proxy.as_str())
            .env_remove("NO_PROXY")
            .env_remove("no_proxy")
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&called.stdout);
        assert!(called.status.success() && output.contains("1 passed"), "{output}");
    }

    #[tokio::test]
    #[ignore = "runs in `a_proxy_is_for_other_machines`"]
    async fn calls_with_a_proxy() {
        let call = async |url: Url| client(&url, LIMIT).unwrap().get(url).send().await.unwrap().status();
        assert_eq!(call(serve("200 From here")).await, 200);
        assert_eq!(call(Url::parse("http://other.invalid").unwrap()).await, 203);
    }
}
