//! The functions that the gateway calls, and the plain axum server that it is compared with: the same one.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::TcpListener;

/// No function has this number.
const NONE: usize = usize::MAX;

/// What the functions saw, and how they behave.
pub struct Functions {
    pub url: String,
    /// Ids of the events that arrived at `/collect`.
    collected: Mutex<HashSet<String>>,
    /// How long the events were on their way to `/timed/<n>`.
    latencies: Mutex<Vec<Duration>>,
    /// Which of those does not answer.
    hung: AtomicUsize,
}

impl Functions {
    pub async fn start() -> std::io::Result<Arc<Self>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let functions = Arc::new(Self {
            url: format!("http://{}", listener.local_addr()?),
            collected: Mutex::default(),
            latencies: Mutex::default(),
            hung: AtomicUsize::new(NONE),
        });
        let app = Router::new()
            .route("/answer", get(answer).post(answer))
            .route("/collect", post(collect))
            .route("/timed/{number}", post(timed))
            .with_state(Arc::clone(&functions));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(functions)
    }

    pub fn hang(&self, number: Option<usize>) {
        self.hung.store(number.unwrap_or(NONE), Ordering::Relaxed);
    }

    /// How many different events arrived since the last time.
    pub fn take_collected(&self) -> usize {
        std::mem::take(&mut *self.collected.lock().unwrap_or_else(PoisonError::into_inner)).len()
    }

    pub fn take_latencies(&self) -> Vec<Duration> {
        std::mem::take(&mut *self.latencies.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Microseconds since the epoch, as events carry them.
pub fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or_default()
}

async fn answer() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], r#"{"statusCode":200,"body":"hi"}"#)
}

async fn collect(State(functions): State<Arc<Functions>>, event: Bytes) {
    let event: Value = serde_json::from_slice(&event).unwrap_or_default();
    let id = event["id"].as_str().unwrap_or_default().to_owned();
    functions.collected.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
}

async fn timed(State(functions): State<Arc<Functions>>, Path(number): Path<usize>, event: Bytes) {
    if functions.hung.load(Ordering::Relaxed) == number {
        std::future::pending::<()>().await;
    }
    let event: Value = serde_json::from_slice(&event).unwrap_or_default();
    let sent = event["data"]["at"].as_u64().unwrap_or_default();
    let latency = Duration::from_micros(now().saturating_sub(sent));
    functions.latencies.lock().unwrap_or_else(PoisonError::into_inner).push(latency);
}
