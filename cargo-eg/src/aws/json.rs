//! Signed calls of services that speak AWS JSON, for the few operations that need no client of their own: throttled and lost calls are
//! repeated. What the operations mean is left to the callers.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use eg_sdk::__private::HttpClient;
use http::{Request, Response};
use serde_json::Value;

use super::{ATTEMPTS, FIRST_WAIT, credentials, failures, region};
use crate::exit::{Exit, Failure};

/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(30);

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// The codes of errors that pass.
const PASSING: [&str; 3] = ["InternalException", "ThrottlingException", "Throttling"];

/// The code of an error: what the call makes exists already.
const EXISTS: &str = "ResourceAlreadyExistsException";

/// A service in the region of the configuration.
#[derive(Debug)]
pub(crate) struct Service {
    config: SdkConfig,
    http: HttpClient,
    /// Its name in endpoints and signatures.
    name: &'static str,
    /// The beginning of the names of its operations.
    target: &'static str,
}

impl Service {
    /// EventBridge. Calls nothing.
    pub(crate) fn events(config: &SdkConfig) -> Self {
        Self { config: config.clone(), http: HttpClient::default(), name: "events", target: "AWSEvents" }
    }

    /// Calls an operation. `action` is what fails, in messages: `read the archive`.
    pub(crate) async fn call(&self, action: &str, operation: &str, body: &Value) -> Result<Value, Failure> {
        let body = Bytes::from(body.to_string());
        let mut wait = FIRST_WAIT;
        for attempt in 1.. {
            let answer = self.http.send(self.signed(action, operation, &body).await?, PATIENCE).await;
            let outcome = match &answer {
                Ok(answer) => read(answer),
                Err(_) => Err((String::new(), String::new())),
            };
            let (code, message) = match outcome {
                Ok(value) => return Ok(value),
                // The answer of the first attempt was lost, which has made it.
                Err((code, _)) if attempt > 1 && code == EXISTS => return Ok(Value::Null),
                Err(error) => error,
            };
            let passes = match &answer {
                Ok(answer) => answer.status().is_server_error() || PASSING.contains(&code.as_str()),
                Err(_) => true,
            };
            if !passes || attempt == ATTEMPTS {
                return Err(match answer {
                    Ok(_) => failures::answered(action, &code, &message),
                    Err(error) => failures::unanswered(action, &error),
                });
            }
            tokio::time::sleep(wait.mul_f64(fastrand::f64())).await;
            wait *= 2;
        }
        unreachable!("the loop ends by returning")
    }

    async fn signed(&self, action: &str, operation: &str, body: &Bytes) -> Result<Request<Bytes>, Failure> {
        let (region, name) = (region(&self.config), self.name);
        let url = match self.config.endpoint_url() {
            Some(endpoint) => format!("{}/", endpoint.trim_end_matches('/')),
            None => format!("{}/", eg_grammar::region::endpoint(name, &region)),
        };
        let target = format!("{}.{operation}", self.target);
        let headers = [("content-type", CONTENT_TYPE), ("x-amz-target", target.as_str())];
        let unsigned = |error: String| Failure::new(Exit::Failed, format!("cannot {action}: {error}"));
        let identity = credentials(&self.config).await?.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&region)
            .name(name)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| unsigned(error.to_string()))?
            .into();
        let request = SignableRequest::new("POST", &url, headers.into_iter(), SignableBody::Bytes(body))
            .map_err(|error| unsigned(error.to_string()))?;
        let (signature, _) =
            sign(request, &params).map_err(|error| unsigned(error.to_string()))?.into_parts();
        let mut request = Request::post(&url);
        for (name, value) in headers.into_iter().chain(signature.headers()) {
            request = request.header(name, value);
        }
        request.body(body.clone()).map_err(|error| unsigned(error.to_string()))
    }
}

/// Reads an answer: the result, or the code and the message of the error.
fn read(answer: &Response<Bytes>) -> Result<Value, (String, String)> {
    let value: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    if answer.status().is_success() {
        return Ok(value);
    }
    let text = |names: [&str; 2]| names.iter().find_map(|name| value[*name].as_str()).map(str::to_owned);
    let code = text(["__type", "code"]).unwrap_or_else(|| answer.status().to_string());
    let code = code.rsplit('#').next().unwrap_or(&code).to_owned();
    Err((code, text(["message", "Message"]).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_a_code_and_a_message() {
        let check = |status: u16, body: &'static str, expected: Result<Value, (&str, &str)>| {
            let answer = Response::builder().status(status).body(Bytes::from(body)).unwrap();
            let expected = expected.map_err(|(code, message)| (code.to_owned(), message.to_owned()));
            assert_eq!(read(&answer), expected, "{body}");
        };
        check(200, r#"{"State":"RUNNING"}"#, Ok(serde_json::json!({"State": "RUNNING"})));
        check(200, "", Ok(Value::Null));
        check(
            400,
            r#"{"__type":"a#LimitExceededException","message":"ten"}"#,
            Err(("LimitExceededException", "ten")),
        );
        check(400, r#"{"__type":"ValidationException","Message":"no"}"#, Err(("ValidationException", "no")));
        check(502, "<html>", Err(("502 Bad Gateway", "")));
    }
}
