//! Lambda's event source mapping: collects batches of messages, calls the function, and settles each message. Source:
//! Lambda's developer guide, "how Lambda polls and batches".

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::record::Failure;
use super::store::{Message, StoreError};
use super::{Queues, millis, now, record};
use crate::activity::{Observer, TriggerActivity};
use crate::emulator::{FunctionSpec, Invoker};

/// The maximum number of concurrent batches of one mapping.
const CONCURRENCY: usize = 5;

/// How long a mapping waits after the disk has failed.
const RECOVERY: Duration = Duration::from_secs(5);

/// A function that handles a queue's messages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mapping {
    /// Name of the queue.
    pub queue: String,
    /// Id of the function.
    pub function: String,
    /// The maximum number of messages per call.
    pub batch_size: u32,
    /// How long to collect messages for a batch.
    pub window: Duration,
    /// The time limit of a call. Its messages stay invisible until then.
    pub timeout: Duration,
}

impl Mapping {
    /// Lets `function` handle the messages of `queue` as AWS does without further settings: up to 10 messages a call, no
    /// window, 30 s for a call.
    pub fn new(queue: impl Into<String>, function: impl Into<String>) -> Self {
        Self {
            queue: queue.into(),
            function: function.into(),
            batch_size: 10,
            window: Duration::ZERO,
            timeout: FunctionSpec::TIMEOUT,
        }
    }

    /// Sets the maximum number of messages per call.
    #[must_use]
    pub fn batch_size(mut self, batch_size: u32) -> Self {
        self.batch_size = batch_size;
        self
    }

    /// Sets how long to collect messages for a batch before the function is called.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }
}

/// The mappings of an application.
#[derive(Debug)]
pub struct Mappings {
    queues: Queues,
    invoker: Invoker,
    observer: Observer,
    running: BTreeMap<Mapping, CancellationToken>,
    tasks: TaskTracker,
}

/// A running mapping.
#[derive(Debug, Clone)]
struct Poller {
    mapping: Arc<Mapping>,
    queues: Queues,
    invoker: Invoker,
    observer: Observer,
    stop: CancellationToken,
}

impl Mappings {
    /// Creates an empty set of mappings. Functions are called through `invoker`.
    #[must_use]
    pub fn new(queues: Queues, invoker: Invoker, observer: Observer) -> Self {
        Self { queues, invoker, observer, running: BTreeMap::new(), tasks: TaskTracker::new() }
    }

    /// Sets the running mappings. A removed mapping finishes its current batches.
    pub fn set(&mut self, wanted: Vec<Mapping>) {
        self.running.retain(|mapping, stop| {
            let stays = wanted.contains(mapping);
            if !stays {
                stop.cancel();
            }
            stays
        });
        for mapping in wanted {
            if self.running.contains_key(&mapping) {
                continue;
            }
            let stop = CancellationToken::new();
            let poller = Poller {
                mapping: Arc::new(mapping.clone()),
                queues: self.queues.clone(),
                invoker: self.invoker.clone(),
                observer: self.observer.clone(),
                stop: stop.clone(),
            };
            self.tasks.spawn(poller.run(self.tasks.clone()));
            self.running.insert(mapping, stop);
        }
    }

