//! A gateway on free ports, a server with functions, and what the tests ask of them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use eg_gateway::{Activity, Gateway, Options, PrivateTargets};
use eg_sdk::errors::{ErrorBody, ErrorDetail};
use eg_tests::postgres::Postgres;
use reqwest::{Client, Method};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{Notify, broadcast, mpsc};
use tokio::task::JoinHandle;

/// How long anything that has to happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const CLOUDEVENTS: &str = "application/cloudevents+json";

/// Ports that the system chooses, retries that follow at once, and functions on this machine.
pub(crate) fn options(dir: &TempDir) -> Options {
    let mut options = Options::new(dir.path().join("data"));
    options.events_addr = 0.into();
    options.config_addr = 0.into();
    options.private_targets = PrivateTargets::all();
    options.retry.min_backoff = Duration::from_millis(1);
    options.retry.max_backoff = Duration::from_millis(5);
    options
}

/// If this variable is set, gateways in this process have their stores in PostgreSQL.
pub(crate) const IN_POSTGRES: &str = "EG_TEST_IN_POSTGRES";

/// Returns the database that takes the place of the store in a directory.
fn database(dir: &TempDir) -> String {
    let note = dir.path().join("database");
    std::fs::read_to_string(&note).unwrap_or_else(|_| {
        let url = Postgres::shared().expect("PostgreSQL is there").database();
        std::fs::write(note, &url).unwrap();
        url
    })
}

/// Returns the rows of a query for one column in the store of a gateway, as text.
pub(crate) fn stored(dir: &TempDir, query: &str) -> Vec<String> {
    if std::env::var_os(IN_POSTGRES).is_some() {
        let rows = Postgres::shared().expect("PostgreSQL is there").sql(&database(dir), query);
        return rows.lines().map(str::to_owned).collect();
    }
    let store = Connection::open(dir.path().join("data/event-gateway.db")).unwrap();
    let mut statement = store.prepare(&format!("SELECT CAST(value AS TEXT) FROM ({query})")).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// Talks to a gateway, wherever it runs.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) client: Client,
    pub(crate) events: String,
    pub(crate) config: String,
}

/// A gateway in this process, and its directory.
pub(crate) struct TestGateway {
    pub(crate) gateway: Gateway,
    pub(crate) api: Api,
    pub(crate) dir: TempDir,
}

impl TestGateway {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::open(dir, change).await
    }

    /// Starts a gateway on the store of an earlier one.
    pub(crate) async fn open(dir: TempDir, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = options(&dir);
        if std::env::var_os(IN_POSTGRES).is_some() {
            options.store = Some(database(&dir).parse().unwrap());
        }
        change(&mut options);
        let gateway = Gateway::start(options).await.unwrap();
        let api = Api::new(gateway.events_url(), gateway.config_url());
        Self { gateway, api, dir }
    }

    /// Stops the gateway and starts another one on the same store.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    /// The same, with other options.
    pub(crate) async fn restart_with(self, change: impl FnOnce(&mut Options)) -> Self {
        self.gateway.shutdown().await;
        Self::open(self.dir, change).await
    }

    pub(crate) fn activity(&self) -> Watcher {
        Watcher(self.gateway.activity())
    }
}

/// The error in an answer. Every error has a code that the SDK knows, and the status that goes with it.
#[track_caller]
pub(crate) fn error(status: u16, body: &str) -> ErrorDetail {
    let read: ErrorBody = serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {body}"));
    let [error] = read.errors.as_slice() else { panic!("{body}") };
    let code = error.code.unwrap_or_else(|| panic!("no known code: {body}"));
    assert_eq!(code.status(), status, "{body}");
    error.clone()
}

/// Waits for activities.
pub(crate) struct Watcher(broadcast::Receiver<Activity>);

impl Watcher {
    pub(crate) async fn next(&mut self) -> Activity {
        tokio::time::timeout(PATIENCE, self.0.recv()).await.expect("an activity in time").unwrap()
    }

    /// The next end of an attempt.
    pub(crate) async fn delivery(&mut self) -> Activity {
        loop {
            let activity = self.next().await;
            if matches!(activity, Activity::Delivery { .. }) {
                return activity;
            }
        }
    }
}

impl Api {
    pub(crate) fn new(events: &str, config: &str) -> Self {
        // Compiled with TLS, as the gateway is, the client wants to know by whom, although it only speaks plain HTTP.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { client, events: events.to_owned(), config: config.to_owned() }
    }

    /// Sends a request to the Config API, `path` being relative to `/v1/spaces/`.
    pub(crate) async fn config(&self, method: Method, path: &str, body: impl Into<String>) -> (u16, String) {
        let request =
            self.client.request(method, format!("{}/v1/spaces/{path}", self.config)).body(body.into());
        let response = request.send().await.unwrap();
        let (status, body) = (response.status().as_u16(), response.text().await.unwrap());
        if status >= 400 {
            error(status, &body);
        }
        (status, body)
    }

