//! `GET /v1/feed`: everything that happens, as server-sent events. A client that comes back with `Last-Event-ID` gets
//! what it missed, or an event `gap` when that is no longer known.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use eg_sdk::schema::Shape;
use futures_util::stream;
use serde::Serialize;
use time::format_description::well_known::Rfc3339;

use super::errors::ApiError;
use super::query::Query;
use super::routes::{Content, Doc, Parameter, Routes};
use super::{ApiState, answer, with_type};
use crate::activity::{Activity, DeliveryOutcome};
use crate::feed::{Entry, Update, Watcher};

/// Pause after which a comment is sent, so that nobody in between takes the connection for dead.
const SILENCE: Duration = Duration::from_secs(15);

/// An activity as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
enum View<'a> {
    Received {
        event_id: &'a str,
        event_type: &'a str,
        source: &'a str,
        method: &'a str,
        path: &'a str,
        subscribers: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<&'a str>,
    },
    Asked {
        event_id: &'a str,
        event_type: &'a str,
        method: &'a str,
        path: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<&'a str>,
    },
    Duplicate {
        event_id: &'a str,
        event_type: &'a str,
        source: &'a str,
    },
    Filtered {
        event_id: &'a str,
        event_type: &'a str,
        function_id: &'a str,
        mismatch: &'a str,
    },
    Answered {
        event_id: &'a str,
        method: &'a str,
        path: &'a str,
        event_type: &'a str,
        function_id: Option<&'a str>,
        status: u16,
        duration_ms: u64,
    },
    Delivery {
        event_id: &'a str,
        event_type: &'a str,
        function_id: &'a str,
        attempt: u32,
        duration_ms: u64,
        outcome: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    Disabled {
        space: &'a str,
        subscription_id: &'a str,
        reason: &'a str,
    },
    Redriven {
        space: &'a str,
        deliveries: usize,
    },
    Discarded {
        space: &'a str,
        deliveries: usize,
    },
    Replayed {
        space: &'a str,
        replay_id: &'a str,
        events: usize,
        deliveries: usize,
    },
    CircuitOpened {
        space: &'a str,
        function_id: &'a str,
    },
    CircuitClosed {
        space: &'a str,
        function_id: &'a str,
    },
}

const LAST_EVENT_ID: Parameter = Parameter {
    name: "lastEventId",
    doc: "Resumes after this event of the feed, as the header `Last-Event-ID` does.",
    shape: &Shape::STRING,
};

pub(super) fn routes() -> Routes {
    let doc = Doc::new("watchFeed", "Sends everything that happens, as server-sent events.")
        .query(&[LAST_EVENT_ID]);
    Routes::new("gateway").get("/feed", watch, doc.answer(Content::Other("text/event-stream")))
}

/// Sends what happens until the client leaves or the gateway stops.
async fn watch(
    State(app): State<Arc<ApiState>>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, ApiError> {
    let id = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    // Browsers cannot set the header on the first connection.
    let id = id.filter(|id| !id.is_empty()).or_else(|| query.text("lastEventId"));
    let rule = "the id of an event of this feed";
    let watcher = app.feed.watch(id.as_deref()).ok_or_else(|| ApiError::bad_query("lastEventId", rule))?;
    let next = async |mut watcher: Watcher| {
        let update = tokio::time::timeout(SILENCE, watcher.next()).await;
        let text = match update {
            Err(_) => ":\n\n".to_owned(),
            Ok(Update::Entries(entries)) => entries.iter().map(|entry| event(&watcher, entry)).collect(),
            Ok(Update::Gap) => "event: gap\ndata: {}\n\n".to_owned(),
            Ok(Update::End) => return None,
        };
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), watcher))
    };
    // Something at once, so that the client knows that it is connected.
    let first = stream::iter([Ok(Bytes::from_static(b":\n\n"))]);
    let updates = stream::unfold(watcher, next);
    let body = Body::from_stream(futures_util::StreamExt::chain(first, updates));
    let mut response = with_type(answer(StatusCode::OK, body), "text/event-stream");
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn event(watcher: &Watcher, entry: &Entry) -> String {
    #[derive(Serialize)]
    struct Stamped<'a> {
        at: String,
        #[serde(flatten)]
        view: View<'a>,
    }
    let at = entry.at.format(&Rfc3339).unwrap_or_default();
    let view = Stamped { at, view: view(&entry.activity) };
    let data = serde_json::to_string(&view).unwrap_or_default();
    format!("id: {}\ndata: {data}\n\n", watcher.id(entry.number))
}

fn view(activity: &Activity) -> View<'_> {
    match activity {
        Activity::Received { id, event_type, source, method, path, subscribers, cause } => {
            let (subscribers, cause) = (*subscribers, cause.as_deref());
            View::Received { event_id: id, event_type, source, method, path, subscribers, cause }
        }
        Activity::Asked { id, event_type, method, path, cause } => {
            View::Asked { event_id: id, event_type, method, path, cause: cause.as_deref() }
        }
        Activity::Duplicate { id, event_type, source } => {
            View::Duplicate { event_id: id, event_type, source }
        }
        Activity::Filtered { event_id, event_type, function, reason } => {
            View::Filtered { event_id, event_type, function_id: function, mismatch: reason }
        }
        Activity::Answered { id, method, path, event_type, function, status, duration } => View::Answered {
            event_id: id,
            method,
            path,
            event_type,
            function_id: function.as_deref(),
            status: *status,
            duration_ms: millis(*duration),
        },
        Activity::Delivery { event_id, event_type, function, attempt, duration, outcome } => {
            let (outcome, reason, retry_after_ms) = match outcome {
                DeliveryOutcome::Delivered => ("delivered", None, None),
                DeliveryOutcome::Retry { error, after } => {
                    ("retry", Some(error.as_str()), Some(millis(*after)))
                }
                DeliveryOutcome::Dead { reason } => ("dead", Some(reason.as_str()), None),
                DeliveryOutcome::Expired { reason } => ("expired", Some(reason.as_str()), None),
            };
            let (attempt, duration_ms) = (*attempt, millis(*duration));
            View::Delivery {
                event_id,
                event_type,
                function_id: function,
                attempt,
                duration_ms,
                outcome,
                reason,
                retry_after_ms,
            }
        }
        Activity::Disabled { space, subscription, reason } => {
            View::Disabled { space, subscription_id: subscription, reason }
        }
        Activity::Redriven { space, deliveries } => View::Redriven { space, deliveries: *deliveries },
        Activity::Discarded { space, deliveries } => View::Discarded { space, deliveries: *deliveries },
        Activity::Replayed { space, replay, events, deliveries } => {
            View::Replayed { space, replay_id: replay, events: *events, deliveries: *deliveries }
        }
        Activity::CircuitOpened { space, function } => View::CircuitOpened { space, function_id: function },
        Activity::CircuitClosed { space, function } => View::CircuitClosed { space, function_id: function },
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
