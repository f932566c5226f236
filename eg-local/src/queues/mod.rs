//! Local queues: SQS's API, and Lambda's event source mapping, which hands batches of messages to functions. Leaves running
//! the functions to the [emulator](crate::emulator).
//!
//! # The endpoint
//! The emulator's port serves SQS too, in its JSON protocol, so `AWS_ENDPOINT_URL=http://127.0.0.1:9001` serves both:
//!
//! ```text
//! POST /
//! content-type: application/x-amz-json-1.0
//! x-amz-target: AmazonSQS.SendMessage
//!
//! {"QueueUrl":"http://127.0.0.1:9001/000000000000/orders","MessageBody":"{\"id\":\"7\"}"}
//! ```
//!
//! returns 200 with `{"MessageId":"…","MD5OfMessageBody":"…"}` once the message is on disk. The last segment of `QueueUrl`
//! is the queue's name; the rest is ignored. Queues whose names end in `.fifo` require a `MessageGroupId`. Errors are a
//! 400 with `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"…"}`; the message lists the queues. Signatures are
//! not checked.
//!
//! The operations are CreateQueue, ListQueues, GetQueueUrl, GetQueueAttributes, SetQueueAttributes, PurgeQueue, SendMessage,
//! SendMessageBatch, ReceiveMessage, DeleteMessage, DeleteMessageBatch, ChangeMessageVisibility, and StartMessageMoveTask,
//! which has moved the messages when it returns.
//!
//! The attributes VisibilityTimeout, DelaySeconds, ReceiveMessageWaitTimeSeconds, MaximumMessageSize,
//! MessageRetentionPeriod, RedrivePolicy, FifoQueue and ContentBasedDeduplication work as on AWS; others are refused with
//! `InvalidAttributeName`. Two defaults differ: a queue without a RedrivePolicy has the dead-letter queue
//! `<name>-dead-letters`, and messages are kept until they are deleted.
//!
//! `/eg/dead-letters` lists dead letters with their reasons, and retries or discards single ones; see
//! [`DeadMessages`]. The reason is the error of the function or, if only some messages of a batch failed, the text for the
//! message's id in the member `errors` of its answer:
//! `{"batchItemFailures":[{"itemIdentifier":"m1"}],"errors":{"m1":"no such item"}}`. Functions of `eg-runtime` add it; AWS
//! ignores it.
//!
//! # What always holds
//! 1. An acknowledged message stays on disk until a function has handled it or a caller has deleted it.
//! 2. A received message is invisible to others until its visibility timeout, so it is delivered at least once. After a
//!    crash, messages that were being handled are visible again.
//! 3. A message that was received too often moves to the dead-letter queue and stays there, with the reason.
//! 4. Messages of one group of a FIFO queue are handled in order, one batch at a time.

mod api;
mod attributes;
mod configure;
mod digest;
mod error;
mod handle;
mod letters;
mod mapping;
mod record;
mod send;
mod store;
mod waiting;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use eg_grammar::{FIFO_SUFFIX, limits};

use crate::emulator::{ACCOUNT, REGION};

pub use api::router;
pub use handle::{Queue, QueueError};
pub use letters::{Changed, DeadMessage, DeadMessages, LetterChange, QueueWithLetters, QueuesWithLetters};
pub use mapping::{Mapping, Mappings};
pub use store::{Counts, StoreError};

use attributes::{Overrides, Properties};
use store::Store;
use waiting::Waiting;

/// What the name of a queue's dead letters ends in, before [`FIFO_SUFFIX`].
const DEAD_LETTERS: &str = "-dead-letters";

/// All queues of an application; cheap to clone.
#[derive(Debug, Clone)]
pub struct Queues {
    store: Arc<Store>,
    waiting: Waiting,
    settings: QueueSettings,
}

/// The settings of all queues. What a caller of SQS's API sets for a queue takes precedence.
#[derive(Debug, Clone, Copy)]
pub struct QueueSettings {
    /// How long an unhandled message stays invisible.
    pub visibility: Duration,
    /// How often a message is received before it becomes a dead letter.
    pub max_receives: u32,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self { visibility: limits::QUEUE_VISIBILITY, max_receives: limits::QUEUE_RECEIVES }
    }
}

impl Queues {
    /// Opens the messages that earlier runs left in the file at `path`.
    pub fn open(path: &Path, settings: QueueSettings) -> Result<Self, StoreError> {
        let store = Store::open(path, now())?;
        Ok(Self { store: Arc::new(store), waiting: Waiting::default(), settings })
    }

    /// Creates these queues and their dead-letter queues if they are missing.
    pub async fn declare(&self, names: Vec<String>) -> Result<(), StoreError> {
        self.with(move |store| {
            let (nothing, at) = (Overrides::default(), now());
            names.iter().try_for_each(|name| {
                store.create(name, &nothing, at)?;
                if is_dead_letters(name) {
                    Ok(())
                } else {
                    store.create(&dead_letters_of(name), &nothing, at)
                }
            })
        })
        .await
    }

    /// Returns a queue as it behaves now.
    async fn properties(&self, name: String) -> Result<Properties, StoreError> {
        let settings = self.settings;
        self.with(move |store| store.properties(&name, settings)).await
    }

    /// Runs `work` on the store in a thread that may block.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = Arc::clone(&self.store);
        tokio::task::spawn_blocking(move || work(&store)).await.unwrap_or(Err(StoreError::Stopped))
    }
}

/// Returns the name of the dead-letter queue.
#[must_use]
pub fn dead_letters_of(name: &str) -> String {
    match name.strip_suffix(FIFO_SUFFIX) {
        Some(base) => format!("{base}{DEAD_LETTERS}{FIFO_SUFFIX}"),
        None => format!("{name}{DEAD_LETTERS}"),
    }
}

/// Returns whether a queue is a dead-letter queue.
fn is_dead_letters(name: &str) -> bool {
    name.strip_suffix(FIFO_SUFFIX).unwrap_or(name).ends_with(DEAD_LETTERS)
}

/// Returns the ARN of a queue.
#[must_use]
pub fn arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

/// Milliseconds since 1970, as SQS counts.
fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
