//! Streams a response to a caller that can read one: a prelude with status and headers, eight zeros, and the body as the
//! function makes it. Source: Lambda's description of streamed answers. `reply` writes answers that are sent whole.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream::poll_fn;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use serde::Serialize;
use serde_json::json;
use tokio::time::Sleep;

use crate::context::Invocation;
use crate::headers::{cookies, joined};
use crate::outcome::{Failure, FailureKind};
use crate::panics;

/// The media type of a prelude and a body. Callers name it to say that they can read a stream.
pub(crate) use eg_grammar::header::STREAMED_ANSWER as MEDIA_TYPE;

/// The trailers with the failure of a stream.
pub(crate) const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
pub(crate) const ERROR_BODY: &str = "lambda-runtime-function-error-body";

/// The end of the prelude.
const ZEROS: [u8; 8] = [0; 8];

/// Marks a request whose caller can read a stream.
#[derive(Debug, Clone, Copy)]
struct Readable;

/// Marks the response of a route that streams, to a caller that can read a stream.
#[derive(Debug, Clone, Copy)]
struct Streamed;

/// Notes that the caller of a request can read a stream.
pub(crate) fn allow(request: &mut Request) {
    request.extensions_mut().insert(Readable);
}

/// Returns whether the caller of a request can read a stream.
pub(crate) fn is_allowed(request: &Request) -> bool {
    request.extensions().get::<Readable>().is_some()
}

/// Returns whether the caller of an invocation says that it can read a stream: its client context, which is JSON, names the
/// media type, as `Accept` does over HTTP. The gateway calls functions so.
pub(crate) fn is_readable_by_caller(invocation: &Invocation) -> bool {
    invocation.client_context().is_some_and(|context| context.contains(MEDIA_TYPE))
}

/// Notes that a response is to be streamed.
pub(crate) fn mark(mut response: Response) -> Response {
    response.extensions_mut().insert(Streamed);
    response
}

/// Returns whether a response is to be streamed.
pub(crate) fn is_marked(response: &Response) -> bool {
    response.extensions().get::<Streamed>().is_some()
}

/// An answer that is sent while the function makes it. It ends with its first failure.
pub(crate) struct Streaming {
    /// What the prelude says. `None` once it is sent.
    head: Option<(StatusCode, HeaderMap)>,
    /// `None` once the body has ended or failed.
    body: Option<Body>,
    /// When the body is cut off.
    limit: Option<Pin<Box<Sleep>>>,
    invocation: Arc<Invocation>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Prelude {
    status_code: u16,
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
}

impl Streaming {
    /// Creates the stream of a response, with its prelude. It is cut off at the deadline of the invocation.
    pub(crate) fn new(response: Response, invocation: &Arc<Invocation>) -> Self {
        let (parts, body) = response.into_parts();
        let limit = invocation.deadline.map(|deadline| deadline.cancels_at().into());
        Self {
            head: Some((parts.status, parts.headers)),
            body: Some(body),
            limit: limit.map(|limit| Box::pin(tokio::time::sleep_until(limit))),
            invocation: Arc::clone(invocation),
        }
    }

    /// Takes status, headers and cookies out of the stream, which then has no prelude.
    #[cfg(feature = "lambda-runtime")]
    pub(crate) fn take_head(&mut self) -> (StatusCode, HeaderMap, Vec<String>) {
        let (status, mut headers) = self.head.take().unwrap_or_default();
        let cookies = cookies(&headers);
        headers.remove(http::header::SET_COOKIE);
        (status, headers, cookies)
    }

    /// Creates the stream of a body alone, for a caller over HTTP.
    #[cfg(feature = "http-server")]
    pub(crate) fn of_body(body: Body, invocation: &Arc<Invocation>) -> Self {
        Self { head: None, body: Some(body), limit: None, invocation: Arc::clone(invocation) }
    }

    /// Returns the body of an HTTP response, which breaks off if the stream fails.
    #[cfg(feature = "http-server")]
    pub(crate) fn into_body(mut self) -> Body {
        let parts = poll_fn(move |context| self.poll_part(context));
        Body::from_stream(futures_util::StreamExt::then(parts, async |part| {
            if part.is_err() {
                // The connection is broken off at once. What was sent before should arrive.
                tokio::task::yield_now().await;
            }
            part.map_err(|failure| failure.message)
        }))
    }

    /// Returns the body for Lambda, which learns of a failure from the trailers. The flag says whether the body has been
    /// read to its end.
    pub(crate) fn with_trailers(
        mut self,
    ) -> (impl http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static, Arc<AtomicBool>) {
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let frames = poll_fn(move |context| {
            let frame = ready!(self.poll_part(context)).map(|part| match part {
                Ok(data) => Frame::data(data),
                Err(failure) => Frame::trailers(trailers(&failure)),
            });
            // Nothing follows the trailers.
            end.store(frame.as_ref().is_none_or(Frame::is_trailers), Ordering::Relaxed);
            Poll::Ready(frame.map(Ok))
        });
        (StreamBody::new(frames), ended)
    }

