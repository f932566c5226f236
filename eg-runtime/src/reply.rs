//! Writes responses in Lambda's format, `{statusCode, headers, body, isBase64Encoded}`, in the variant of the
//! request's sender. `stream` sends answers while they are made. Sources: AWS's descriptions of each sender's Lambda
//! responses.

use std::collections::BTreeMap;

use axum::body::{Body, HttpBody as _};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Serialize;

use crate::deadline::Deadline;
use crate::dispatch::{Failed, FailedRecord};
use crate::headers::{cookies, joined, text};
use crate::log::{Level, print};
use crate::outcome::{Failure, FailureKind};
use crate::payload::Shape;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    // Set-Cookie is the only header whose values cannot be joined (RFC 6265 §3).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    body: String,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchReply<'a, I> {
    batch_item_failures: Vec<Item<'a, I>>,
    /// The reasons by message id, which a local queue keeps. Lambda ignores them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    errors: BTreeMap<&'a str, &'a str>,
    /// The ids of the messages that are rejected, which a local queue does not hand out again. Lambda ignores them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejected: Vec<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a, I> {
    item_identifier: &'a I,
}

/// Converts `response` to a reply.
///
/// # Errors
/// If the body fails or does not end in time, or if the reply, including base64 and JSON escapes, has more than `limit`
/// bytes.
pub(crate) async fn write(
    response: Response,
    shape: Shape,
    deadline: Option<Deadline>,
    limit: usize,
) -> Result<String, Failure> {
    let (parts, body) = response.into_parts();
    let body = collect(body, deadline, limit).await?;
    let reply = Reply::new(parts.status, &parts.headers, body, shape);
    let reply = serde_json::to_string(&reply).map_err(|e| broken(&e))?;
    if reply.len() > limit { Err(too_large(limit)) } else { Ok(reply) }
}

/// Returns the body of `response` as it is, for the caller of a function with `#[invoke]`.
///
/// # Errors
/// If the body fails or does not end in time, has more than `limit` bytes, or is no text.
pub(crate) async fn verbatim(
    response: Response,
    deadline: Option<Deadline>,
    limit: usize,
) -> Result<String, Failure> {
    let body = collect(response.into_body(), deadline, limit).await?;
    String::from_utf8(body.into()).map_err(|_| {
        let message = "the answer is not text in UTF-8: answer with JSON, in which bytes are base64";
        Failure::new(FailureKind::Reject, message.to_owned())
    })
}

async fn collect(body: Body, deadline: Option<Deadline>, limit: usize) -> Result<Bytes, Failure> {
    let body = Limited::new(body, limit);
    let body = match deadline {
        // A body with a known size is already in memory.
        Some(deadline) if body.size_hint().exact().is_none() => {
            tokio::time::timeout_at(deadline.cancels_at().into(), body.collect()).await.map_err(|_| {
                let message = "the body of the response was cut off because its time is up";
                Failure::new(FailureKind::Timeout, message.to_owned())
            })?
        }
        _ => body.collect().await,
    };
    match body {
        Ok(body) => Ok(body.to_bytes()),
        Err(e) => Err(if e.is::<LengthLimitError>() { too_large(limit) } else { broken(&e) }),
    }
}

fn too_large(limit: usize) -> Failure {
    let message = format!(
        "the answer is larger than {limit} bytes, which is the limit: answer with a part of it, or with where to get it"
    );
    Failure::new(FailureKind::TooLarge, message)
}

/// Writes the reply to a batch of messages: the failed ones. Source: Lambda's description of partial batch responses.
///
/// # Errors
/// Never in practice, because ids are text.
pub(crate) fn batch(failed: &[Failed]) -> Result<String, Failure> {
    let items = failed.iter().map(|Failed { id, .. }| Item { item_identifier: id }).collect();
    let errors = failed.iter().map(|Failed { id, reason, .. }| (id.as_str(), reason.as_str())).collect();
    let rejected = failed.iter().filter(|failed| failed.is_final).map(|failed| failed.id.as_str()).collect();
    let reply = BatchReply { batch_item_failures: items, errors, rejected };
    serde_json::to_string(&reply).map_err(|e| broken(&e))
}

/// Writes the reply to a batch of a stream: the first failed record of each shard. Source: Lambda's description of partial
/// batch responses for streams.
///
/// # Errors
/// Never in practice, because ids are text and numbers.
pub(crate) fn records(failed: &[FailedRecord]) -> Result<String, Failure> {
    let items = failed.iter().map(|FailedRecord { id, .. }| Item { item_identifier: id }).collect();
    let ids: Vec<_> = failed.iter().map(|record| record.id.to_string()).collect();
    let errors = ids.iter().zip(failed).map(|(id, record)| (id.as_str(), record.reason.as_str())).collect();
    let reply = BatchReply { batch_item_failures: items, errors, rejected: Vec::new() };
    serde_json::to_string(&reply).map_err(|e| broken(&e))
}

impl Reply {
    fn new(status: StatusCode, headers: &HeaderMap, body: Bytes, shape: Shape) -> Self {
        let (body, is_base64_encoded) = match String::from_utf8(body.into()) {
            Ok(text) => (text, false),
            Err(binary) => (STANDARD.encode(binary.as_bytes()), true),
        };
        let in_words =
            || Some(format!("{} {}", status.as_str(), status.canonical_reason().unwrap_or_default()));
        let mut reply = Self {
            status_code: status.as_u16(),
            status_description: None,
            headers: None,
            multi_value_headers: None,
            cookies: Vec::new(),
            body,
            is_base64_encoded,
        };
        match shape {
            Shape::JoinedWithCookies => {
                reply.headers = Some(joined(headers));
                reply.cookies = cookies(headers);
            }
            Shape::MultiValue => reply.multi_value_headers = Some(all(headers)),
            Shape::BalancerMultiValue => {
                reply.status_description = in_words();
                reply.multi_value_headers = Some(all(headers));
            }
            Shape::BalancerSingleValue | Shape::SingleValue => {
                reply.status_description = in_words();
                let mut joined = joined(headers);
                joined.extend(one_cookie(headers));
                reply.headers = Some(joined);
            }
        }
        reply
    }
}

fn all(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let names = headers.keys().map(|name| (name.as_str().to_owned(), headers.get_all(name)));
    names.map(|(name, values)| (name, values.iter().map(text).collect())).collect()
}

/// Returns the first cookie. Logs the loss of others, for which the format has no place.
fn one_cookie(headers: &HeaderMap) -> Option<(String, String)> {
    let mut cookies = headers.get_all(header::SET_COOKIE).iter();
    let first = cookies.next()?;
    let lost = cookies.count();
    if lost > 0 {
        let message = format!(
            "{lost} of the response's `set-cookie` headers are lost: the sender takes one value per header \
             (for a load balancer, turn on multi-value headers on its target group)"
        );
        print(Level::Warn, &message);
    }
    Some((header::SET_COOKIE.as_str().to_owned(), text(first)))
}

fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Retry, format!("the body of the response broke off: {error}"))
}
