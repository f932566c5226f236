//! The API for dead letters, which SQS lacks: what they are, why they are dead, and a new try for one of them. SQS's own
//! operations work on them too.
//!
//! | request | answer |
//! |---|---|
//! | `GET /eg/dead-letters` | [`QueuesWithLetters`] |
//! | `GET /eg/dead-letters/<queue>?limit=20` | [`DeadMessages`] |
//! | `GET /eg/dead-letters/<queue>?id=<message id>` | [`DeadMessages`], with one or none |
//! | `POST /eg/dead-letters/<queue>/retry` with a [`LetterChange`] | [`Changed`] |
//! | `POST /eg/dead-letters/<queue>/discard` with a [`LetterChange`] | [`Changed`] |

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::error::Refusal;
use super::send::check_body;
use super::store::{Letter, Which};
use super::{Queues, now};

/// The queues of an application that have dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuesWithLetters {
    /// The queues, by name.
    pub queues: Vec<QueueWithLetters>,
}

/// A queue that has dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueWithLetters {
    /// The queue that gave the messages up.
    pub queue: String,
    /// The number of its dead letters.
    pub dead_letters: u64,
}

/// Dead letters of one queue, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadMessages {
    /// The messages.
    pub messages: Vec<DeadMessage>,
    /// The number of all dead letters of the queue.
    pub total: u64,
}

/// A message that was received too often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadMessage {
    /// The id that its sender got.
    pub message_id: String,
    /// The message.
    pub body: String,
    /// Its message group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// When it was sent, in milliseconds since 1970.
    pub sent_at: i64,
    /// When it was given up, in milliseconds since 1970. Absent if an earlier version gave it up, as the following.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_at: Option<i64>,
    /// How often it was received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receives: Option<u32>,
    /// Why its last handling failed. Absent if no function handled it: a program received it, and did not delete it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Which dead letters of a queue to change, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LetterChange {
    /// The id of a message. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What replaces the message, for a new try of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// The result of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The number of dead letters that were put back into their queue, or removed.
    pub changed: usize,
}

#[derive(Deserialize)]
struct Filter {
    id: Option<String>,
    limit: Option<usize>,
}

impl From<Letter> for DeadMessage {
    fn from(letter: Letter) -> Self {
        let Letter { id, body, group, sent, died, receives, reason } = letter;
        Self { message_id: id, body, group, sent_at: sent, dead_at: died, receives, reason }
    }
}

pub(super) fn router() -> Router<Queues> {
    Router::new()
        .route("/eg/dead-letters", get(queues))
        .route("/eg/dead-letters/{queue}", get(list))
        .route("/eg/dead-letters/{queue}/retry", post(retry))
        .route("/eg/dead-letters/{queue}/discard", post(discard))
}

async fn queues(State(queues): State<Queues>) -> Result<Json<QueuesWithLetters>, Refusal> {
    let found = queues.with(super::Store::queues_with_letters).await?;
    let queue = |(queue, dead_letters)| QueueWithLetters { queue, dead_letters };
    Ok(Json(QueuesWithLetters { queues: found.into_iter().map(queue).collect() }))
}

async fn list(
    State(queues): State<Queues>,
    Path(queue): Path<String>,
    Query(Filter { id, limit }): Query<Filter>,
) -> Result<Json<DeadMessages>, Refusal> {
    let queue = queues.existing(queue).await?.name;
    let which = Which { queue: queue.clone(), one: id };
    let (letters, total) = queues
        .with(move |store| {
            let letters = store.letters(&which, limit.unwrap_or(usize::MAX))?;
            Ok((letters, store.count_letters(&queue)?))
        })
        .await?;
    Ok(Json(DeadMessages { messages: letters.into_iter().map(DeadMessage::from).collect(), total }))
}

async fn retry(
    State(queues): State<Queues>,
    Path(queue): Path<String>,
    request: Bytes,
) -> Result<Json<Changed>, Refusal> {
    let LetterChange { id, body } = read(&request)?;
    let queue = queues.existing(queue).await?;
    if let Some(body) = &body {
        if id.is_none() {
            return Err(Refusal::Invalid("another body is for one message: name its id".to_owned()));
        }
        check_body(&queue, body, 0)?;
    }
    let which = Which { queue: queue.name.clone(), one: id };
    let changed = queues.with(move |store| store.retry_letters(&which, body.as_deref(), now())).await?;
    queues.waiting.wake(&queue.name);
    Ok(Json(Changed { changed }))
}

async fn discard(
    State(queues): State<Queues>,
    Path(queue): Path<String>,
    request: Bytes,
) -> Result<Json<Changed>, Refusal> {
    let LetterChange { id, body } = read(&request)?;
    if body.is_some() {
        return Err(Refusal::Invalid("a message that is discarded has no other body".to_owned()));
    }
    let queue = queues.existing(queue).await?;
    let which = Which { queue: queue.name, one: id };
    let changed = queues.with(move |store| store.discard_letters(&which)).await?;
    Ok(Json(Changed { changed }))
}

fn read(request: &[u8]) -> Result<LetterChange, Refusal> {
    serde_json::from_slice(request).map_err(|error| Refusal::Unreadable(error.to_string()))
}
