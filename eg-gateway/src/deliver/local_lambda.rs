//! Calls `awslambda` functions at a Lambda on this machine: one unsigned request to its Invoke API. `aws` calls
//! functions in AWS.

use bytes::Bytes;
use eg_sdk::TraceContext;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{CallError, PERMANENT_OF_LAMBDA, chain};
use crate::decide::{delivery, trace};
use crate::plain_client::{PlainClient, plain_client};

/// Calls the functions of one local Lambda. Keeps connections for later calls.
pub(super) struct LocalLambda {
    client: PlainClient,
    /// The URL of the Lambda, without a slash at the end.
    url: String,
}

/// The body of an answer that refuses the call. The spelling of the key differs between Lambda's errors.
#[derive(Default, Deserialize)]
struct Refused {
    #[serde(alias = "Message", default)]
    message: String,
}

impl LocalLambda {
    pub(super) fn new(url: &str) -> Self {
        Self { client: plain_client(), url: url.trim_end_matches('/').to_owned() }
    }

    /// Invokes the function `arn` and returns its answer. `span` is the span of this call.
    pub(super) async fn call(
        &self,
        arn: &str,
        event: Bytes,
        span: &TraceContext,
    ) -> Result<Bytes, CallError> {
        let name = utf8_percent_encode(arn, NON_ALPHANUMERIC);
        let request = Request::post(format!("{}/2015-03-31/functions/{name}/invocations", self.url))
            .header(CONTENT_TYPE, "application/json")
            .header("x-amzn-trace-id", trace::x_ray(span))
            .body(Full::new(event))
            .map_err(|error| CallError::retry(format!("{} is not a URL: {error}", self.url)))?;
        let response = self.client.request(request).await.map_err(|error| CallError::retry(chain(&error)))?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| CallError::retry(chain(&error)))?.to_bytes();
        if !head.status.is_success() {
            let code = header(&head.headers, "x-amzn-errortype").unwrap_or(head.status.as_str());
            let refused: Refused = serde_json::from_slice(&body).unwrap_or_default();
            return Err(CallError::of_aws(code, &refused.message, &PERMANENT_OF_LAMBDA));
        }
        match header(&head.headers, "x-amz-function-error") {
            None => Ok(body),
            Some(error) => Err(CallError::Failed(delivery::of_lambda_error(error, &body))),
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
