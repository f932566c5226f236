//! The functions behind the gateway: some are well, others hang or answer too much.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::routing::any;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::Result;

/// The size of the large answers: within the gateway's limit of 6 MiB.
pub(crate) const LARGE: usize = 6_000_000;

/// An HTTP server whose paths are functions:
///
/// | path | answer |
/// |---|---|
/// | `/well`, `/well-answered` | at once |
/// | `/slow` | after a fifth of a second |
/// | `/taster` | at once: 500 if the event contains the word poison, else 200 |
/// | `/reports` | at once |
/// | `/twins` | after it has emitted two events that the event has caused, of the same type |
/// | `/large`, `/large-answer` | 6 MB, as the body of an HTTP response |
/// | any other | never |
pub(crate) struct Functions {
    pub(crate) address: SocketAddr,
    calls: Arc<AtomicU64>,
    tasted: Arc<AtomicU64>,
    poisoned: Arc<AtomicU64>,
    reports: Arc<AtomicU64>,
    twins: Arc<Mutex<HashSet<String>>>,
    /// The gateway to which `/twins` emits.
    emits_to: Arc<OnceLock<SocketAddr>>,
}

impl Functions {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, calls) = (listener.local_addr()?, Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&calls);
        let large = Bytes::from(format!("{{\"statusCode\":200,\"body\":\"{}\"}}", "x".repeat(LARGE)));
        let slow = async move || {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        let [tasted, poisoned, reports] = [const { AtomicU64::new(0) }; 3].map(Arc::new);
        let [good, bad, reported] = [&tasted, &poisoned, &reports].map(Arc::clone);
        let taste = async move |event: Bytes| {
            let is_poison = event.windows(6).any(|word| word == b"poison");
            let (count, status) =
                if is_poison { (&bad, StatusCode::INTERNAL_SERVER_ERROR) } else { (&good, StatusCode::OK) };
            count.fetch_add(1, Ordering::Relaxed);
            status
        };
        let report = async move || {
            reported.fetch_add(1, Ordering::Relaxed);
        };
        let (twins, emits_to) =
            (Arc::<Mutex<HashSet<String>>>::default(), Arc::<OnceLock<SocketAddr>>::default());
        let (called, to, client) = (Arc::clone(&twins), Arc::clone(&emits_to), eg_tests::http());
        let twin = async move |event: Bytes| {
            let event: Value = serde_json::from_slice(&event).unwrap_or_default();
            let id = event["id"].as_str().unwrap_or_default().to_owned();
            called.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
            match to.get() {
                Some(to) => emit_twins(&client, *to, &event).await,
                None => StatusCode::INTERNAL_SERVER_ERROR,
            }
        };
        let well = any(async || "{\"statusCode\":200,\"body\":\"well\"}");
        let large = any(async move || Body::from(large));
        let app = Router::new()
            .route("/well", well.clone())
            .route("/well-answered", well)
            .route("/slow", any(slow))
            .route("/taster", any(taste))
            .route("/reports", any(report))
            .route("/twins", any(twin))
            .route("/large", large.clone())
            .route("/large-answer", large)
            .fallback(std::future::pending::<&'static str>);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, calls, tasted, poisoned, reports, twins, emits_to })
    }

    /// Tells `/twins` where to emit its events. That cannot be changed any more.
    pub(crate) fn emit_to(&self, gateway: SocketAddr) -> Result<()> {
        self.emits_to.set(gateway).map_err(|_| "it emits to another gateway".into())
    }

    /// Returns how many different events `/twins` has got. It gets one of them again if it fails or takes too long.
    pub(crate) fn twins(&self) -> u64 {
        self.twins.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    /// Returns how many events `/taster` has got that were not poison.
    pub(crate) fn tasted(&self) -> u64 {
        self.tasted.load(Ordering::Relaxed)
    }

    /// Returns how many calls of `/taster` failed.
    pub(crate) fn poisoned(&self) -> u64 {
        self.poisoned.load(Ordering::Relaxed)
    }

    /// Returns how many events `/reports` has got.
    pub(crate) fn reports(&self) -> u64 {
        self.reports.load(Ordering::Relaxed)
    }

    /// Returns how often `/slow` was called.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

/// Emits two events that `event` has caused. Their ids follow from its own, so a second attempt emits them again.
async fn emit_twins(client: &reqwest::Client, to: SocketAddr, event: &Value) -> StatusCode {
    let (id, ty) = (event["id"].as_str().unwrap_or_default(), &event["type"]);
    for twin in ["a", "b"] {
        let twin = json!({ "specversion": "1.0", "id": format!("{id}{twin}"), "source": "/", "type": ty,
                           "causationid": id });
        let request =
            client.post(format!("http://{to}/")).header("content-type", "application/cloudevents+json");
        match request.body(twin.to_string()).send().await {
            Ok(response) if response.status() == StatusCode::ACCEPTED => {}
            _ => return StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
    StatusCode::OK
}
