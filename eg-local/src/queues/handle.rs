//! A queue as a program in the same process uses it. Programs outside use the [API](super::api) of SQS, by the same rules.

use std::time::Duration;

use super::error::Refusal;
use super::send::Entry;
use super::store::{Counts, StoreError};
use super::{Queues, dead_letters_of, now};

/// How long to wait until a queue is looked at again where nothing reports a change.
const GLANCE: Duration = Duration::from_millis(50);

/// A queue of a local cloud; cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue {
    queues: Queues,
    name: String,
}

/// Why a queue did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The name or the message breaks a rule of SQS.
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
    /// The queue of that name, which is created if there is none.
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

    /// Sends a message and returns its id. The message is on disk then.
    pub async fn send(&self, body: impl Into<String>) -> Result<String, QueueError> {
        self.send_entry(Entry::new(body.into(), None)).await
    }

    /// Sends a message in a group, as FIFO queues need it: messages of one group are handled in their order.
    pub async fn send_in_group(
        &self,
        group: impl Into<String>,
        body: impl Into<String>,
    ) -> Result<String, QueueError> {
        self.send_entry(Entry::new(body.into(), Some(group.into()))).await
    }

    async fn send_entry(&self, entry: Entry) -> Result<String, QueueError> {
        let sent = self.queues.store_one(&self.name, &entry).await?;
        Ok(sent.id)
    }

    /// How many messages it has.
    pub async fn counts(&self) -> Result<Counts, QueueError> {
        let name = self.name.clone();
        Ok(self.queues.with(move |store| store.counts(&name, now())).await?)
    }

    /// Returns when it has no message any more, because each was handled or is a dead letter. Waits for ever if nothing
    /// handles them: give it a limit with `tokio::time::timeout`.
    pub async fn drained(&self) -> Result<(), QueueError> {
        let mut changes = self.queues.waiting.subscribe(&self.name);
        while self.counts().await? != Counts::default() {
            // Either way it is looked at again.
            let _ = tokio::time::timeout(GLANCE, changes.changed()).await;
        }
        Ok(())
    }

    /// The bodies of its dead letters, the oldest first. They stay where they are.
    pub async fn dead_letters(&self) -> Result<Vec<String>, QueueError> {
        let name = dead_letters_of(&self.name);
        Ok(self.queues.with(move |store| store.bodies(&name)).await?)
    }
}
