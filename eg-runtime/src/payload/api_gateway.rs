//! Reads HTTP requests in API Gateway's payload format 2.0, from HTTP APIs and function URLs. Source: AWS's
//! description of that format (header values joined by commas, separate cookies, `rawPath` with the stage as prefix,
//! except on custom domains, which have a base path instead). Function URLs can stream answers, HTTP APIs cannot.

use std::collections::BTreeMap;

use axum::extract::Request;
use http::header;
use serde::Deserialize;

use super::request::{Pieces, Single, append, header_map, pairs};
use super::routed::{Parameters, matched, without_stage};
use super::{BadRequest, PayloadError};
use crate::stream;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    raw_path: String,
    raw_query_string: Option<String>,
    headers: Single,
    cookies: Option<Vec<String>>,
    route_key: Option<String>,
    path_parameters: Parameters,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
    request_context: Context,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    http: Http,
    stage: Option<String>,
    domain_name: Option<String>,
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

pub(super) fn read(json: &str) -> Result<Result<Request, BadRequest>, PayloadError> {
    let invalid = |e: serde_json::Error| PayloadError::Family {
        family: "API Gateway request (payload format 2.0)",
        reason: e.to_string(),
    };
    let event: Event = serde_json::from_str(json).map_err(invalid)?;
    let mut headers = header_map(pairs(&event.headers, &None));
    if let Some(cookies) = event.cookies.as_ref().filter(|cookies| !cookies.is_empty()) {
        headers.remove(header::COOKIE);
        append(&mut headers, header::COOKIE.as_str(), &cookies.join("; "));
    }
    let pieces = Pieces {
        method: &event.request_context.http.method,
        path: event.path(),
        query: event.raw_query_string.as_deref().unwrap_or_default(),
        headers,
        base64: event.is_base64_encoded.unwrap_or_default(),
        body: event.body.clone(),
    };
    let streams =
        event.request_context.domain_name.as_ref().is_some_and(|name| name.contains(".lambda-url."));
    let mut request = pieces.build();
    if let (Ok(request), true) = (&mut request, streams) {
        stream::allow(request);
    }
    Ok(request)
}

impl Event {
    fn path(&self) -> &str {
        let route = self.route_key.as_deref().and_then(|key| Some(key.split_once(' ')?.1));
        let params = self.path_parameters.as_ref();
        let matched =
            route.and_then(|route| matched(&self.raw_path, route, params.unwrap_or(&BTreeMap::new())));
        if let Some(path) = matched {
            return path;
        }
        let context = &self.request_context;
        let custom_domain = context.domain_name.as_ref().is_some_and(|name| !name.contains(".execute-api."));
        let stage = context.stage.as_deref().filter(|_| !custom_domain);
        without_stage(&self.raw_path, stage)
    }
}
