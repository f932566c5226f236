//! State that is created once and used by every invocation: clients, pools, caches, and here a counter.
//!
//! ```text
//! $ cargo eg run examples/shared-state
//! $ curl -X POST localhost:4000/visits/garden
//! visit 1 to the garden
//! $ curl -X POST localhost:4000/visits/pond
//! visit 2 to the pond
//! ```
//!
//! Each function runs in its own processes, several when it is busy, and each process has its own state: keep data that
//! must be shared or correct in a database. A missing state is an error at start, not at the first request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use eg_runtime::{App, Error, Path, State, http};

/// Cloned for each invocation; the `Arc` makes all clones share one counter.
#[derive(Clone, Default)]
struct Visits(Arc<AtomicU64>);

impl Visits {
    fn count(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Counts a visit.
#[http(POST, "/visits/{place}")]
async fn visit(State(visits): State<Visits>, Path(place): Path<String>) -> String {
    format!("visit {} to the {place}\n", visits.count())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().state(Visits::default()).run().await
}
