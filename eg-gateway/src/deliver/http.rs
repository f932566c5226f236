//! Calls functions of the `http` provider: one POST with the event in structured JSON.

use std::error::Error;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use eg_sdk::TraceContext;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER, USER_AGENT};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use url::Url;

use super::connect::{HyperClient, client};
use super::resolve::{Resolver, blocked};
use super::{CallError, chain};
use crate::clock;
use crate::decide::delivery;
use crate::decide::targets::PrivateTargets;

/// How many redirects of one call are followed.
const REDIRECTS: usize = 5;

/// Calls URLs. Keeps connections for later calls.
pub(super) struct HttpCaller {
    client: HyperClient<Resolver>,
    allowed: Arc<PrivateTargets>,
    reply_limit: usize,
    strict: bool,
}

impl HttpCaller {
    /// `reply_limit` is the largest reply taken, in bytes; `strict` takes for a failure only what the original did.
    pub(super) fn new(allowed: &Arc<PrivateTargets>, reply_limit: usize, strict: bool) -> Self {
        Self { client: client(allowed), allowed: Arc::clone(allowed), reply_limit, strict }
    }

    pub(super) async fn call(
        &self,
        url: &str,
        event: Bytes,
        trace: &TraceContext,
    ) -> Result<Bytes, CallError> {
        let mut url = Url::parse(url).map_err(|error| invalid(&error))?;
        // The client looks up names, not addresses.
        self.allowed.check_host(url.host_str().unwrap_or_default())?;
        let mut response = self.send(&url, &event, trace).await?;
        for _ in 0..REDIRECTS {
            let Some(next) = same_place(&url, &response) else { break };
            url = next;
            response = self.send(&url, &event, trace).await?;
        }
        let status = response.status().as_u16();
        let pause = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let pause = pause.and_then(|value| delivery::retry_after(value, clock::now().into()));
        let body = self.read(response.into_body()).await?;
        let outcome = if self.strict { delivery::of_http_strict } else { delivery::of_http };
        outcome(status, &body).map_err(|failure| CallError::Failed(failure.asking_for(pause)))?;
        Ok(body)
    }

    async fn send(
        &self,
        url: &Url,
        event: &Bytes,
        trace: &TraceContext,
    ) -> Result<Response<Incoming>, CallError> {
        let mut request = Request::post(url.as_str())
            .header(CONTENT_TYPE, "application/cloudevents+json")
            .header(USER_AGENT, concat!("event-gateway/", env!("CARGO_PKG_VERSION")))
            .header("traceparent", trace.traceparent());
        if let Some(state) = trace.tracestate() {
            request = request.header("tracestate", state);
        }
        if let Some(credentials) = credentials(url) {
            request = request.header(AUTHORIZATION, credentials);
        }
        let request = request.body(Full::new(event.clone())).map_err(|error| invalid(&error))?;
        self.client.request(request).await.map_err(|error| failed(&error))
    }

    async fn read(&self, mut reply: Incoming) -> Result<Bytes, CallError> {
        let mut body = BytesMut::new();
        while let Some(frame) = reply.frame().await {
            let Ok(chunk) = frame.map_err(|error| failed(&error))?.into_data() else { continue };
            if body.len() + chunk.len() > self.reply_limit {
                return Err(CallError::retry(format!("the reply is larger than {} bytes", self.reply_limit)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

fn invalid(error: &dyn Error) -> CallError {
    CallError::reject(format!("its URL is not valid: {error}"))
}

fn failed(error: &(dyn Error + 'static)) -> CallError {
    blocked(error).map_or_else(|| CallError::retry(chain(error)), CallError::from)
}

/// The user and the password in a URL, as Basic credentials.
fn credentials(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    Some(format!("Basic {}", STANDARD.encode(pair)))
}

/// Where a redirect leads that keeps the request whole and stays on the host: an event goes only where its owner said.
fn same_place(url: &Url, response: &Response<Incoming>) -> Option<Url> {
    let whole = matches!(response.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    let location = response.headers().get(LOCATION).filter(|_| whole)?;
    let next = url.join(location.to_str().ok()?).ok()?;
    (next.origin() == url.origin()).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name says nothing, what it is looked up to does, and that is what the client would have connected to. (This
    /// one is in every hosts file. It goes to the client itself, as the caller would not let it get there.)
    #[tokio::test]
    async fn names_that_lead_to_private_addresses_are_not_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let get = |allowed| client(&Arc::new(allowed)).get(url.parse().unwrap());
        let error = get(PrivateTargets::none()).await.unwrap_err();
        assert!(blocked(&error).is_some(), "{error:?}");

        let request = tokio::spawn(get(PrivateTargets::none().allow("127.0.0.0/8").unwrap()));
        listener.accept().await.unwrap();
        request.abort();
    }
}
