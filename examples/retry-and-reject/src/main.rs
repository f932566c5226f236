//! The two ways to fail: retry later, or reject.
//!
//! ```text
//! $ cargo eg run examples/retry-and-reject
//! $ cargo eg emit --event parcel.packed --data '{"kilograms":2}'
//! Event emitted: parcel.packed
//! id: …
//! $ cargo eg emit --event parcel.packed --data '{"kilograms":2000}'
//! Event emitted: parcel.packed
//! id: …
//! ```
//!
//! The first terminal shows their deliveries, and the gateway stores the rejected event as a dead letter:
//!
//! ```text
//! … parcel.packed … → retry-and-reject-ship failed …: Retry: timed out; again in …
//! … parcel.packed … → retry-and-reject-ship delivered at attempt …
//! … parcel.packed … → retry-and-reject-ship dead letter: …no van carries that much
//! ```
//!
//! ```text
//! $ curl localhost:4001/v1/spaces/default/dead-letters
//! {"deadLetters":[{…"reason":"…no van carries that much",…"data":{"kilograms":2000}…
//! ```

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eg_runtime::{App, CloudEvent, Error, State, subscribe};

#[derive(serde::Deserialize)]
struct Parcel {
    kilograms: u32,
}

/// A carrier that times out on the first call.
#[derive(Clone, Default)]
struct Carrier(Arc<AtomicBool>);

impl Carrier {
    fn order_van(&self) -> io::Result<()> {
        let awake = self.0.swap(true, Ordering::Relaxed);
        awake.then_some(()).ok_or(io::ErrorKind::TimedOut.into())
    }
}

/// Ships a parcel. An error through `?` is retried later; a rejected event becomes a dead letter.
#[subscribe("parcel.packed")]
async fn ship(State(carrier): State<Carrier>, event: CloudEvent<Parcel>) -> Result<(), Error> {
    if event.data.kilograms > 1000 {
        return Err(Error::reject("no van carries that much"));
    }
    Ok(carrier.order_van()?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().state(Carrier::default()).run().await
}
