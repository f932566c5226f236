//! Real servers on loopback for the tests: one runs an app, the other answers from a script and records its requests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;

/// Serves `app` for the rest of the test and returns its URL.
pub(crate) async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    url
}

/// Returns a URL where nothing listens.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// One request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// `METHOD /path?query`.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.uri)
    }
}

type Script = Arc<dyn Fn(usize, &Seen) -> Response + Send + Sync>;

/// A server that answers by script.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Script,
}

impl Server {
    /// Starts a server whose `script` gets the number of the request, from 0, and the request.
    pub(crate) async fn start(script: impl Fn(usize, &Seen) -> Response + Send + Sync + 'static) -> Self {
        let mut server = Self { url: String::new(), seen: Arc::default(), script: Arc::new(script) };
        server.url = serve(Router::new().fallback(Self::answer).with_state(server.clone())).await;
        server
    }

    /// Starts a server that gives these answers one after the other, and 202 from then on.
    pub(crate) async fn answers(answers: impl IntoIterator<Item = Response>) -> Self {
        let answers: Mutex<VecDeque<Response>> = Mutex::new(answers.into_iter().collect());
        Self::start(move |_, _| {
            answers.lock().unwrap().pop_front().unwrap_or_else(|| StatusCode::ACCEPTED.into_response())
        })
        .await
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    async fn answer(
        State(server): State<Self>,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Body,
    ) -> Response {
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let seen = Seen { method, uri, headers, body };
        let number = {
            let mut all = server.seen.lock().unwrap();
            all.push(seen.clone());
            all.len() - 1
        };
        (server.script)(number, &seen)
    }
}

pub(crate) fn status(status: u16) -> Response {
    StatusCode::from_u16(status).unwrap().into_response()
}

pub(crate) fn json(status: u16, body: &serde_json::Value) -> Response {
    let headers = [("content-type", "application/json")];
    (StatusCode::from_u16(status).unwrap(), headers, body.to_string()).into_response()
}

#[cfg(feature = "axum")]
pub(crate) use plain::{Request, send};

/// A plain HTTP client.
#[cfg(feature = "axum")]
mod plain {
    use super::{Bytes, HeaderMap};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    pub(crate) struct Request(String, Vec<u8>);

    pub(crate) struct Answer {
        pub(crate) status: u16,
        body: Vec<u8>,
    }

    impl Request {
        pub(crate) fn post(url: &str, headers: &HeaderMap, body: &Bytes) -> Self {
            let (host, path) =
                url.strip_prefix("http://").unwrap().split_once('/').unwrap_or((&url[7..], ""));
            let mut bytes =
                format!("POST /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n").into_bytes();
            for (name, value) in headers {
                bytes.extend_from_slice(name.as_str().as_bytes());
                bytes.extend_from_slice(b": ");
                bytes.extend_from_slice(value.as_bytes());
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
            bytes.extend_from_slice(body);
            Self(host.to_owned(), bytes)
        }
    }

    impl Answer {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.body.clone()).unwrap()
        }
    }

    pub(crate) async fn send(Request(host, bytes): Request) -> Answer {
        let mut stream = TcpStream::connect(host).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
        Answer { status, body: answer[end + 4..].to_vec() }
    }
}