    /// Returns once no batch is running.
    pub async fn stop(&mut self) {
        self.set(Vec::new());
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Mappings {
    fn drop(&mut self) {
        self.set(Vec::new());
    }
}

impl Poller {
    async fn run(self, tasks: TaskTracker) {
        let places = Arc::new(Semaphore::new(CONCURRENCY));
        let mut changes = self.queues.waiting.subscribe(&self.mapping.queue);
        loop {
            let place = tokio::select! {
                place = Arc::clone(&places).acquire_owned() => place,
                () = self.stop.cancelled() => return,
            };
            // The semaphore is never closed.
            let Ok(place) = place else { return };
            match self.batch(&mut changes).await {
                Ok(Some(messages)) => drop(tasks.spawn(self.clone().handle(messages, place))),
                Ok(None) => return,
                Err(error) => {
                    let (queue, error) = (self.mapping.queue.clone(), error.to_string());
                    self.observer.report(TriggerActivity::QueueFailed { queue, error });
                    tokio::select! {
                        () = tokio::time::sleep(RECOVERY) => {}
                        () = self.stop.cancelled() => return,
                    }
                }
            }
        }
    }

    /// Waits until a batch is full or old enough. `None` if the mapping must stop.
    async fn batch(&self, changes: &mut watch::Receiver<u64>) -> Result<Option<Vec<Message>>, StoreError> {
        let Mapping { queue, batch_size, window, .. } = &*self.mapping;
        let mut since: Option<Instant> = None;
        loop {
            changes.borrow_and_update();
            let (name, at) = (queue.clone(), now());
            let (counts, next_visible) = self
                .queues
                .with(move |store| Ok((store.counts(&name, at)?, store.next_visible(&name, at)?)))
                .await?;
            let mut next = next_visible.map(|next| Duration::from_millis((next - at).max(1).unsigned_abs()));
            if counts.visible == 0 {
                since = None;
            } else {
                let waited = since.get_or_insert_with(Instant::now).elapsed();
                match window.checked_sub(waited).filter(|left| !left.is_zero()) {
                    Some(left) if counts.visible < u64::from(*batch_size) => {
                        next = Some(next.map_or(left, |next| next.min(left)));
                    }
                    _ => {
                        let messages = self.receive().await?;
                        if !messages.is_empty() {
                            return Ok(Some(messages));
                        }
                        // Their groups are being handled, or they were received too often: wait for a change.
                        since = None;
                    }
                }
            }
            tokio::select! {
                // Fails only if the queues no longer exist; then only the stop wakes this task.
                Ok(()) = changes.changed() => {}
                () = tokio::time::sleep(next.unwrap_or(Duration::MAX)), if next.is_some() => {}
                () = self.stop.cancelled() => return Ok(None),
            }
        }
    }

    async fn receive(&self) -> Result<Vec<Message>, StoreError> {
        let Mapping { queue, batch_size, timeout, .. } = &*self.mapping;
        let properties = self.queues.properties(queue.clone()).await?;
        let at = now();
        let until = at.saturating_add(millis(properties.visibility().max(*timeout)));
        let most = usize::try_from(*batch_size).unwrap_or(usize::MAX);
        let (received, _) = self.queues.take(&properties, most, until, at).await?;
        for (message, receives) in received.dead {
            self.observer.report(TriggerActivity::DeadLettered {
                queue: queue.clone(),
                message,
                receives,
                rejection: None,
            });
        }
        Ok(received.messages)
    }

    /// Calls the function, and settles the messages by its answer. Splits batches that exceed Lambda's payload limit.
    async fn handle(self, messages: Vec<Message>, _place: OwnedSemaphorePermit) {
        let mut rest = messages.as_slice();
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(record::fitting(&self.mapping.queue, rest));
            rest = later;
            let received = now();
            if let Err(error) = self.call(batch, received).await {
                let (queue, error) = (self.mapping.queue.clone(), error.to_string());
                self.observer.report(TriggerActivity::QueueFailed { queue, error });
            }
        }
        self.queues.waiting.wake(&self.mapping.queue);
    }

    async fn call(&self, batch: &[Message], received: i64) -> Result<(), StoreError> {
        let Mapping { queue, function, .. } = &*self.mapping;
        let trigger = format!("queue {queue}");
        let events = batch.iter().map(|message| message.id.clone()).collect();
        self.observer.report(TriggerActivity::Calling { events, trigger: trigger.clone() });
        let started = Instant::now();
        let answer = self.invoker.invoke(&trigger, function, record::payload(queue, batch)).await;
        let outcome =
            answer.map_err(|error| error.to_string()).and_then(|answer| record::failures(&answer, batch));
        let properties = self.queues.properties(queue.clone()).await?;
        let redrive = properties.redrive();
        let target = redrive.as_ref().map(|redrive| redrive.target.clone());
        let (mut handled, mut failed, mut rejected, mut behind) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        // The groups in which a rejected message has kept the ones behind it from being handled.
        let mut held_up = BTreeSet::new();
        for Message { id, receipt, group, .. } in batch {
            match &outcome {
                Ok(failures) => match failures.get(id) {
                    // Without a queue for dead letters, it comes again.
                    Some(Failure { reason, is_rejected: true }) if redrive.is_some() => {
                        rejected.push((receipt.clone(), reason.clone()));
                        held_up.extend(group);
                    }
                    Some(_) if group.as_ref().is_some_and(|group| held_up.contains(group)) => {
                        behind.push(receipt.clone());
                    }
                    Some(Failure { reason, .. }) => failed.push((receipt.clone(), reason.clone())),
                    None => handled.push(receipt.clone()),
                },
                Err(error) => failed.push((receipt.clone(), Some(error.clone()))),
            }
        }
        let error = failed.iter().find_map(|(_, reason)| reason.clone());
        let (failures, name) = (failed.len(), queue.clone());
        let visibility = properties.visibility();
        let visible = received.saturating_add(millis(visibility));
        let dead = self
            .queues
            .with(move |store| {
                store.delete(&name, &handled)?;
                store.fail(&name, &failed, visible)?;
                store.give_back(&name, &behind, now())?;
                let Some(redrive) = redrive else { return Ok(Vec::new()) };
                store.reject(&name, &rejected, &redrive, now())
            })
            .await?;
        let duration = started.elapsed();
        self.observer.report(TriggerActivity::Batch {
            queue: queue.clone(),
            function: function.clone(),
            messages: batch.len(),
            failed: failures,
            error,
            again: visibility.saturating_sub(duration),
            duration,
        });
        if let (false, Some(target)) = (dead.is_empty(), target) {
            self.queues.waiting.wake(&target);
        }
        for (message, receives, reason) in dead {
            self.observer.report(TriggerActivity::DeadLettered {
                queue: queue.clone(),
                message,
                receives,
                rejection: Some(reason.unwrap_or_else(|| "no reason given".to_owned())),
            });
        }
        Ok(())
    }
}
