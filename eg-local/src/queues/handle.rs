//! A queue for programs in the same process. Programs outside use the [API](super::api) of SQS, with the same rules.

use std::time::Duration;

use super::error::Refusal;
use super::send::Entry;
use super::store::{Counts, StoreError, Which};
use super::{Queues, now};

/// How long to wait before checking a queue again if no change is reported.
const GLANCE: Duration = Duration::from_millis(50);

/// A queue of a local cloud; cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue {
    queues: Queues,
    name: String,
}

/// Why an operation of a queue failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The name or the message violates a rule of SQS.
    #[error("{0}")]
    Refused(String),
    /// Reading or writing failed.
    #[error(transparent)]
    Store(StoreError),
}

impl From<Refusal> for QueueError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Store(error) => Self::Store(error),
            refusal => Self::Refused(refusal.to_string()),
        }
    }
}

impl From<StoreError> for QueueError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Queues {
    /// Returns the queue of that name and creates it if it is missing.
    pub async fn queue(&self, name: &str) -> Result<Queue, QueueError> {
        let name = self.create(name.to_owned()).await?;
        Ok(Queue { queues: self.clone(), name })
    }
}

impl Queue {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends a message. Returns its id once the message is on disk.
    pub async fn send(&self, body: impl Into<String>) -> Result<String, QueueError> {
        self.send_entry(Entry::new(body.into(), None)).await
    }

    /// Sends a message in a group, as FIFO queues require: messages of one group are handled in order.
    pub async fn send_in_group(
        &self,
        group: impl Into<String>,
        body: impl Into<String>,
    ) -> Result<String, QueueError> {
        self.send_entry(Entry::new(body.into(), Some(group.into()))).await
    }

    async fn send_entry(&self, entry: Entry) -> Result<String, QueueError> {
        let queue = self.queues.properties(self.name.clone()).await?;
        let sent = self.queues.store_one(&queue, &entry).await?;
        Ok(sent.id)
    }

    /// Returns the number of messages.
    pub async fn counts(&self) -> Result<Counts, QueueError> {
        let name = self.name.clone();
        Ok(self.queues.with(move |store| store.counts(&name, now())).await?)
    }

    /// Returns once the queue is empty: each message was handled or is a dead letter. Waits forever if nothing
    /// handles them; limit it with `tokio::time::timeout`.
    pub async fn drained(&self) -> Result<(), QueueError> {
        let mut changes = self.queues.waiting.subscribe(&self.name);
        while self.counts().await? != Counts::default() {
            // The queue is checked again in both cases.
            let _ = tokio::time::timeout(GLANCE, changes.changed()).await;
        }
        Ok(())
    }

    /// Returns the bodies of its dead letters, newest first. They stay in their queue.
    pub async fn dead_letters(&self) -> Result<Vec<String>, QueueError> {
        let which = Which { queue: self.name.clone(), one: None };
        let letters = self.queues.with(move |store| store.letters(&which, usize::MAX)).await?;
        Ok(letters.into_iter().map(|letter| letter.body).collect())
    }
}
