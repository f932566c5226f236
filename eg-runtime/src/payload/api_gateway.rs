//! HTTP requests in API Gateway's payload format 2.0: HTTP APIs and function URLs. Source: AWS's description
//! of that format (header values joined by commas, cookies apart, `rawPath` with the stage in front).

use std::collections::HashMap;

use axum::extract::Request;
use http::{HeaderMap, header};
use serde::Deserialize;

use super::PayloadError;
use super::request::{append, build, decode};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
    request_context: Context,
}

#[derive(Deserialize)]
struct Context {
    http: Http,
    #[serde(default)]
    stage: Option<String>,
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

pub(super) fn read(json: &str) -> Result<Request, PayloadError> {
    let invalid = |reason: String| PayloadError::Family { family: "API Gateway request", reason };
    let event: Event = serde_json::from_str(json).map_err(|e| invalid(e.to_string()))?;
    let mut headers = HeaderMap::with_capacity(event.headers.len() + 1);
    for (name, value) in &event.headers {
        append(&mut headers, name, value);
    }
    if !event.cookies.is_empty() {
        headers.remove(header::COOKIE);
        append(&mut headers, "cookie", &event.cookies.join("; "));
    }
    let body = match event.body {
        None => Vec::new(),
        Some(body) if event.is_base64_encoded => decode(&body).map_err(invalid)?,
        Some(body) => body.into_bytes(),
    };
    let path = without_stage(&event.raw_path, event.request_context.stage.as_deref());
    let query = Some(event.raw_query_string).filter(|query| !query.is_empty());
    let path_and_query = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    build(&event.request_context.http.method, &path_and_query, headers, body).map_err(invalid)
}

/// Named stages stand in front of the path; `$default` does not.
fn without_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    let stage = stage.filter(|stage| *stage != "$default" && !stage.is_empty());
    let rest = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
    match rest {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}
