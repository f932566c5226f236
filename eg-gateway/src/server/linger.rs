//! Reads on what a client is still sending when its answer is ready. Otherwise the connection would be reset under the
//! client, and many clients would report that instead of the answer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::header::EXPECT;
use tokio::runtime::Handle;

/// How long the gateway goes on reading.
const LINGER: Duration = Duration::from_secs(2);

/// The body of a request. When it is dropped, the gateway reads the rest, for a short time.
pub(crate) struct Lingering {
    /// `None` once it is dropped.
    body: Option<Incoming>,
    /// Whether the client sends without being asked to.
    sends: bool,
}

/// Lets the gateway read the rest of a body that nobody reads to its end. A client that waits for a `100 Continue` has not
/// begun to send.
pub(super) fn linger(request: Request<Incoming>) -> Request<Lingering> {
    let sends = !request.headers().contains_key(EXPECT);
    request.map(|body| Lingering { body: Some(body), sends })
}

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some(mut rest) = self.body.take().filter(|rest| self.sends && !rest.is_end_stream()) else {
            return;
        };
        // When the whole process ends, there is no runtime.
        if let Ok(runtime) = Handle::try_current() {
            let read_on = async move { while let Some(Ok(_)) = rest.frame().await {} };
            runtime.spawn(tokio::time::timeout(LINGER, read_on));
        }
    }
}