    /// Creates a resource in the default space.
    pub(crate) async fn create(&self, kind: &str, resource: Value) -> Value {
        let (status, body) =
            self.config(Method::POST, &format!("default/{kind}"), resource.to_string()).await;
        assert_eq!(status, 201, "{resource}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    pub(crate) async fn event_type(&self, name: &str) {
        self.create("eventtypes", json!({ "name": name })).await;
    }

    pub(crate) async fn http_function(&self, id: &str, url: &str) {
        self.create("functions", json!({ "functionId": id, "type": "http", "provider": { "url": url } }))
            .await;
    }

    /// Subscribes a function to an event type posted to `/`, and returns the subscription's id.
    pub(crate) async fn subscribe(&self, event_type: &str, function: &str) -> String {
        let subscription = json!({ "type": "async", "eventType": event_type, "functionId": function });
        let created = self.create("subscriptions", subscription).await;
        created["subscriptionId"].as_str().unwrap().to_owned()
    }

    /// Emits an event and expects it to be accepted.
    pub(crate) async fn emit(&self, event_type: &str, id: &str) {
        let response = self.try_emit(event_type, id).await.unwrap();
        assert_eq!(response.status(), 202);
        assert_eq!(response.text().await.unwrap(), "");
    }

    pub(crate) async fn try_emit(&self, event_type: &str, id: &str) -> reqwest::Result<reqwest::Response> {
        let event = json!({ "specversion": "1.0", "type": event_type, "source": "/test", "id": id, "data": { "n": 1 } });
        self.send(&event).await
    }

    /// Emits an event of any attributes.
    pub(crate) async fn emit_json(&self, event: &Value) -> reqwest::Response {
        self.send(event).await.unwrap()
    }

    async fn send(&self, event: &Value) -> reqwest::Result<reqwest::Response> {
        let request =
            self.client.post(&self.events).header("content-type", CLOUDEVENTS).body(event.to_string());
        request.send().await
    }

    /// Waits until so many deliveries are in a state.
    pub(crate) async fn wait_for_books(&self, state: &str, count: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let books = self.accounting().await;
            if books[state] == count {
                return;
            }
            assert!(Instant::now() < deadline, "{count} {state} expected, the books say {books}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn accounting(&self) -> Value {
        let response = self.client.get(format!("{}/v1/accounting", self.config)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    pub(crate) async fn dead_letters(&self) -> Vec<Value> {
        let (status, body) = self.config(Method::GET, "default/dead-letters", "").await;
        assert_eq!(status, 200, "{body}");
        let list: Value = serde_json::from_str(&body).unwrap();
        list["deadLetters"].as_array().unwrap().clone()
    }

    /// Returns the dead letters as soon as there are `count`.
    pub(crate) async fn wait_for_dead_letters(&self, count: usize) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let letters = self.dead_letters().await;
            if letters.len() >= count {
                return letters;
            }
            assert!(Instant::now() < deadline, "{count} dead letters expected, there are {letters:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// A call that a function got.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// How a function answers.
pub(crate) enum Answer {
    Http(u16, String),
    Full(Response),
    /// 200 `{}`, once notified.
    When(Arc<Notify>),
    Never,
}

/// An HTTP server whose paths are functions.
pub(crate) struct Functions {
    addr: SocketAddr,
    calls: mpsc::UnboundedReceiver<Call>,
    server: JoinHandle<()>,
}

type Script = Arc<dyn Fn(&Call) -> Answer + Send + Sync>;

impl Functions {
    /// Functions that answer what `script` says.
    pub(crate) async fn start(script: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, calls) = mpsc::unbounded_channel();
        let script: Script = Arc::new(script);
        let app = Router::new().fallback(answer).with_state((script, sender));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { addr, calls, server }
    }

    /// Functions that accept every event.
    pub(crate) async fn accepting() -> Self {
        Self::start(|_| Answer::Http(200, "{}".to_owned())).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) async fn next_call(&mut self) -> Call {
        tokio::time::timeout(PATIENCE, self.calls.recv()).await.expect("a call in time").unwrap()
    }

    /// A call that has already arrived.
    pub(crate) fn try_call(&mut self) -> Option<Call> {
        self.calls.try_recv().ok()
    }
}

impl Drop for Functions {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(
    State((script, calls)): State<(Script, mpsc::UnboundedSender<Call>)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let call = Call { path: parts.uri.path().to_owned(), headers: parts.headers, body };
    let answer = script(&call);
    // The test may be over.
    let _ = calls.send(call);
    match answer {
        Answer::Http(status, body) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
        Answer::Full(response) => response,
        Answer::When(released) => {
            released.notified().await;
            "{}".into_response()
        }
        Answer::Never => std::future::pending().await,
    }
}

/// Creates a synchronous subscription.
pub(crate) async fn sync(gateway: &TestGateway, method: &str, path: &str, event_type: &str, function: &str) {
    let subscription = json!({ "type": "sync", "eventType": event_type, "functionId": function, "path": path, "method": method });
    gateway.api.create("subscriptions", subscription).await;
}