    /// Returns the next part. A failure is printed to the log, and is the last part.
    pub(crate) fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        if let Some((status, headers)) = self.head.take() {
            return Poll::Ready(Some(Ok(prelude(status, &headers))));
        }
        let failure = loop {
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            if self.limit.as_mut().is_some_and(|limit| limit.as_mut().poll(context).is_ready()) {
                let message = "the stream of the answer was cut off because its time is up";
                break Failure::new(FailureKind::Timeout, message.to_owned());
            }
            match panics::catch_poll(|| Pin::new(body).poll_frame(context)) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(Some(Ok(frame)))) => {
                    // Lambda and the gateway know no other trailers.
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Ok(Poll::Ready(None)) => {
                    self.body = None;
                    return Poll::Ready(None);
                }
                Ok(Poll::Ready(Some(Err(error)))) => {
                    let message = format!("the stream of the answer broke off: {error}");
                    break Failure::new(FailureKind::Retry, message);
                }
                Err(panic) => break panic,
            }
        };
        self.body = None;
        failure.log(None, &self.invocation.request_id);
        Poll::Ready(Some(Err(failure)))
    }
}

fn prelude(status: StatusCode, headers: &HeaderMap) -> Bytes {
    let prelude =
        Prelude { status_code: status.as_u16(), headers: joined(headers), cookies: cookies(headers) };
    let mut bytes = serde_json::to_vec(&prelude).expect("text can be written as JSON");
    bytes.extend(ZEROS);
    bytes.into()
}

/// Returns the trailers that report a failure to Lambda.
fn trailers(failure: &Failure) -> HeaderMap {
    let ty = failure.kind.error_type();
    let mut report = json!({ "errorType": ty, "errorMessage": failure.message });
    if let Some(place) = &failure.place {
        report["stackTrace"] = json!([place]);
    }
    let text = |text: String| HeaderValue::try_from(text).expect("words and base64 are header values");
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert(ERROR_TYPE, text(format!("Function.{ty}")));
    trailers.insert(ERROR_BODY, text(STANDARD.encode(report.to_string())));
    trailers
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, SystemTime};

    use axum::response::IntoResponse as _;
    use futures_util::stream::{self, StreamExt as _};
    use http_body_util::BodyExt as _;
    use serde_json::Value;

    use super::*;
    use crate::deadline::Deadline;

    type Part = Result<&'static str, std::io::Error>;

    /// Returns what Lambda gets: data, and the error type and message in the trailers.
    async fn sent(response: Response, invocation: Invocation) -> (String, Option<(String, Value)>, bool) {
        let (body, ended) = Streaming::new(response, &Arc::new(invocation)).with_trailers();
        let sent = body.collect().await.unwrap();
        let failure = sent.trailers().map(|trailers| {
            let report = STANDARD.decode(&trailers[ERROR_BODY]).unwrap();
            let ty = trailers[ERROR_TYPE].to_str().unwrap().to_owned();
            (ty, serde_json::from_slice(&report).unwrap())
        });
        let data = String::from_utf8(sent.to_bytes().to_vec()).unwrap();
        (data, failure, ended.load(Ordering::Relaxed))
    }

    fn with(body: impl futures_util::Stream<Item = Part> + Send + 'static) -> Response {
        let headers = [("x-a", "1"), ("set-cookie", "a=1")];
        (StatusCode::CREATED, headers, Body::from_stream(body)).into_response()
    }

    const PRELUDE: &str =
        "{\"statusCode\":201,\"headers\":{\"x-a\":\"1\"},\"cookies\":[\"a=1\"]}\0\0\0\0\0\0\0\0";

    #[tokio::test]
    async fn a_stream_is_a_prelude_and_a_body() {
        let response = with(stream::iter([Ok("a"), Ok("b")]));
        assert_eq!(sent(response, Invocation::default()).await, (format!("{PRELUDE}ab"), None, true));
    }

    #[tokio::test]
    async fn a_failure_ends_a_stream_and_is_reported_in_the_trailers() {
        let broken = with(stream::iter([Ok("a"), Err(std::io::Error::other("no disk")), Ok("b")]));
        let (data, failure, ended) = sent(broken, Invocation::default()).await;
        assert_eq!((data, ended), (format!("{PRELUDE}a"), true));
        let message = "the stream of the answer broke off: no disk";
        let expected = json!({"errorType": "Retry", "errorMessage": message});
        assert_eq!(failure, Some(("Function.Retry".to_owned(), expected)));

        let panics = with(stream::iter([1, 2]).map(|n| if n == 1 { Ok("a") } else { panic!("as you wish") }));
        let (data, failure, _) = sent(panics, Invocation::default()).await;
        let (ty, report) = failure.unwrap();
        assert_eq!((data, ty.as_str()), (format!("{PRELUDE}a"), "Function.Panic"));
        assert!(report["errorMessage"].as_str().unwrap().ends_with("as you wish"), "{report}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_cut_off_before_the_deadline() {
        let endless = with(stream::once(async { Ok("a") }).chain(stream::pending()));
        let millis = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() + 60_000;
        let deadline = Deadline::new(u64::try_from(millis).unwrap(), SystemTime::now(), Instant::now());
        let began = tokio::time::Instant::now();
        let (data, failure, _) = sent(endless, Invocation { deadline, ..Invocation::default() }).await;
        assert_eq!((data, failure.unwrap().0), (format!("{PRELUDE}a"), "Function.Timeout".to_owned()));
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}
