//! `GET …/live`: tells a page that something has happened, as server-sent events. What has happened, the page then fetches; so
//! the text of events takes one way only.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use eg_sdk::{Error, Feed, FeedEvent};
use futures_util::stream;

use crate::failure::is_about_the_key;
use crate::visitor::Visitor;

/// How long changes are gathered into one message.
const GATHER: Duration = Duration::from_millis(250);

/// Pause after which a comment is sent, so that no proxy closes the connection as idle.
const SILENCE: Duration = Duration::from_secs(15);

/// The first message: how long a browser waits before it connects again, in milliseconds.
const HELLO: &[u8] = b"retry: 2000\n\n";

/// Sends a message for each change, until the page or the gateway goes away.
pub(crate) async fn watch(visitor: Visitor, headers: HeaderMap) -> Response {
    let after = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let feed = visitor.gateway.feed(after.map(str::to_owned));
    let changes = stream::unfold(Some(feed), async |feed| {
        let mut feed = feed?;
        let (message, goes_on) = next(&mut feed).await;
        Some((Ok::<_, Infallible>(Bytes::from(message)), goes_on.then_some(feed)))
    });
    let hello = stream::iter([Ok(Bytes::from_static(HELLO))]);
    let body = Body::from_stream(futures_util::StreamExt::chain(hello, changes));
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))], body).into_response()
}

/// Waits for the next message. Returns whether more can follow.
async fn next(feed: &mut Feed) -> (String, bool) {
    match tokio::time::timeout(SILENCE, feed.next()).await {
        Err(_) => (":\n\n".to_owned(), true),
        Ok(Ok(FeedEvent::Entry(_) | FeedEvent::Gap)) => {
            let gather = async { while feed.next().await.is_ok() {} };
            let _ = tokio::time::timeout(GATHER, gather).await;
            let id = feed.last_id().map(|id| format!("id: {id}\n")).unwrap_or_default();
            (format!("{id}event: changed\ndata:\n\n"), true)
        }
        Ok(Err(error)) => (format!("event: {}\ndata:\n\n", reason(&error)), false),
    }
}

fn reason(error: &Error) -> &'static str {
    // A key for one space does not open the feed, which is that of all spaces.
    if is_about_the_key(error) { "denied" } else { "lost" }
}
