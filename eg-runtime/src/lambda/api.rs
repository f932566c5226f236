//! The client of Lambda's Runtime API: gets invocations, and sends answers, failures and init errors over one
//! connection. Knows no functions and no payloads. Source: AWS's description of the Runtime API.

use std::error::Error as StdError;
use std::io;

use std::sync::atomic::Ordering;

use bytes::Bytes;
use eg_sdk::__private::{Connection, RequestBody, Unanswered};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use serde::Serialize;

use super::Answer;
use crate::log::{Level, Line};
use crate::outcome::Failure;
use crate::start::INIT_ERROR;
use crate::stream::{self, Streaming};

const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("eg-runtime/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The header with the error type, which Lambda uses for metrics.
const ERROR_TYPE: &str = stream::ERROR_TYPE;
/// The error type of a process that cannot continue after a restore.
const RESTORE_ERROR: &str = "Runtime.AfterRestoreError";
/// The header that announces a streamed answer.
const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";
/// The header that identifies one delivery of an invocation. Sent back with the answer, so that Lambda can detect
/// late answers.
const INVOCATION_ID: &str = "lambda-runtime-invocation-id";

/// The client of one worker: one call at a time.
pub(crate) struct RuntimeApi {
    /// Host and port.
    address: String,
    host: HeaderValue,
    /// The prefix of all paths. Some Lambda emulators use it to distinguish functions.
    base: String,
    connection: Option<Connection>,
}

/// An invocation to answer.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) request_id: String,
    invocation_id: Option<HeaderValue>,
    /// Milliseconds since 1970.
    pub(crate) deadline: u64,
    /// The value of X-Ray's header.
    pub(crate) x_ray: Option<String>,
    /// All headers, for [`Context`](crate::Context).
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Bytes,
}

/// Why the Runtime API cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("AWS_LAMBDA_RUNTIME_API is `{0}`, not the host and port of a Lambda Runtime API")]
    Address(String),
    #[error("cannot connect to the Lambda Runtime API at {0}: {1}")]
    Connect(String, io::Error),
    #[error("the connection to the Lambda Runtime API broke: {0}")]
    Broken(Box<dyn StdError + Send + Sync>),
    #[error("the Lambda Runtime API answered {0}")]
    Status(StatusCode),
    #[error("the Lambda Runtime API handed out an invocation without `{0}`")]
    Header(&'static str),
}

impl ApiError {
    /// Returns whether another attempt can help.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            Self::Address(_) => false,
            Self::Status(status) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::Connect(..) | Self::Broken(_) | Self::Header(_) => true,
        }
    }
}

/// The report of a failed invocation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    error_type: &'a str,
    error_message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack_trace: Option<[&'a str; 1]>,
}

