//! An answer that a client gets while the function makes it: server-sent events, one every tenth of a second.
//!
//! ```text
//! $ cargo eg run examples/server-sent-events
//! $ curl -N localhost:4000/countdown/2
//! data: 2
//!
//! data: 1
//!
//! data: lift-off
//!
//! ```
//!
//! On Lambda, the function's URL streams in the same way; an HTTP API sends the answer whole.

use std::convert::Infallible;
use std::time::Duration;

use eg_runtime::axum::response::sse::{Event, Sse};
use eg_runtime::{App, Error, Path, http};
use futures_util::stream::{self, Stream};

/// Counts down to the lift-off.
#[http(GET, "/countdown/{seconds}", stream)]
async fn countdown(Path(seconds): Path<u32>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(stream::unfold(Some(seconds), |left| async move {
        let data = match left? {
            0 => "lift-off".to_owned(),
            n => n.to_string(),
        };
        tokio::time::sleep(Duration::from_millis(100)).await;
        Some((Ok(Event::default().data(data)), left?.checked_sub(1)))
    }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}
