//! Calls servers on this machine that play services of AWS. Which servers there are is left to the callers.

use std::time::Duration;

use bytes::Bytes;
use eg_local::emulator::REGION;
use eg_sdk::__private::HttpClient;
use http::Request;
use serde_json::Value;

/// The access key of functions on this machine. DynamoDB Local may separate tables by key and region; it checks no signatures.
pub(super) const ACCESS_KEY: &str = "local";

/// The variables of AWS's SDKs with the address of a DynamoDB, and of all services.
pub(super) const DYNAMODB: &str = "AWS_ENDPOINT_URL_DYNAMODB";
pub(super) const ALL_SERVICES: &str = "AWS_ENDPOINT_URL";

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A service that speaks AWS JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Api {
    /// Its name in messages.
    pub(super) name: &'static str,
    /// Its name in signatures.
    pub(super) signed: &'static str,
    /// What precedes the operation in `X-Amz-Target`.
    pub(super) target: &'static str,
    /// The version of AWS JSON.
    pub(super) json: &'static str,
}

/// Returns the first of these variables that is set, with its value.
pub(super) fn endpoint(variables: &[&'static str]) -> Option<(&'static str, String)> {
    let set =
        |name: &&'static str| std::env::var(name).ok().filter(|url| !url.is_empty()).map(|url| (*name, url));
    variables.iter().find_map(set)
}

/// Calls an operation. Returns its result, or the reason if it fails, which begins with the code of the error.
pub(super) async fn call(
    client: &HttpClient,
    url: &str,
    api: Api,
    operation: &str,
    body: &Value,
) -> Result<Value, String> {
    let Api { name, signed, target, json } = api;
    let scope = format!("{ACCESS_KEY}/20260101/{REGION}/{signed}/aws4_request");
    let request = Request::post(url)
        .header("content-type", format!("application/x-amz-json-{json}"))
        .header("x-amz-target", format!("{target}.{operation}"))
        .header("x-amz-date", "20260101T000000Z")
        .header(
            "authorization",
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"),
        )
        .body(Bytes::from(body.to_string()))
        .map_err(|error| error.to_string())?;
    let answer = client.send(request, PATIENCE).await.map_err(|error| error.to_string())?;
    let content: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    if answer.status().is_success() {
        return Ok(content);
    }
    let error = content;
    let code = error["__type"].as_str().and_then(|ty| ty.rsplit('#').next());
    let message = error["message"].as_str().or_else(|| error["Message"].as_str()).unwrap_or_default();
    Err(match code {
        Some(code) => format!("{code}: {message}"),
        None => format!(
            "the server returned {} without an error code of {name}; check that the URL is a {name} endpoint",
            answer.status().as_u16()
        ),
    })
}
