//! Delivers the messages of a queue to functions, one call per message. Leaves the decision which messages to report
//! to `batch`.

use std::sync::Arc;
use std::time::Instant;

use eg_sdk::{CloudEvent, Data};

use super::batch::{Batch, Failed};
use super::{Entry, Service};
use crate::context::Invocation;
use crate::failures::Rejections;
use crate::outcome::{Failure, FailureKind};
use crate::payload::Record;
use crate::registry::Trigger;

impl Service {
    /// Delivers each message to the function of its queue, in order, and returns the failed ones. A rejected message that the
    /// failures queue keeps is done. Without a failures queue it counts as failed, because only its own queue can then move it
    /// to its dead letters; so does a message that comes from the failures queue.
    pub(crate) async fn batch(
        &self,
        records: Vec<Record>,
        rejections: &Rejections<'_>,
        invocation: &Arc<Invocation>,
    ) -> Vec<Failed> {
        let mut batch = Batch::default();
        for (at, record) in records.into_iter().enumerate() {
            let Record { id, queue, group, event } = record;
            let in_time = invocation.deadline.is_none_or(|deadline| deadline.allows_another(Instant::now()));
            if !batch.admits(&id, group.as_deref(), in_time) {
                continue;
            }
            let done = match event {
                Ok(event) => self.message(&queue, &id, event, invocation).await,
                Err(error) => {
                    let message = format!("message {id}: {error}");
                    Failure::new(FailureKind::Reject, message).log(Some(&queue), &invocation.request_id);
                    Err(Failure::from(error))
                }
            };
            let done = match done {
                Err(failure) if !rejections.would_return_to(&queue) => {
                    rejections.keep(Some(at), failure).await
                }
                done => done,
            };
            if let Err(failure) = done {
                batch.failed(&id, group.as_deref(), failure);
            }
        }
        batch.into_failed()
    }

    /// Delivers one message to its functions.
    ///
    /// # Errors
    /// The first failure, after all functions were called.
    async fn message(
        &self,
        queue: &str,
        id: &str,
        event: CloudEvent<Data>,
        invocation: &Arc<Invocation>,
    ) -> Result<(), Failure> {
        let of_queue = self.functions_of(queue);
        let functions = if of_queue.is_empty() { self.functions_for(&event) } else { of_queue };
        if functions.is_empty() {
            let reason = format!("no function here handles event type `{}`", event.ty());
            let failure = Failure::new(FailureKind::Reject, format!("message {id}: {reason}"));
            failure.log(Some(queue), &invocation.request_id);
            return Err(Failure::new(FailureKind::Reject, reason));
        }
        self.check_hops(&event, Some(queue), invocation)?;
        let mut done = Ok(());
        let copies = std::iter::repeat_n(event, functions.len());
        for (function, event) in functions.into_iter().zip(copies) {
            let settled = function.served.settle(self.request(event, invocation)).await;
            done = Failure::of_both(done, settled.map(drop));
        }
        done
    }

    /// Returns the functions of a queue. A process with a single function handles every queue, because deployed
    /// queues may have other names.
    fn functions_of(&self, queue: &str) -> Vec<&Entry> {
        let of = |function: &&Entry, name: Option<&str>| {
            function.def.triggers.iter().any(|trigger| match trigger {
                Trigger::Queue(queue) => name.is_none_or(|name| name == queue.name),
                _ => false,
            })
        };
        match self.functions.as_slice() {
            [only] => Some(only).filter(|only| of(only, None)).into_iter().collect(),
            all => all.iter().filter(|function| of(function, Some(queue))).collect(),
        }
    }
}
