//! `GET /v1/spaces/<space>/dead-letters`: the deliveries that were given up, with events and history.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::errors::ApiError;
use super::{App, json};
use crate::store::{Attempt, DeadLetter, DeadLetterQuery};

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 500;

/// The answer; the order of the fields is that of the wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    dead_letter_id: i64,
    event_id: String,
    event_type: String,
    source: String,
    subscription_id: String,
    function_id: String,
    reason: String,
    accepted_at: String,
    dead_at: String,
    attempts: Vec<AttemptView>,
    event: Box<RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AttemptView {
    number: u32,
    started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<i64>,
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Lists the newest first; `limit` and `before=<deadLetterId>` page through them.
pub(super) async fn list(app: &App, space: String, query: &str) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List {
        dead_letters: Vec<View>,
    }
    let (mut before, mut limit) = (None, DEFAULT_LIMIT);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "before" => {
                let id = value.parse().map_err(|_| ApiError::bad_query("before", "a deadLetterId"))?;
                before = Some(id);
            }
            "limit" => {
                let valid = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                limit = valid.ok_or_else(|| ApiError::bad_query("limit", "a number from 1 to 500"))?;
            }
            _ => {}
        }
    }
    let letters = app.store.dead_letters(DeadLetterQuery { space, before, limit }).await?;
    let dead_letters = letters.into_iter().map(view).collect::<Option<_>>().ok_or_else(ApiError::internal)?;
    Ok(json(StatusCode::OK, &List { dead_letters }))
}

fn view(letter: DeadLetter) -> Option<View> {
    Some(View {
        dead_letter_id: letter.delivery,
        event_id: letter.event_id,
        event_type: letter.event_type,
        source: letter.source,
        subscription_id: letter.subscription_id,
        function_id: letter.function_id,
        reason: letter.reason,
        accepted_at: timestamp(letter.accepted_at),
        dead_at: timestamp(letter.ended_at),
        attempts: letter.attempts.into_iter().map(attempt).collect(),
        event: serde_json::from_slice(&letter.json).ok()?,
    })
}

fn attempt(attempt: Attempt) -> AttemptView {
    AttemptView {
        number: attempt.number,
        started_at: timestamp(attempt.started_at),
        duration_ms: attempt.duration_ms,
        outcome: attempt.outcome,
        error: attempt.error,
    }
}

/// RFC 3339 in UTC.
fn timestamp(millis: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}
