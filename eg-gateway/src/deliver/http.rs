//! Calls functions of the `http` provider: one POST with the event in structured JSON. `outbound`
//! manages the connections.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use eg_grammar::extension::{TRACEPARENT, TRACESTATE};
use eg_grammar::header::STREAMED_ANSWER;
use eg_grammar::retry_after;
use eg_sdk::TraceContext;
use eg_sdk::config::Secret;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION, RETRY_AFTER, USER_AGENT};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use percent_encoding::percent_decode_str;
use url::{Position, Url};

use super::streams::{self, Answered};
use super::{CallError, failed};
use crate::budget::Reservation;
use crate::clock;
use crate::decide::delivery;
use crate::decide::signing::{Signature, SigningKey};
use crate::decide::targets::PrivateTargets;
use crate::options::Options;
use crate::outbound::reading::Reading;
use crate::outbound::resolve::blocked;
use crate::outbound::{Connector, Pool, SendError};
use crate::recent::Notes;
use crate::tls::ClientTls;

/// Maximum number of redirects that one call follows.
const REDIRECTS: usize = 5;

/// Maximum number of cached endpoints. Redirects can lead to any number of them.
const ENDPOINTS: usize = 10_000;

/// Calls functions by URL. Keeps connections for later calls.
pub(super) struct HttpCaller {
    connector: Connector,
    known: Mutex<Known>,
    allowed: Arc<PrivateTargets>,
    /// Maximum size of a reply in bytes.
    reply_limit: usize,
    /// Whether only status 500 is a failure, as in the original.
    strict: bool,
}

#[derive(Default)]
struct Known {
    /// By URL.
    endpoints: HashMap<String, Arc<Endpoint>>,
    /// By origin.
    pools: HashMap<String, Arc<Pool>>,
}

/// The parts of a call that depend only on the URL of the function.
struct Endpoint {
    url: Url,
    /// Path and query.
    target: Uri,
    /// The headers that are the same in each call.
    headers: HeaderMap,
    pool: Arc<Pool>,
}

impl HttpCaller {
    pub(super) fn new(options: &Options, tls: &ClientTls, allowed: &Arc<PrivateTargets>) -> Self {
        let (connector, allowed) = (Connector::of_functions(options, tls, allowed), Arc::clone(allowed));
        let (reply_limit, strict) = (options.reply_limit, options.strict_compat);
        Self { connector, known: Mutex::default(), allowed, reply_limit, strict }
    }

    // An async function would hold the future inside it a second time.
    pub(super) fn call<'a>(
        &'a self,
        url: &'a str,
        event: Bytes,
        trace: &'a TraceContext,
        reading: Reading<'a>,
        notes: &'a Notes,
    ) -> impl Future<Output = Result<Bytes, CallError>> + 'a {
        self.deliver(url, event, trace, None, reading, notes)
    }

    /// Calls a webhook: signs the event with each of the secrets.
    pub(super) async fn call_webhook(
        &self,
        (url, secrets): (&str, &[Secret]),
        event: Bytes,
        trace: &TraceContext,
        reading: Reading<'_>,
        notes: &Notes,
    ) -> Result<Bytes, CallError> {
        let keys = secrets.iter().map(SigningKey::read).collect::<Result<Vec<_>, _>>();
        let keys = keys.map_err(|error| CallError::retry(format!("its secrets cannot sign: {error}")))?;
        let now = clock::wall().unix_timestamp();
        let signature = Signature::of(&keys, &event, now);
        self.deliver(url, event, trace, Some(&signature), reading, notes).await
    }

    async fn deliver(
        &self,
        url: &str,
        event: Bytes,
        trace: &TraceContext,
        signature: Option<&Signature>,
        reading: Reading<'_>,
        notes: &Notes,
    ) -> Result<Bytes, CallError> {
        let response = self
            .follow(url, |endpoint| {
                let request = endpoint.request(event.clone(), trace, signature);
                async move { endpoint.pool.send(request?, self.reply_limit, reading).await }
            })
            .await?;
        let (head, body) = response.into_parts();
        notes.status(head.status.as_u16());
        self.settle(&head, body)
    }

    /// Calls a function that may stream its answer. Returns the answer, or the beginning of a stream.
    pub(super) async fn converse(
        &self,
        url: &str,
        event: Bytes,
        trace: &TraceContext,
        room: &Reservation,
        notes: &Notes,
    ) -> Result<Answered, CallError> {
        let response = self
            .follow(url, |endpoint| {
                let request = endpoint.request(event.clone(), trace, None).map(|mut request| {
                    request.headers_mut().insert(ACCEPT, streams::ACCEPTED.clone());
                    request
                });
                async move { endpoint.pool.begin(request?).await }
            })
            .await?;
        let (head, body) = response.into_parts();
        notes.status(head.status.as_u16());
        let streams = streams::is_of_type(&head.headers, STREAMED_ANSWER);
        let pieces = streams::pieces(body);
        match streams::read(pieces, streams && head.status.is_success(), self.reply_limit, room).await? {
            Answered::Whole(body) => self.settle(&head, body).map(Answered::Whole),
            streamed @ Answered::Streamed(..) => Ok(streamed),
        }
    }

    /// Calls the function at `url` with `send`, and follows its redirects.
    async fn follow<B, F>(
        &self,
        url: &str,
        send: impl Fn(Arc<Endpoint>) -> F,
    ) -> Result<Response<B>, CallError>
    where
        F: Future<Output = Result<Response<B>, SendError>>,
    {
        let mut endpoint = self.endpoint(url)?;
        let mut response = send(Arc::clone(&endpoint)).await.map_err(|error| self.failed(&error))?;
        for _ in 0..REDIRECTS {
            let Some(next) = same_place(&endpoint.url, &response) else { break };
            endpoint = self.endpoint(next.as_str())?;
            response = send(Arc::clone(&endpoint)).await.map_err(|error| self.failed(&error))?;
        }
        Ok(response)
    }

    /// Returns the body of an answer, or the failure that the answer means.
    fn settle(&self, head: &Parts, body: Bytes) -> Result<Bytes, CallError> {
        let status = head.status.as_u16();
        let pause = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let pause = pause.and_then(|value| retry_after(value, clock::wall().into()));
        let outcome = if self.strict { delivery::of_http_strict } else { delivery::of_http };
        outcome(status, &body).map_err(|failure| CallError::Failed(failure.asking_for(pause)))?;
        Ok(body)
    }

    /// Returns the endpoint at `url`. Each URL is parsed only once.
    fn endpoint(&self, url: &str) -> Result<Arc<Endpoint>, CallError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(endpoint) = known.endpoints.get(url) {
            return Ok(Arc::clone(endpoint));
        }
        let read = Url::parse(url).map_err(|error| invalid(&error))?;
        // The connector resolves names; an address must be checked here.
        self.allowed.check_host(read.host_str().unwrap_or_default())?;
        if known.endpoints.len() >= ENDPOINTS {
            *known = Known::default();
        }
        let origin = read.origin().ascii_serialization();
        let pool = match known.pools.get(&origin) {
            Some(pool) => Arc::clone(pool),
            None => {
                let uri = origin.parse().map_err(|error| invalid(&error))?;
                let pool = Pool::new(self.connector.clone(), uri);
                known.pools.insert(origin, Arc::clone(&pool));
                pool
            }
        };
        let endpoint = Arc::new(Endpoint::new(read, pool)?);
        known.endpoints.insert(url.to_owned(), Arc::clone(&endpoint));
        Ok(endpoint)
    }

    fn failed(&self, error: &SendError) -> CallError {
        blocked(&**error).map_or_else(|| failed(error, self.reply_limit), CallError::from)
    }
}

