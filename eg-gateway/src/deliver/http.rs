//! Calls functions of the `http` provider: one POST with the event in structured JSON.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use eg_sdk::TraceContext;
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, Url, redirect};

use super::resolve::{Resolver, blocked};
use super::{CallError, chain};
use crate::clock;
use crate::decide::delivery;
use crate::decide::targets::PrivateTargets;

/// Calls URLs. Keeps connections for later calls.
pub(super) struct HttpCaller {
    client: Client,
    allowed: Arc<PrivateTargets>,
    reply_limit: usize,
    strict: bool,
}

impl HttpCaller {
    /// `reply_limit` is the largest reply taken, in bytes; `strict` takes for a failure only what the original did.
    pub(super) fn new(
        allowed: &Arc<PrivateTargets>,
        reply_limit: usize,
        strict: bool,
    ) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls())
            .redirect(redirect::Policy::custom(same_place))
            .dns_resolver(Arc::new(Resolver::new(allowed)))
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(60))
            .user_agent(concat!("event-gateway/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client, allowed: Arc::clone(allowed), reply_limit, strict })
    }

    pub(super) async fn call(
        &self,
        url: &str,
        event: Bytes,
        trace: &TraceContext,
    ) -> Result<Bytes, CallError> {
        let url = Url::parse(url).map_err(|e| CallError::reject(format!("its URL is not valid: {e}")))?;
        // The client looks up names, not addresses.
        self.allowed.check_host(url.host_str().unwrap_or_default())?;
        let request = self.client.post(url).body(event);
        let mut request = request
            .header(CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json"))
            .header("traceparent", trace.traceparent());
        if let Some(state) = trace.tracestate() {
            request = request.header("tracestate", state);
        }
        let response = request.send().await.map_err(|e| failed(&e))?;
        let status = response.status().as_u16();
        let pause = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let pause = pause.and_then(|value| delivery::retry_after(value, clock::now().into()));
        let body = self.read(response).await?;
        let outcome = if self.strict { delivery::of_http_strict } else { delivery::of_http };
        outcome(status, &body).map_err(|failure| CallError::Failed(failure.asking_for(pause)))?;
        Ok(body)
    }

    async fn read(&self, mut response: Response) -> Result<Bytes, CallError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| failed(&e))? {
            if body.len() + chunk.len() > self.reply_limit {
                return Err(CallError::retry(format!("the reply is larger than {} bytes", self.reply_limit)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

fn failed(error: &reqwest::Error) -> CallError {
    blocked(error).map_or_else(|| CallError::retry(chain(error)), CallError::from)
}

/// Follows redirects that keep the request whole and stay on the host: an event goes only where its owner said.
fn same_place(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let whole = matches!(attempt.status().as_u16(), 307 | 308);
    let first = attempt.previous().first();
    let same = first.is_some_and(|first| first.origin() == attempt.url().origin());
    if whole && same && attempt.previous().len() <= 5 { attempt.follow() } else { attempt.stop() }
}

/// A client for what the operator of the gateway named.
#[cfg(feature = "otlp")]
pub(crate) fn plain_client() -> Result<Client, reqwest::Error> {
    Client::builder().tls_backend_preconfigured(tls()).build()
}

/// Mozilla's roots and ring: no dependence on files of the machine.
fn tls() -> rustls::ClientConfig {
    let roots = rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
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
        let client = |allowed| HttpCaller::new(&Arc::new(allowed), 1024, false).unwrap().client;
        let error = client(PrivateTargets::none()).get(&url).send().await.unwrap_err();
        assert!(blocked(&error).is_some(), "{error:?}");

        let allowed = PrivateTargets::none().allow("127.0.0.0/8").unwrap();
        let request = tokio::spawn(client(allowed).get(&url).send());
        listener.accept().await.unwrap();
        request.abort();
    }
}
