//! Reads HTTP requests from REST APIs (API Gateway payload format 1.0) and Application Load Balancers, which use the
//! same names. Sources: AWS's description of the Lambda proxy integration, and of Lambda functions as targets of a
//! load balancer (whose query is not decoded; API Gateway's is).

use std::collections::BTreeMap;

use axum::extract::Request;
use serde::Deserialize;

use super::request::{Multi, Pieces, Single, header_map, pairs, query, raw_query};
use super::routed::{Parameters, matched, without_stage};
use super::{BadRequest, PayloadError};
use crate::stream;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    version: Option<String>,
    http_method: String,
    path: String,
    headers: Single,
    multi_value_headers: Multi,
    query_string_parameters: Single,
    multi_value_query_string_parameters: Multi,
    resource: Option<String>,
    path_parameters: Parameters,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
    request_context: Context,
}

#[derive(Deserialize)]
struct Context {
    stage: Option<String>,
}

/// Reads a request from a REST API, or from an HTTP API in the same format.
pub(super) fn rest_api(json: &str) -> Result<Result<Request, BadRequest>, PayloadError> {
    let event = read(json, "API Gateway request (payload format 1.0)")?;
    let none = BTreeMap::new();
    let params = event.path_parameters.as_ref().unwrap_or(&none);
    // On a custom domain, `path` starts with the API's base path.
    let path = event.resource.as_deref().and_then(|resource| matched(&event.path, resource, params));
    let path = path.unwrap_or_else(|| match event.resource.as_deref() {
        // HTTP APIs leave the stage in the path, and their default route does not show it.
        Some("$default") => without_stage(&event.path, event.request_context.stage.as_deref()),
        _ => &event.path,
    });
    let query = query(event.query());
    let mut request = event.build(path, &query);
    // HTTP APIs, which cannot stream answers, give the version of this format.
    if let (Ok(request), None) = (&mut request, &event.version) {
        stream::allow(request);
    }
    Ok(request)
}

/// Reads a request from a load balancer.
pub(super) fn load_balancer(json: &str) -> Result<Result<Request, BadRequest>, PayloadError> {
    let event = read(json, "load balancer request")?;
    let query = raw_query(event.query());
    Ok(event.build(&event.path, &query))
}

fn read(json: &str, family: &'static str) -> Result<Event, PayloadError> {
    serde_json::from_str(json).map_err(|e| PayloadError::Family { family, reason: e.to_string() })
}

impl Event {
    fn build(&self, path: &str, query: &str) -> Result<Request, BadRequest> {
        let headers = header_map(pairs(&self.headers, &self.multi_value_headers));
        let method = &self.http_method;
        let base64 = self.is_base64_encoded.unwrap_or_default();
        Pieces { method, path, query, headers, body: self.body.clone(), base64 }.build()
    }

    fn query(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(&self.query_string_parameters, &self.multi_value_query_string_parameters)
    }
}
