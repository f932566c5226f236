//! The functions behind the gateway: some are well, others hang or answer too much.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::any;
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
/// | `/large`, `/large-answer` | 6 MB, as the body of an HTTP response |
/// | any other | never |
pub(crate) struct Functions {
    pub(crate) address: SocketAddr,
    calls: Arc<AtomicU64>,
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
        let well = any(async || "{\"statusCode\":200,\"body\":\"well\"}");
        let large = any(async move || Body::from(large));
        let app = Router::new()
            .route("/well", well.clone())
            .route("/well-answered", well)
            .route("/slow", any(slow))
            .route("/large", large.clone())
            .route("/large-answer", large)
            .fallback(std::future::pending::<&'static str>);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, calls })
    }

    /// Returns how often `/slow` was called.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}