impl RuntimeApi {
    /// Creates a client for `endpoint`: host and port, or a URL whose path is prepended to the API's paths.
    pub(crate) fn new(endpoint: &str) -> Result<Self, ApiError> {
        let invalid = || ApiError::Address(endpoint.to_owned());
        let uri: Uri = endpoint.parse().map_err(|_| invalid())?;
        if uri.scheme_str().is_some_and(|scheme| scheme != "http") {
            return Err(invalid());
        }
        let authority = uri.authority().ok_or_else(invalid)?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| invalid())?;
        let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
        let base = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { address, host, base, connection: None })
    }

    /// Waits for an invocation.
    pub(crate) async fn next(&mut self) -> Result<Next, ApiError> {
        let request = self.request(Method::GET, "/invocation/next", Bytes::new());
        let response = self.exchange(request).await?;
        if response.status() != StatusCode::OK {
            return Err(ApiError::Status(response.status()));
        }
        let (parts, payload) = response.into_parts();
        let text = |name| text(&parts.headers, name);
        const REQUEST_ID: &str = "lambda-runtime-aws-request-id";
        let request_id = text(REQUEST_ID).ok_or(ApiError::Header(REQUEST_ID))?.to_owned();
        Ok(Next {
            request_id,
            invocation_id: parts.headers.get(INVOCATION_ID).cloned(),
            deadline: text("lambda-runtime-deadline-ms").and_then(|ms| ms.parse().ok()).unwrap_or_default(),
            x_ray: text("lambda-runtime-trace-id").map(str::to_owned),
            headers: parts.headers,
            payload,
        })
    }

    /// Sends the answer or failure of an invocation, once more if the connection breaks or the API fails: it refuses an
    /// outcome that it has. A streamed answer can be sent only once. Logs a refusal, for example because the answer is late; the next invocation is not affected.
    ///
    /// # Errors
    /// If it is unknown whether the outcome has arrived.
    pub(crate) async fn finish(
        &mut self,
        of: &Next,
        answer: Result<Answer, Failure>,
    ) -> Result<(), ApiError> {
        let id = &of.request_id;
        let mut request = match answer {
            Ok(Answer::Whole(answer)) => {
                self.request(Method::POST, &format!("/invocation/{id}/response"), answer.into())
            }
            Ok(Answer::Stream(stream)) => return self.finish_stream(of, stream).await,
            Err(failure) => {
                let path = format!("/invocation/{id}/error");
                let ty = failure.kind.error_type();
                self.report(&path, &format!("Function.{ty}"), ty, &failure.message, failure.place.as_deref())
            }
        };
        if let Some(id) = &of.invocation_id {
            request.headers_mut().insert(INVOCATION_ID, id.clone());
        }
        let again = request.clone();
        let response = match self.exchange(request).await {
            Ok(response) if !response.status().is_server_error() => response,
            _ => {
                let response = self.exchange(again).await?;
                if response.status().is_server_error() {
                    return Err(ApiError::Status(response.status()));
                }
                // A refusal now means that the first attempt has arrived, or that it is too late.
                return Ok(());
            }
        };
        log_refusal(&response, id);
        Ok(())
    }

    /// Sends a streamed answer.
    async fn finish_stream(&mut self, of: &Next, stream: Streaming) -> Result<(), ApiError> {
        let id = &of.request_id;
        let mut request = self.request(Method::POST, &format!("/invocation/{id}/response"), Bytes::new());
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(stream::MEDIA_TYPE));
        headers.insert(RESPONSE_MODE, HeaderValue::from_static("streaming"));
        headers.append(header::TRAILER, HeaderValue::from_static(stream::ERROR_TYPE));
        headers.append(header::TRAILER, HeaderValue::from_static(stream::ERROR_BODY));
        headers.extend(of.invocation_id.clone().map(|id| (HeaderName::from_static(INVOCATION_ID), id)));
        let (body, ended) = stream.with_trailers();
        let response = self.send(request.map(|_| RequestBody::stream(body))).await;
        if !ended.load(Ordering::Relaxed) {
            // Nobody reads the rest. Without its connection, the stream ends.
            self.connection = None;
        }
        log_refusal(&response?, id);
        Ok(())
    }

    /// Reports why the process cannot start, so that the function's log and metrics have the cause instead of an exit
    /// code.
    pub(crate) async fn init_failed(&mut self, message: &str) -> Result<(), ApiError> {
        let request = self.report("/init/error", INIT_ERROR, INIT_ERROR, message, None);
        self.exchange(request).await.map(drop)
    }

    /// Reports why a process that was restored from a snapshot cannot continue.
    pub(crate) async fn restore_failed(&mut self, message: &str) -> Result<(), ApiError> {
        let request = self.report("/restore/error", RESTORE_ERROR, RESTORE_ERROR, message, None);
        self.exchange(request).await.map(drop)
    }

    /// With SnapStart, the process is frozen here and continues as a copy without open connections.
    pub(crate) async fn restored(&mut self) -> Result<(), ApiError> {
        let request = self.request(Method::GET, "/restore/next", Bytes::new());
        let status = self.exchange(request).await?.status();
        self.connection = None;
        if status.is_success() { Ok(()) } else { Err(ApiError::Status(status)) }
    }

    /// Registers an internal extension without events. Returns its identifier.
    pub(super) async fn register_extension(&mut self) -> Result<HeaderValue, ApiError> {
        const IDENTIFIER: &str = "lambda-extension-identifier";
        let mut request = self.of_extensions(Method::POST, "/register", r#"{"events":[]}"#.into());
        let name = HeaderValue::from_static("eg-runtime-shutdown");
        request.headers_mut().insert("lambda-extension-name", name);
        let response = self.exchange(request).await?;
        match response.headers().get(IDENTIFIER) {
            Some(identifier) if response.status().is_success() => Ok(identifier.clone()),
            Some(_) => Err(ApiError::Status(response.status())),
            None if response.status().is_success() => Err(ApiError::Header(IDENTIFIER)),
            None => Err(ApiError::Status(response.status())),
        }
    }

    /// Waits for an event of the extension, of which there is none.
    pub(super) async fn wait_as_extension(&mut self, identifier: HeaderValue) {
        let mut request = self.of_extensions(Method::GET, "/event/next", Bytes::new());
        request.headers_mut().insert("lambda-extension-identifier", identifier);
        // The wait ends with the process, or with Lambda.
        let _ = self.exchange(request).await;
    }

    fn of_extensions(&self, method: Method, path: &str, body: Bytes) -> Request<Bytes> {
        let mut request = self.request(method, "", body);
        let path = format!("{}/2020-01-01/extension{path}", self.base);
        *request.uri_mut() = Uri::try_from(path).unwrap_or_default();
        request
    }

    fn report(
        &self,
        path: &str,
        header: &str,
        error_type: &str,
        error_message: &str,
        place: Option<&str>,
    ) -> Request<Bytes> {
        let report = Report { error_type, error_message, stack_trace: place.map(|place| [place]) };
        let body = serde_json::to_string(&report).expect("text can be written as JSON");
        let mut request = self.request(Method::POST, path, body.into());
        // A function may have given its error a type that is no word.
        if let Ok(header) = HeaderValue::from_str(header) {
            request.headers_mut().insert(ERROR_TYPE, header);
        }
        request
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Request<Bytes> {
        let mut request = Request::new(body);
        // Request ids come from Lambda. Lambda refuses one that is not a valid path segment as unknown.
        let path = format!("{}/2018-06-01/runtime{path}", self.base);
        *request.uri_mut() = Uri::try_from(path).unwrap_or_default();
        let headers = request.headers_mut();
        headers.reserve(5);
        headers.insert(header::HOST, self.host.clone());
        headers.insert(header::USER_AGENT, USER_AGENT);
        if method == Method::POST {
            headers.insert(header::CONTENT_TYPE, JSON);
        }
        *request.method_mut() = method;
        request
    }

    async fn exchange(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, ApiError> {
        self.send(request.map(RequestBody::from)).await
    }

    /// Sends `request`. Reconnects if the idle connection was closed.
    async fn send(&mut self, mut request: Request<RequestBody>) -> Result<Response<Bytes>, ApiError> {
        if let Some(open) = &mut self.connection {
            match open.exchange(request).await {
                Ok(response) => return Ok(response),
                Err(Unanswered::Unsent(unsent)) => request = *unsent,
                Err(Unanswered::Broken(error)) => {
                    self.connection = None;
                    return Err(ApiError::Broken(error.into()));
                }
            }
        }
        let opened = Connection::open(&self.address).await;
        let opened = opened.map_err(|error| ApiError::Connect(self.address.clone(), error))?;
        let fresh = self.connection.insert(opened);
        fresh.exchange(request).await.map_err(|unanswered| match unanswered {
            Unanswered::Unsent(_) => {
                ApiError::Connect(self.address.clone(), io::ErrorKind::ConnectionReset.into())
            }
            Unanswered::Broken(error) => ApiError::Broken(error.into()),
        })
    }
}

/// Prints that the Runtime API has refused an outcome, if so.
fn log_refusal(response: &Response<Bytes>, request_id: &str) {
    if !response.status().is_success() {
        let (status, why) = (response.status(), String::from_utf8_lossy(response.body()));
        let message = format!("the Lambda Runtime API did not take the outcome ({status}): {why}");
        let (subject, error_type, request_id) = (None, None, Some(request_id));
        Line { level: Level::Error, message: &message, subject, error_type, request_id }.print();
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
