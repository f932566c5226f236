//! HTTP requests through VPC Lattice, in both of its event structures. Source: AWS's description of Lambda
//! functions as targets of VPC Lattice. Nothing there says that the query was decoded, so its escapes stay.

use std::collections::BTreeMap;

use axum::extract::Request;
use http::HeaderMap;
use serde::Deserialize;

use super::request::{Pieces, append, raw_query};
use super::{BadRequest, PayloadError};

/// Structure 1 writes its keys with underscores, and one value per name.
#[derive(Deserialize)]
struct Event1 {
    raw_path: String,
    method: String,
    headers: Option<BTreeMap<String, Option<String>>>,
    query_string_parameters: Option<BTreeMap<String, Option<String>>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

/// Structure 2 has all values of a name.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event2 {
    path: String,
    method: String,
    headers: Option<BTreeMap<String, Option<Vec<String>>>>,
    query_string_parameters: Option<BTreeMap<String, Option<Vec<String>>>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

pub(super) fn read_1(json: &str) -> Result<Result<Request, BadRequest>, PayloadError> {
    let event: Event1 = serde_json::from_str(json).map_err(|e| invalid(&e))?;
    let single = |map: &Option<BTreeMap<String, Option<String>>>| -> Vec<(String, String)> {
        let pairs = map.clone().into_iter().flatten();
        pairs.map(|(name, value)| (name, value.unwrap_or_default())).collect()
    };
    let (headers, query) = (single(&event.headers), single(&event.query_string_parameters));
    let base64 = event.is_base64_encoded.unwrap_or_default();
    Ok(build(&event.method, &event.raw_path, &headers, &query, event.body, base64))
}

pub(super) fn read_2(json: &str) -> Result<Result<Request, BadRequest>, PayloadError> {
    let event: Event2 = serde_json::from_str(json).map_err(|e| invalid(&e))?;
    let multi = |map: &Option<BTreeMap<String, Option<Vec<String>>>>| -> Vec<(String, String)> {
        let pairs = map.clone().into_iter().flatten();
        pairs
            .flat_map(|(name, values)| values.unwrap_or_default().into_iter().map(move |v| (name.clone(), v)))
            .collect()
    };
    let (headers, query) = (multi(&event.headers), multi(&event.query_string_parameters));
    let base64 = event.is_base64_encoded.unwrap_or_default();
    Ok(build(&event.method, &event.path, &headers, &query, event.body, base64))
}

fn build(
    method: &str,
    path: &str,
    headers: &[(String, String)],
    query: &[(String, String)],
    body: Option<String>,
    base64: bool,
) -> Result<Request, BadRequest> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        append(&mut map, name, value);
    }
    let given = raw_query(query.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    // Where the path still has the query, that is the whole of it, in its order.
    let (path, query) = path.split_once('?').unwrap_or((path, &given));
    Pieces { method, path, query, headers: map, body, base64 }.build()
}

fn invalid(error: &serde_json::Error) -> PayloadError {
    PayloadError::Family { family: "VPC Lattice request", reason: error.to_string() }
}
