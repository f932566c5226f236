//! Simulates Lambda's Runtime API on the wire: hands out the given payloads and records every answer with its
//! headers. It shows what an emulator hides: how errors are reported, what is sent back, how connections are used.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::BodyExt as _;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// A Runtime API on a free port.
#[derive(Debug)]
pub struct RuntimeApi {
    address: SocketAddr,
    work: mpsc::UnboundedSender<Work>,
    shared: Arc<Shared>,
    handed_in: AtomicUsize,
}

/// What was posted to the API.
#[derive(Debug, Clone)]
pub struct Posted {
    /// The request id.
    pub id: String,
    /// The last segment of the path: `response` or `error`.
    pub what: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
    /// The headers after a streamed body.
    pub trailers: HeaderMap,
}

/// How the API behaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manners {
    /// Closes the connection after each answer.
    pub hangs_up: bool,
    /// Takes every second outcome and closes the connection instead of answering.
    pub loses_answers: bool,
    /// How many of the first requests for work get a 502.
    pub refuses_work: usize,
    /// How much time an invocation has. `None`: many years.
    pub time: Option<Duration>,
}

#[derive(Debug)]
struct Work {
    id: usize,
    payload: String,
}

#[derive(Debug)]
struct Shared {
    queue: tokio::sync::Mutex<mpsc::UnboundedReceiver<Work>>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Posted>>>,
    /// The paths of all calls other than invocations, and the init error.
    calls: Mutex<Vec<String>>,
    init_error: Mutex<Option<Posted>>,
    /// How many requests for work still get a 502.
    refusals: AtomicUsize,
    time: Option<Duration>,
}

impl RuntimeApi {
    /// Listens below the path `base`, which may be empty.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn start(base: &str, manners: Manners) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (work, queue) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            queue: tokio::sync::Mutex::new(queue),
            waiting: Mutex::default(),
            calls: Mutex::default(),
            init_error: Mutex::default(),
            refusals: AtomicUsize::new(manners.refuses_work),
            time: manners.time,
        });
        let base = format!("{base}/2018-06-01/runtime");
        let mut router = Router::new()
            .route(&format!("{base}/invocation/next"), get(next))
            .route(&format!("{base}/invocation/{{id}}/{{what}}"), post(posted))
            .route(&format!("{base}/init/error"), post(init_error))
            .route(&format!("{base}/restore/next"), get(restore))
            .route(&format!("{base}/restore/error"), post(restore_error))
            .with_state(shared.clone());
        if manners.hangs_up {
            router = router.layer(from_fn(async |request: Request, next: Next| {
                let mut response = next.run(request).await;
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                response
            }));
        }
        if manners.loses_answers {
            let outcomes = Arc::new(AtomicUsize::new(0));
            router = router.layer(from_fn(move |request: Request, next: Next| {
                let lost = request.method() == Method::POST
                    && outcomes.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
                async move {
                    let response = next.run(request).await;
                    // A body that breaks off before the head of the answer is sent closes the connection.
                    assert!(!lost, "the answer is lost");
                    response
                }
            }));
        }
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, work, shared, handed_in: AtomicUsize::new(0) }
    }

    /// Returns host and port.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Hands out a payload and waits for the result. The request ids count from 0.
    ///
    /// # Panics
    /// If there is no result.
    pub async fn invoke(&self, payload: impl Into<String>) -> Posted {
        let id = self.handed_in.fetch_add(1, Ordering::SeqCst);
        let (done, outcome) = oneshot::channel();
        lock(&self.shared.waiting).insert(id.to_string(), done);
        self.work.send(Work { id, payload: payload.into() }).expect("the API is running");
        let outcome = tokio::time::timeout(crate::PATIENCE, outcome).await;
        outcome.expect("the function answers").expect("the API is running")
    }

    /// Returns the paths of all calls other than invocations, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        lock(&self.shared.calls).clone()
    }

    /// Returns the error that the process reported when it could not start, or not continue from its snapshot.
    #[must_use]
    pub fn init_error(&self) -> Option<Posted> {
        lock(&self.shared.init_error).clone()
    }
}

/// Returns the value of X-Ray's header for an invocation.
#[must_use]
pub fn trace_of(id: usize) -> String {
    format!("Root=1-5bef4de7-{id:024x};Parent={id:016x};Sampled=1")
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    let refused = |left: usize| left.checked_sub(1);
    if shared.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, refused).is_ok() {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    lock(&shared.calls).push("next".to_owned());
    let Some(Work { id, payload }) = shared.queue.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("lambda-runtime-aws-request-id", id.to_string()),
        ("lambda-runtime-invocation-id", format!("attempt-{id}")),
        ("lambda-runtime-deadline-ms", deadline(shared.time).to_string()),
        ("lambda-runtime-trace-id", trace_of(id)),
    ] {
        headers.insert(name, HeaderValue::try_from(value).expect("digits and letters"));
    }
    (headers, payload).into_response()
}

/// Returns the deadline of an invocation that begins now, in milliseconds since 1970.
fn deadline(time: Option<Duration>) -> u128 {
    let Some(time) = time else { return 4_102_444_800_000 };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (now + time).as_millis()
}

async fn posted(
    State(shared): State<Arc<Shared>>,
    Path((id, what)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> StatusCode {
    // A body that breaks off was not handed in.
    let Ok(body) = body.collect().await else { return StatusCode::BAD_REQUEST };
    let trailers = body.trailers().cloned().unwrap_or_default();
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    match lock(&shared.waiting).remove(&id) {
        Some(done) => {
            // A caller that no longer waits has already failed.
            let _ = done.send(Posted { id, what, headers, body, trailers });
            StatusCode::ACCEPTED
        }
        None => StatusCode::BAD_REQUEST,
    }
}

async fn init_error(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    failed_start(&shared, "init/error", headers, &body)
}

async fn restore_error(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    failed_start(&shared, "restore/error", headers, &body)
}

fn failed_start(shared: &Shared, what: &str, headers: HeaderMap, body: &[u8]) -> StatusCode {
    let body = String::from_utf8_lossy(body).into_owned();
    let (id, what, trailers) = (String::new(), what.to_owned(), HeaderMap::new());
    *lock(&shared.init_error) = Some(Posted { id, what, headers, body, trailers });
    StatusCode::ACCEPTED
}

async fn restore(State(shared): State<Arc<Shared>>) -> StatusCode {
    lock(&shared.calls).push("restore".to_owned());
    StatusCode::OK
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
