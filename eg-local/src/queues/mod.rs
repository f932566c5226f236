//! Local queues for `#[queue]` functions: SQS's API for senders, Lambda's event source mapping for functions.
//! Does not start functions; batches reach them through the Invoke API.
//!
//! # The endpoint
//! The local Lambda's port speaks SQS too, in its JSON protocol, so `AWS_ENDPOINT_URL=http://127.0.0.1:9001` serves both:
//!
//! ```text
//! POST /
//! content-type: application/x-amz-json-1.0
//! x-amz-target: AmazonSQS.SendMessage
//!
//! {"QueueUrl":"http://127.0.0.1:9001/000000000000/orders","MessageBody":"{\"id\":\"7\"}"}
//! ```
//!
//! answers 200 with `{"MessageId":"…","MD5OfMessageBody":"…"}`; the message is on disk then. Of `QueueUrl` only the last
//! segment counts, which is the queue's name. Names that end in `.fifo` need a `MessageGroupId`. Errors are a 400 with
//! `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"…"}`; the message says which queues there are. No
//! signature is asked for. The other operations are those of [`api`].
//!
//! # What always holds
//! 1. A message that was acknowledged is on disk until a function has handled it, or somebody has deleted it.
//! 2. A message that is being handled is invisible to everybody else until its visibility timeout; so it is delivered at
//!    least once. When the process ends, what was being handled is due again at the next start.
//! 3. A message received more often than the queue allows moves to the queue's dead letters, and stays there.
//! 4. Messages of one group of a FIFO queue are handled in their order, one batch at a time.

mod api;
mod digest;
mod error;
mod mapping;
mod record;
mod send;
mod store;
mod waiting;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use eg_grammar::FIFO_SUFFIX;

use crate::emulator::{ACCOUNT, REGION};

pub use api::router;
pub use mapping::{Mapping, Mappings};
pub use store::StoreError;

use store::Store;
use waiting::Waiting;

/// What the name of a queue's dead letters ends in, before [`FIFO_SUFFIX`].
const DEAD_LETTERS: &str = "-dead-letters";

/// All queues of an application; cheap to clone.
#[derive(Debug, Clone)]
pub struct Queues {
    store: Arc<Store>,
    waiting: Waiting,
    settings: Settings,
}

/// What holds for all queues.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long a message that was not handled stays invisible.
    pub visibility: Duration,
    /// How often a message is handed out before it is a dead letter.
    pub max_receives: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { visibility: Duration::from_secs(30), max_receives: 5 }
    }
}

impl Queues {
    /// Opens the messages that earlier runs left in the file at `path`.
    pub fn open(path: &Path, settings: Settings) -> Result<Self, StoreError> {
        let store = Store::open(path, now())?;
        Ok(Self { store: Arc::new(store), waiting: Waiting::default(), settings })
    }

    /// Makes sure that these queues and the ones for their dead letters exist.
    pub async fn declare(&self, names: Vec<String>) -> Result<(), StoreError> {
        self.with(move |store| {
            names.iter().try_for_each(|name| {
                store.create(name)?;
                store.create(&dead_letters_of(name))
            })
        })
        .await
    }

    /// Works with the store where waiting for the disk holds nobody up.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = Arc::clone(&self.store);
        tokio::task::spawn_blocking(move || work(&store)).await.unwrap_or(Err(StoreError::Stopped))
    }
}

/// The queue that gets what could not be handled.
#[must_use]
pub fn dead_letters_of(name: &str) -> String {
    match name.strip_suffix(FIFO_SUFFIX) {
        Some(base) => format!("{base}{DEAD_LETTERS}{FIFO_SUFFIX}"),
        None => format!("{name}{DEAD_LETTERS}"),
    }
}

/// Whether a queue is one of [`dead_letters_of`].
fn is_dead_letters(name: &str) -> bool {
    name.strip_suffix(FIFO_SUFFIX).unwrap_or(name).ends_with(DEAD_LETTERS)
}

/// The name of a queue as other services of AWS write it.
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
