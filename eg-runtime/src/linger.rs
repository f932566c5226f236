//! Reads on what a client is still sending when its answer is ready. Otherwise the connection would be reset under the
//! client, and many clients would report that instead of the answer. Leaves limits and answers to `body`.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::runtime::Handle;

/// How long the server goes on reading.
const LINGER: Duration = Duration::from_secs(2);

/// Lets the server read the rest of a body that nobody reads to its end.
pub(crate) async fn linger(request: Request) -> Request {
    request.map(|body| if body.is_end_stream() { body } else { Body::new(Lingering(body)) })
}

struct Lingering(Body);

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let mut rest = std::mem::take(&mut self.0);
        if rest.is_end_stream() {
            return;
        }
        let read_on = async move { while let Some(Ok(_)) = rest.frame().await {} };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(tokio::time::timeout(LINGER, read_on));
        }
    }
}
