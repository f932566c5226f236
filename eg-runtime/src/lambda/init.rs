//! Tells Lambda why a process cannot start, so that the cause stands in the function's log and metrics instead
//! of a bare exit code. Source: Lambda Runtime API, "Initialization error".

use std::time::Duration;

use http::Uri;
use lambda_runtime_api_client::{Client, body::Body, build_request};
use serde_json::json;

/// Posts `message` to `/runtime/init/error` of the Runtime API at `endpoint`. The process is about to end
/// with the same message on stderr, so that a failure to post it loses nothing.
pub(crate) async fn report(endpoint: &str, message: &str) {
    let post = async {
        let endpoint: Uri = format!("http://{endpoint}").parse().ok()?;
        let client = Client::builder().with_endpoint(endpoint).build().ok()?;
        let body = json!({ "errorType": "Runtime.InitError", "errorMessage": message }).to_string();
        let request = build_request()
            .method("POST")
            .uri("/2018-06-01/runtime/init/error")
            .header("content-type", "application/json")
            .header("lambda-runtime-function-error-type", "Runtime.InitError")
            .body(Body::from(body))
            .ok()?;
        client.call(request).await.ok()
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), post).await;
}
