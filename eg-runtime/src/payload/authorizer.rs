//! Reads the questions to authorizers: those of HTTP, REST and WebSocket APIs, and of the event gateway. Each is a request
//! without a body. Sources: AWS's descriptions of Lambda authorizers; the contract of Event Gateway 0.9.1.

use axum::extract::Request;
use eg_sdk::__private::Members;
use http::{HeaderValue, header};
use serde::Deserialize;

use super::request::{Multi, Pieces, Single, append, header_map, pairs, query};
use super::routed::without_stage;
use super::{Family, PayloadError, sent};
use crate::sender::{Sender, Sent};

/// A question to an authorizer.
#[derive(Debug)]
pub(crate) struct Question {
    /// The request in question, without its body.
    pub(crate) request: Request,
    /// What the payload says about the sender of the request.
    pub(crate) sent: Sent,
    pub(crate) asks_for: AsksFor,
}

/// The answer that is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AsksFor {
    /// An HTTP API with payload format 2.0: whether the request is authorized, or a policy.
    HttpApi { arn: String },
    /// A REST or WebSocket API, or an HTTP API with payload format 1.0: a policy for this ARN.
    Policy { arn: String },
    /// The event gateway: the principal and the context.
    Gateway,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    version: Option<String>,
    method_arn: Option<String>,
    route_arn: Option<String>,
    authorization_token: Option<String>,
    http_method: Option<String>,
    path: Option<String>,
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    headers: Single,
    multi_value_headers: Multi,
    query_string_parameters: Single,
    multi_value_query_string_parameters: Multi,
    cookies: Option<Vec<String>>,
    request_context: Option<Context>,
}

#[derive(Deserialize, Default)]
struct Context {
    http: Option<Http>,
    stage: Option<String>,
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

/// The question of the event gateway: the request that brought an event.
#[derive(Deserialize)]
struct OfGateway {
    request: Brought,
}

#[derive(Deserialize)]
struct Brought {
    method: String,
    path: String,
    headers: Single,
    #[serde(default)]
    query: Single,
}

/// Reads a question. `None` if the payload is none.
pub(crate) fn read(json: &str) -> Option<Result<Question, PayloadError>> {
    let members = Members::read(json).ok()?;
    let has = |name| members.get(name).is_some();
    if has("methodArn") || has("routeArn") {
        return Some(of_api(json, &members));
    }
    (has("event") && has("request")).then(|| of_gateway(json))
}

fn invalid(reason: impl Into<String>) -> PayloadError {
    PayloadError::Family { family: "question to an authorizer", reason: reason.into() }
}

fn of_api(json: &str, members: &Members<'_>) -> Result<Question, PayloadError> {
    let asked: Asked = serde_json::from_str(json).map_err(|e| invalid(e.to_string()))?;
    let context = asked.request_context.unwrap_or_default();
    let format_2 = asked.version.as_deref() == Some("2.0");
    let arn = asked.route_arn.or(asked.method_arn).unwrap_or_default();
    let (method_of_arn, path_of_arn) = in_arn(&arn);
    let mut headers = header_map(pairs(&asked.headers, &asked.multi_value_headers));
    if let Some(cookies) = asked.cookies.filter(|cookies| !cookies.is_empty()) {
        headers.remove(header::COOKIE);
        append(&mut headers, header::COOKIE.as_str(), &cookies.join("; "));
    }
    if let Some(token) = &asked.authorization_token {
        let token = HeaderValue::from_str(token).map_err(|_| invalid("`authorizationToken` is no text"))?;
        headers.insert(header::AUTHORIZATION, token);
    }
    let decoded = query(pairs(&asked.query_string_parameters, &asked.multi_value_query_string_parameters));
    let path = match (&asked.raw_path, &asked.path) {
        (Some(raw), _) => without_stage(raw, context.stage.as_deref()),
        (None, Some(path)) => path,
        (None, None) => path_of_arn,
    };
    let method = context.http.map(|http| http.method).or(asked.http_method);
    let pieces = Pieces {
        method: method.as_deref().unwrap_or(method_of_arn),
        path,
        query: asked.raw_query_string.as_deref().unwrap_or(&decoded),
        headers,
        body: None,
        base64: false,
    };
    let request = pieces.build().map_err(|bad| invalid(bad.0))?;
    let (family, asks_for) = match format_2 {
        true => (Family::HttpApi, AsksFor::HttpApi { arn }),
        false => (Family::RestApi, AsksFor::Policy { arn }),
    };
    Ok(Question { request, sent: sent(family, members), asks_for })
}

/// Returns method and path of `arn:aws:execute-api:<region>:<account>:<api>/<stage>/<method>/<path>`. A connection has a
/// route, such as `$connect`, in the place of the method; its handshake is a GET.
fn in_arn(arn: &str) -> (&str, &str) {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let mut parts = resource.splitn(4, '/').skip(2);
    let method = parts.next().filter(|method| !method.is_empty() && !method.starts_with('$'));
    (method.unwrap_or("GET"), parts.next().unwrap_or_default())
}

fn of_gateway(json: &str) -> Result<Question, PayloadError> {
    let OfGateway { request } = serde_json::from_str(json).map_err(|e| invalid(e.to_string()))?;
    let query = query(pairs(&request.query, &None));
    let (method, path, headers) =
        (&request.method, &request.path, header_map(pairs(&request.headers, &None)));
    let request = Pieces { method, path, query: &query, headers, body: None, base64: false }.build();
    let request = request.map_err(|bad| invalid(bad.0))?;
    let sent = Sent { by: Sender::Other, context: None, stage_variables: None };
    Ok(Question { request, sent, asks_for: AsksFor::Gateway })
}
