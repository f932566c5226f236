//! Reads HTTP requests from VPC Lattice, in both event structures. Source: AWS's description of Lambda functions as
//! VPC Lattice targets. It does not mention decoding of the query, so escapes stay.

use axum::extract::Request;
use serde::Deserialize;

use super::request::{Multi, Pieces, Single, header_map, pairs, raw_query};
use super::{BadRequest, PayloadError};

/// Structure 1: keys with underscores, one value per name.
#[derive(Deserialize)]
struct Event1 {
    raw_path: String,
    method: String,
    headers: Single,
    query_string_parameters: Single,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

/// Structure 2: all values per name.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event2 {
    path: String,
    method: String,
    headers: Multi,
    query_string_parameters: Multi,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

pub(super) fn read_1(json: &str) -> Result<Result<Request, BadRequest>, PayloadError> {
    let event: Event1 = serde_json::from_str(json).map_err(|e| invalid(&e))?;
    let query = raw_query(pairs(&event.query_string_parameters, &None));
    let (path, query) = target(&event.raw_path, &query);
    let headers = header_map(pairs(&event.headers, &None));
    let base64 = event.is_base64_encoded.unwrap_or_default();
    Ok(Pieces { method: &event.method, path, query, headers, body: event.body, base64 }.build())
}

pub(super) fn read_2(json: &str) -> Result<Result<Request, BadRequest>, PayloadError> {
    let event: Event2 = serde_json::from_str(json).map_err(|e| invalid(&e))?;
    let query = raw_query(pairs(&None, &event.query_string_parameters));
    let (path, query) = target(&event.path, &query);
    let headers = header_map(pairs(&None, &event.headers));
    let base64 = event.is_base64_encoded.unwrap_or_default();
    Ok(Pieces { method: &event.method, path, query, headers, body: event.body, base64 }.build())
}

/// Returns path and query. If the path contains a query, it is complete and in order.
fn target<'a>(path: &'a str, query: &'a str) -> (&'a str, &'a str) {
    path.split_once('?').unwrap_or((path, query))
}

fn invalid(error: &serde_json::Error) -> PayloadError {
    PayloadError::Family { family: "VPC Lattice request", reason: error.to_string() }
}
