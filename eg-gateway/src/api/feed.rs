//! `GET /v1/feed`: the live feed as server-sent events. A client that reconnects with `Last-Event-ID` gets the
//! entries that it missed, or an event `gap` if they are no longer kept.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use eg_sdk::schema::Shape;
use futures_util::stream;

use super::errors::ApiError;
use super::query::Query;
use super::received::Client;
use super::routes::{Content, Doc, Parameter, Routes};
use super::{ApiState, answer, with_type};
use crate::budget::Reservation;
use crate::feed::{Entry, Update, Watcher};

/// Pause after which a comment is sent, so that no proxy closes the connection as idle.
const SILENCE: Duration = Duration::from_secs(15);

/// Memory of a watcher: the entries that it takes at once, as text and as bytes that are being sent.
const WATCHER: usize = 256 * 1024;

const LAST_EVENT_ID: Parameter = Parameter {
    name: "lastEventId",
    doc: "Resumes after this event of the feed, as the header `Last-Event-ID` does.",
    shape: &Shape::STRING,
};

pub(super) fn routes() -> Routes {
    let doc = Doc::new("watchFeed", "Sends everything that happens, as server-sent events.")
        .query(&[LAST_EVENT_ID]);
    Routes::new("gateway").get("/feed", watch, doc.answer(Content::Text("text/event-stream")))
}

/// Sends the live feed until the client disconnects or the gateway stops.
async fn watch(
    State(app): State<Arc<ApiState>>,
    Client(client): Client,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, ApiError> {
    let id = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    // Browsers cannot set the header on the first connection.
    let id = id.filter(|id| !id.is_empty()).or_else(|| query.text("lastEventId"));
    let rule = "the id of an event of this feed";
    app.feed.prepare().await;
    let watcher = app.feed.watch(id.as_deref()).ok_or_else(|| ApiError::bad_query("lastEventId", rule))?;
    let room = app.memory.reserve([Some(client), None], WATCHER).map_err(ApiError::no_memory)?;
    let next = async |(mut watcher, room): (Watcher, Reservation)| {
        let update = tokio::time::timeout(SILENCE, watcher.next()).await;
        let text = match update {
            Err(_) => ":\n\n".to_owned(),
            Ok(Update::Entries(entries)) => entries.iter().map(|entry| event(&watcher, entry)).collect(),
            Ok(Update::Gap) => "event: gap\ndata: {}\n\n".to_owned(),
            Ok(Update::End) => return None,
        };
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), (watcher, room)))
    };
    // Sends a comment at once, so that the client knows that it is connected.
    let first = stream::iter([Ok(Bytes::from_static(b":\n\n"))]);
    let updates = stream::unfold((watcher, room), next);
    let body = Body::from_stream(futures_util::StreamExt::chain(first, updates));
    let mut response = with_type(answer(StatusCode::OK, body), "text/event-stream");
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn event(watcher: &Watcher, entry: &Entry) -> String {
    let data = serde_json::to_string(&entry.what).expect("feed entries have string keys only");
    format!("id: {}\ndata: {data}\n\n", watcher.id(entry.number))
}
