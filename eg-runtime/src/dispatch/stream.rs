//! Delivers the records of streams to functions, one call per record, in the order of each shard.
//!
//! After a failure, nothing behind it in its shard is handled. The failure is reported, and Lambda sends everything from there
//! again: so no record is done before an earlier one, and none is lost. A rejected record that the failures queue keeps is done.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use eg_grammar::StreamKind;
use eg_sdk::{CloudEvent, Data};

use super::{Entry, Service};
use crate::context::Invocation;
use crate::failures::Rejections;
use crate::outcome::{Failure, FailureKind};
use crate::payload::{Position, StreamRecord};
use crate::registry::Trigger;

/// The first record of a shard that was not handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailedRecord {
    pub(crate) id: Position,
    pub(crate) reason: String,
}

impl Service {
    /// Delivers each record to the function of its stream. Returns the first record of each shard that was not handled,
    /// because it failed or because the time is up.
    pub(crate) async fn stream(
        &self,
        records: Vec<StreamRecord>,
        rejections: &Rejections<'_>,
        invocation: &Arc<Invocation>,
    ) -> Vec<FailedRecord> {
        let mut failed = Vec::new();
        let mut blocked = HashSet::new();
        for (at, record) in records.into_iter().enumerate() {
            let StreamRecord { id, kind, stream, shard, event } = record;
            if blocked.contains(&shard) {
                continue;
            }
            let in_time = invocation.deadline.is_none_or(|deadline| deadline.allows_another(Instant::now()));
            let done = match event {
                _ if !in_time => {
                    let reason = "not handled: the time of the invocation was up";
                    Err(Failure::new(FailureKind::Retry, reason.to_owned()))
                }
                Ok(event) => self.record(kind, &stream, event, invocation).await,
                Err(error) => {
                    let failure = Failure::from(error);
                    failure.log(Some(&stream), &invocation.request_id);
                    Err(failure)
                }
            };
            let done = match done {
                Err(failure) => rejections.keep(Some(at), failure).await,
                done => done,
            };
            if let Err(failure) = done {
                failed.push(FailedRecord { id, reason: failure.message });
                blocked.insert(shard);
            }
        }
        failed
    }

    /// Delivers one record to its functions.
    ///
    /// # Errors
    /// The first failure, after all functions were called.
    async fn record(
        &self,
        kind: StreamKind,
        stream: &str,
        event: CloudEvent<Data>,
        invocation: &Arc<Invocation>,
    ) -> Result<(), Failure> {
        let of_stream = self.functions_of_stream(kind, stream);
        let functions = if of_stream.is_empty() { self.functions_for(&event) } else { of_stream };
        if functions.is_empty() {
            let reason =
                format!("no function here handles the stream `{stream}` or event type `{}`", event.ty());
            let failure = Failure::new(FailureKind::Reject, reason);
            failure.log(Some(stream), &invocation.request_id);
            return Err(failure);
        }
        self.check_hops(&event, Some(stream), invocation)?;
        let mut done = Ok(());
        let copies = std::iter::repeat_n(event, functions.len());
        for (function, event) in functions.into_iter().zip(copies) {
            let settled = function.served.settle(self.request(event, invocation)).await;
            done = Failure::of_both(done, settled.map(drop));
        }
        done
    }

    /// Returns the functions of a stream. A process with a single function handles every stream of its kind, because deployed
    /// streams may have other names.
    fn functions_of_stream(&self, kind: StreamKind, stream: &str) -> Vec<&Entry> {
        let of = |function: &&Entry, name: Option<&str>| {
            function.def.triggers.iter().any(|trigger| match trigger {
                Trigger::Stream(stream) => stream.kind == kind && name.is_none_or(|name| name == stream.name),
                _ => false,
            })
        };
        match self.functions.as_slice() {
            [only] => Some(only).filter(|only| of(only, None)).into_iter().collect(),
            all => all.iter().filter(|function| of(function, Some(stream))).collect(),
        }
    }
}
