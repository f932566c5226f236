//! Calls `awslambda` functions at a Lambda on this machine: one unsigned request to its Invoke API. `event_stream` decodes
//! streamed answers. `aws` calls
//! functions in AWS.

use std::sync::Arc;

use bytes::Bytes;
use eg_sdk::TraceContext;
use http::header::CONTENT_TYPE;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Request, Uri};
use http_body_util::Full;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::streams::{self, Answered};
use super::{CallError, PERMANENT_OF_LAMBDA, event_stream, failed};
use crate::budget::Reservation;
use crate::decide::{delivery, trace};
use crate::outbound::reading::Reading;
use crate::outbound::{Connector, Pool};
use crate::recent::Notes;
use crate::tls::ClientTls;

/// Calls the functions of one local Lambda. Keeps connections for later calls.
pub(super) struct LocalLambda {
    /// `None` if the URL is not one.
    pool: Option<Arc<Pool>>,
    /// The URL of the Lambda, without a slash at the end.
    url: String,
    /// Maximum size of an answer in bytes.
    reply_limit: usize,
}

/// The body of an answer that refuses the call. The spelling of the key differs between Lambda's errors.
#[derive(Default, Deserialize)]
struct Refused {
    #[serde(alias = "Message", default)]
    message: String,
}

impl LocalLambda {
    pub(super) fn new(url: &str, tls: &ClientTls, reply_limit: usize) -> Self {
        let origin = url.parse().ok().filter(|url: &Uri| url.authority().is_some());
        let pool = origin.map(|origin| Pool::new(Connector::of_operator(tls), origin));
        Self { pool, url: url.trim_end_matches('/').to_owned(), reply_limit }
    }

    /// Invokes the function `arn` and returns its answer. `span` is the span of this call.
    pub(super) async fn call(
        &self,
        arn: &str,
        event: Bytes,
        span: &TraceContext,
        reading: Reading<'_>,
        notes: &Notes,
    ) -> Result<Bytes, CallError> {
        let mut request = self.request("2015-03-31", arn, "invocations", event, span)?;
        ask_for_log(&mut request, notes);
        let response = self.pool()?.send_absolute(request, self.reply_limit, reading).await;
        let (head, body) = response.map_err(|error| failed(&error, self.reply_limit))?.into_parts();
        if !head.status.is_success() {
            return Err(refusal(&head, &body));
        }
        if let Some(log) = header(&head.headers, "x-amz-log-result") {
            notes.log(log);
        }
        match header(&head.headers, "x-amz-function-error") {
            None => Ok(body),
            Some(error) => Err(CallError::Failed(delivery::of_lambda_error(error, &body))),
        }
    }

    /// Invokes the function `arn`, and returns its answer, or the beginning of a streamed one.
    pub(super) async fn converse(
        &self,
        arn: &str,
        event: Bytes,
        span: &TraceContext,
        room: &Reservation,
        notes: &Notes,
    ) -> Result<Answered, CallError> {
        let mut request = self.request("2021-11-15", arn, "response-streaming-invocations", event, span)?;
        let context = HeaderValue::from_static(&streams::CLIENT_CONTEXT);
        request.headers_mut().insert("x-amz-client-context", context);
        ask_for_log(&mut request, notes);
        let response = self.pool()?.begin_absolute(request).await;
        let (head, body) = response.map_err(|error| failed(&error, self.reply_limit))?.into_parts();
        let pieces = streams::pieces(body);
        if !head.status.is_success() {
            let body = streams::read(pieces, false, self.reply_limit, room).await?;
            return Err(refusal(&head, body.as_ref()));
        }
        streams::read(event_stream::payload(pieces, notes.clone()), true, self.reply_limit, room).await
    }

    fn pool(&self) -> Result<&Arc<Pool>, CallError> {
        self.pool.as_ref().ok_or_else(|| self.not_a_url())
    }

    fn not_a_url(&self) -> CallError {
        CallError::retry(format!("{} is not a URL", self.url))
    }

    fn request(
        &self,
        version: &str,
        arn: &str,
        operation: &str,
        event: Bytes,
        span: &TraceContext,
    ) -> Result<Request<Full<Bytes>>, CallError> {
        let name = utf8_percent_encode(arn, NON_ALPHANUMERIC);
        Request::post(format!("{}/{version}/functions/{name}/{operation}", self.url))
            .header(CONTENT_TYPE, "application/json")
            .header("x-amzn-trace-id", trace::x_ray(span))
            .body(Full::new(event))
            .map_err(|_| self.not_a_url())
    }
}

/// Asks for the end of the function's log, if it is kept.
fn ask_for_log(request: &mut Request<Full<Bytes>>, notes: &Notes) {
    if notes.are_kept() {
        request.headers_mut().insert("x-amz-log-type", HeaderValue::from_static("Tail"));
    }
}

/// Interprets an answer that refuses a call.
fn refusal(head: &Parts, body: &[u8]) -> CallError {
    let code = header(&head.headers, "x-amzn-errortype").unwrap_or(head.status.as_str());
    let refused: Refused = serde_json::from_slice(body).unwrap_or_default();
    CallError::of_aws(code, &refused.message, &PERMANENT_OF_LAMBDA)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
