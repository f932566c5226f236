//! Serves the functions that the gateway calls; the same server is the axum server that the gateway is compared with.
//! It does as little as possible, because it shares the machine with the measured programs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// A number that no function has.
const NONE: usize = usize::MAX;

/// The events that the functions received, and their settings.
pub struct Functions {
    pub url: String,
    /// For each number, whether the event with it has arrived at `/collect`.
    collected: Mutex<Vec<bool>>,
    /// The number of events that have arrived there.
    arrived: AtomicU64,
    /// The time from emission to arrival of each event at `/timed/<n>`.
    latencies: Mutex<Vec<Duration>>,
    /// The number of the `/timed` function that does not answer until `released`.
    hung: AtomicUsize,
    released: Notify,
    /// The number of requests at `/hangs` whose clients still wait.
    waiting: AtomicU64,
}

impl Functions {
    pub async fn start() -> std::io::Result<Arc<Self>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let functions = Arc::new(Self {
            url: format!("http://{}", listener.local_addr()?),
            collected: Mutex::default(),
            arrived: AtomicU64::new(0),
            latencies: Mutex::default(),
            hung: AtomicUsize::new(NONE),
            released: Notify::new(),
            waiting: AtomicU64::new(0),
        });
        let app = Router::new()
            .route("/answer", get(answer).post(answer))
            .route("/echo", post(|body: Bytes| async { body }))
            .route("/collect", post(collect))
            .route("/timed/{number}", post(timed))
            .route("/hangs", any(hangs))
            .route("/silent", any(std::future::pending::<()>))
            .with_state(Arc::clone(&functions));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(functions)
    }

    pub fn hang(&self, number: usize) {
        self.hung.store(number, Ordering::SeqCst);
    }

    /// Makes the hanging function answer.
    pub fn release(&self) {
        self.hung.store(NONE, Ordering::SeqCst);
        self.released.notify_waiters();
    }

    /// Returns how many requests at `/hangs` wait for an answer.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Returns the number of different events that have arrived since the last [`forget`](Self::forget).
    pub fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::SeqCst)
    }

    /// Records that an event has arrived.
    pub fn collect(&self, event: &[u8]) {
        let Some(number) = number(event) else { return };
        let mut collected = self.collected.lock().unwrap_or_else(PoisonError::into_inner);
        if collected.len() <= number {
            collected.resize(number + 1, false);
        }
        if !std::mem::replace(&mut collected[number], true) {
            self.arrived.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub fn forget(&self) {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.arrived.store(0, Ordering::SeqCst);
    }

    pub fn take_latencies(&self) -> Vec<Duration> {
        std::mem::take(&mut *self.latencies.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Returns the microseconds since the epoch, which events contain.
pub fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or_default()
}

async fn answer() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], REPLY)
}

/// What `/answer` answers.
pub const REPLY: &str = r#"{"statusCode":200,"body":"hi"}"#;

async fn collect(State(functions): State<Arc<Functions>>, event: Bytes) {
    functions.collect(&event);
}

/// Returns the number of an event that `post.lua` has made. Reads it without a JSON parser.
fn number(event: &[u8]) -> Option<usize> {
    let start = event.windows(4).rposition(|bytes| bytes == br#""n":"#)? + 4;
    let digits = event[start..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.map(|byte| usize::from(byte - b'0')).reduce(|number, digit| number * 10 + digit)
}

/// Never answers. Counts the request until its client is gone.
async fn hangs(State(functions): State<Arc<Functions>>) {
    functions.waiting.fetch_add(1, Ordering::SeqCst);
    let _gone = Gone(functions);
    std::future::pending::<()>().await;
}

struct Gone(Arc<Functions>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn timed(State(functions): State<Arc<Functions>>, Path(number): Path<usize>, event: Bytes) {
    let released = functions.released.notified();
    if functions.hung.load(Ordering::SeqCst) == number {
        released.await;
        return;
    }
    let event: Value = serde_json::from_slice(&event).unwrap_or_default();
    let sent = event["data"]["at"].as_u64().unwrap_or_default();
    let latency = Duration::from_micros(now().saturating_sub(sent));
    functions.latencies.lock().unwrap_or_else(PoisonError::into_inner).push(latency);
}