impl Endpoint {
    fn new(url: Url, pool: Arc<Pool>) -> Result<Self, CallError> {
        let target =
            url[Position::BeforePath..Position::AfterQuery].parse().map_err(|error| invalid(&error))?;
        let mut headers = HeaderMap::new();
        headers.insert(HOST, header(&url[Position::BeforeHost..Position::AfterPort])?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json"));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("event-gateway/", env!("CARGO_PKG_VERSION"))),
        );
        if let Some(credentials) = credentials(&url) {
            headers.insert(AUTHORIZATION, header(&credentials)?);
        }
        Ok(Self { url, target, headers, pool })
    }

    /// Returns the request that delivers an event.
    fn request(
        &self,
        event: Bytes,
        trace: &TraceContext,
        signature: Option<&Signature>,
    ) -> Result<Request<Full<Bytes>>, SendError> {
        let mut request = Request::new(Full::new(event));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.clone();
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert(TRACEPARENT, HeaderValue::from_str(trace.traceparent())?);
        if let Some(state) = trace.tracestate() {
            headers.insert(TRACESTATE, HeaderValue::from_str(state)?);
        }
        if let Some(signature) = signature {
            sign(headers, signature)?;
        }
        Ok(request)
    }
}

/// Adds the headers of a signature.
fn sign(headers: &mut HeaderMap, signature: &Signature) -> Result<(), SendError> {
    let Signature { id, timestamp, signatures } = signature;
    for (name, value) in
        [("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", signatures)]
    {
        headers.insert(name, HeaderValue::from_str(value)?);
    }
    Ok(())
}

fn header(value: &str) -> Result<HeaderValue, CallError> {
    HeaderValue::from_str(value).map_err(|error| invalid(&error))
}

fn invalid(error: &dyn Error) -> CallError {
    CallError::reject(format!("its URL is not valid: {error}"))
}

/// Returns the user and the password in a URL as Basic credentials.
fn credentials(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    Some(format!("Basic {}", STANDARD.encode(pair)))
}

/// Returns the target of a redirect that keeps method and body and stays on the same origin. Other redirects are not
/// followed, because they could send the event to a place that its owner did not choose.
fn same_place<B>(url: &Url, response: &Response<B>) -> Option<Url> {
    let whole = matches!(response.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    let location = response.headers().get(LOCATION).filter(|_| whole)?;
    let next = url.join(location.to_str().ok()?).ok()?;
    (next.origin() == url.origin()).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_a_url() {
        let caller =
            HttpCaller::new(&Options::new("unused"), &ClientTls::default(), &Arc::new(PrivateTargets::all()));
        for (url, target, host, authorization) in [
            ("http://a.example", "/", "a.example", None),
            ("http://a.example:80/x?y=%20#z", "/x?y=%20", "a.example", None),
            ("https://A.example:8443/ü", "/%C3%BC", "a.example:8443", None),
            ("http://u:p%40@[::1]:9/", "/", "[::1]:9", Some("Basic dTpwQA==")),
        ] {
            let endpoint = caller.endpoint(url).unwrap();
            assert_eq!(endpoint.target, target, "{url}");
            assert_eq!(endpoint.headers[HOST], host, "{url}");
            let found = endpoint.headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap());
            assert_eq!(found, authorization, "{url}");
            assert!(Arc::ptr_eq(&endpoint, &caller.endpoint(url).unwrap()), "{url}");
        }
        let [one, other] =
            ["http://b.example/1", "http://b.example/2"].map(|url| caller.endpoint(url).unwrap());
        assert!(Arc::ptr_eq(&one.pool, &other.pool), "one origin, one pool");
    }
}
