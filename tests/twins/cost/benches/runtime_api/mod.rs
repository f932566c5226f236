//! A minimal Runtime API that hands out work and measures it. It also takes the events that functions emit.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::PATIENCE;

/// Hands the same payload out a number of times.
pub(crate) struct RuntimeApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// The result of a run.
pub(crate) struct Work {
    pub(crate) first_next: Instant,
    /// The duration of each invocation, in seconds.
    pub(crate) invokes: Vec<f64>,
    pub(crate) failures: usize,
}

struct Shared {
    payload: String,
    invokes: usize,
    log: Mutex<Log>,
    done: Notify,
}

#[derive(Default)]
struct Log {
    first_next: Option<Instant>,
    handed_out: Option<Instant>,
    invokes: Vec<f64>,
    failures: usize,
}

impl RuntimeApi {
    pub(crate) async fn start(payload: Value, invokes: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (log, done) = (Mutex::default(), Notify::new());
        let shared = Arc::new(Shared { payload: payload.to_string(), invokes, log, done });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failed))
            .route("/", post(async || StatusCode::ACCEPTED))
            .with_state(shared.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared, server }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Waits until all work is done and the function asks for more.
    pub(crate) async fn finished(self) -> Work {
        let in_time = tokio::time::timeout(PATIENCE, self.shared.done.notified()).await;
        in_time.expect("the function stopped working");
        self.server.abort();
        let log = std::mem::take(&mut *self.shared.log.lock().unwrap());
        Work { first_next: log.first_next.unwrap(), invokes: log.invokes, failures: log.failures }
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    let now = Instant::now();
    let finished = {
        let mut log = shared.log.lock().unwrap();
        log.first_next.get_or_insert(now);
        log.invokes.len() + log.failures == shared.invokes
    };
    if finished {
        shared.done.notify_one();
        return std::future::pending().await;
    }
    let mut headers = HeaderMap::new();
    let mut header = |name: &'static str, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd");
    header("lambda-runtime-deadline-ms", "4102444800000");
    header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:twin");
    header(
        "lambda-runtime-trace-id",
        "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1",
    );
    shared.log.lock().unwrap().handed_out = Some(Instant::now());
    (headers, shared.payload.clone()).into_response()
}

async fn answered(State(shared): State<Arc<Shared>>, _body: String) -> StatusCode {
    let mut log = shared.log.lock().unwrap();
    let seconds = log.handed_out.map(|then| then.elapsed().as_secs_f64());
    log.invokes.extend(seconds);
    StatusCode::ACCEPTED
}

async fn failed(State(shared): State<Arc<Shared>>, _body: String) -> StatusCode {
    shared.log.lock().unwrap().failures += 1;
    StatusCode::ACCEPTED
}
