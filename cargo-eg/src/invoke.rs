//! Calls functions as AWS's own services do: through the Invoke API, waiting for the answer. Knows no payloads.

use bytes::Bytes;

use crate::connections::connections;
use crate::exit::chain;

/// The header by which Lambda says that the function failed.
const FUNCTION_ERROR: &str = "x-amz-function-error";

/// A client of the local Lambda; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Lambda {
    client: reqwest::Client,
    url: String,
}

/// Why an invocation gave no answer, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvokeFailure(pub(crate) String);

impl Lambda {
    pub(crate) fn new(url: &str) -> Self {
        Self { client: connections(), url: url.to_owned() }
    }

    /// The function's answer.
    pub(crate) async fn invoke(&self, function: &str, payload: Vec<u8>) -> Result<Bytes, InvokeFailure> {
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.url);
        let failed = |error: reqwest::Error| InvokeFailure(chain(&error));
        let response = self.client.post(url).body(payload).send().await.map_err(failed)?;
        let (status, is_error) = (response.status(), response.headers().contains_key(FUNCTION_ERROR));
        let body = response.bytes().await.map_err(failed)?;
        if status.is_success() && !is_error { Ok(body) } else { Err(InvokeFailure(message(&body))) }
    }
}

/// What an error object of a function or of Lambda says.
fn message(body: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = ["errorMessage", "message", "Message"].iter().find_map(|key| value[*key].as_str());
    text.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned)
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_error_object_is_told_by_its_message() {
        let check =
            |body: &str, expected: &str| assert_eq!(super::message(body.as_bytes()), expected, "{body}");
        check(r#"{"errorType":"Error","errorMessage":"no database"}"#, "no database");
        check(r#"{"Type":"User","Message":"Function not found: x"}"#, "Function not found: x");
        check("no JSON", "no JSON");
    }
}
