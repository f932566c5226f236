//! Follows a stream for one function: one batch of a shard after the other, the failed record first, until it is handled or given
//! up. A shard begins when the one that it continues has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eg_local::emulator::Invoker;
use eg_local::{Observer, TriggerActivity};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Followed;
use super::source::{Record, Shard, Source, Start};

/// How long a reader waits for new records, for new shards, and after a server has failed.
const POLL: Duration = Duration::from_millis(250);
const LOOK: Duration = Duration::from_secs(2);
const RECOVERY: Duration = Duration::from_secs(5);

/// The beginning of the error of a server that does not know an iterator any more.
const EXPIRED: &str = "ExpiredIteratorException";

/// The pauses before a failed record is tried again: the first and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// A function that follows a stream; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) followed: Arc<Followed>,
    pub(super) source: Arc<Source>,
    pub(super) invoker: Invoker,
    pub(super) observer: Observer,
    pub(super) stop: CancellationToken,
}

/// The shards that there are at the start, with iterators behind their last records.
type Begun = Result<BTreeMap<String, String>, String>;

impl Reader {
    /// Finds the positions behind the last records.
    pub(super) async fn begin(&self) -> Begun {
        let mut begun = BTreeMap::new();
        for Shard { id, .. } in self.source.shards().await? {
            let iterator = self.source.iterator(&id, Start::Latest).await?;
            begun.insert(id, iterator);
        }
        Ok(begun)
    }

    /// Follows the stream until it is stopped. A stream that did not exist at the start is read from its
    /// beginning.
    pub(super) async fn run(self, begun: Begun, tasks: TaskTracker) {
        let (mut iterators, mut failed) = match begun {
            Ok(iterators) => (iterators, None),
            Err(reason) => (BTreeMap::new(), Some(reason)),
        };
        let ended = Arc::new(Mutex::new(BTreeSet::<String>::new()));
        let mut known: BTreeMap<String, CancellationToken> = BTreeMap::new();
        loop {
            let found = match failed.take() {
                Some(reason) => Err(reason),
                None => self.source.shards().await,
            };
            match found {
                Err(error) => {
                    self.fail(error);
                    if !self.pause(RECOVERY).await {
                        return;
                    }
                }
                Ok(shards) => {
                    let over = ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    let waits = |shard: &Shard| {
                        let parent = shard.parent.as_ref();
                        parent.is_some_and(|parent| {
                            !over.contains(parent) && shards.iter().any(|other| other.id == *parent)
                        })
                    };
                    // Shards of a stream that was created anew are gone.
                    known.retain(|id, stop| {
                        let stays = shards.iter().any(|shard| shard.id == *id);
                        if !stays {
                            stop.cancel();
                        }
                        stays
                    });
                    for shard in shards.iter().filter(|shard| !waits(shard)) {
                        if !known.contains_key(&shard.id) {
                            let stop = self.stop.child_token();
                            known.insert(shard.id.clone(), stop.clone());
                            let (reader, ended) = (Self { stop, ..self.clone() }, Arc::clone(&ended));
                            let (id, iterator) = (shard.id.clone(), iterators.remove(&shard.id));
                            tasks.spawn(async move {
                                if reader.follow(&id, iterator).await {
                                    ended.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
                                }
                            });
                        }
                    }
                    if !self.pause(LOOK).await {
                        return;
                    }
                }
            }
        }
    }

    /// Follows a shard. Returns whether it has ended.
    async fn follow(&self, shard: &str, mut iterator: Option<String>) -> bool {
        let mut last: Option<String> = None;
        // A shard from before the start is never read from its beginning.
        let first = if iterator.is_some() { Start::Latest } else { Start::Oldest };
        loop {
            let step = async {
                let from = last.as_deref().map_or(first, Start::After);
                let at = match &iterator {
                    Some(iterator) => iterator.clone(),
                    None => self.source.iterator(shard, from).await?,
                };
                self.source.records(shard, &at, self.followed.batch).await
            };
            let stepped = tokio::select! {
                stepped = step => stepped,
                () = self.stop.cancelled() => return false,
            };
            let wait = match stepped {
                Ok((records, next)) => {
                    if let Some(Record { sequence, .. }) = records.last() {
                        last = Some(sequence.clone());
                    }
                    if !self.hand_over(&records).await {
                        return false;
                    }
                    let Some(next) = next else { return true };
                    iterator = Some(next);
                    if records.is_empty() { POLL } else { self.followed.window }
                }
                Err(error) => {
                    if error.starts_with(EXPIRED) {
                        iterator = None;
                    }
                    self.fail(error);
                    RECOVERY
                }
            };
            if !self.pause(wait).await {
                return false;
            }
        }
    }

    /// Calls the function with records until each is handled or given up. Returns `false` if the reader must stop first.
    async fn hand_over(&self, records: &[Record]) -> bool {
        let mut rest = Rest::new(records.len(), self.followed.attempts);
        while let Some(batch) = rest.next(records) {
            let payload =
                json!({ "Records": batch.iter().map(|record| &record.payload).collect::<Vec<_>>() });
            let events = batch.iter().filter_map(|record| record.payload["eventID"].as_str());
            let events = events.map(str::to_owned).collect();
            let trigger = self.source.described();
            self.observer.report(TriggerActivity::Calling { events, trigger: trigger.clone() });
            let started = Instant::now();
            let answer = self.invoker.invoke(&trigger, &self.followed.function, payload.to_string()).await;
            let failed = match &answer {
                Ok(json) => first_failed(json, batch),
                Err(error) => Some(Failed { at: None, reason: error.to_string() }),
            };
            let records = batch.len();
            let next = rest.settle(records, failed.as_ref());
            self.observer.report(TriggerActivity::Records {
                stream: trigger,
                function: self.followed.function.clone(),
                records,
                failure: failed.map(|failed| (failed.reason, next)),
                duration: started.elapsed(),
            });
            if let Some(pause) = next
                && !self.pause(pause).await
            {
                return false;
            }
        }
        true
    }

    fn fail(&self, error: String) {
        self.observer.report(TriggerActivity::StreamFailed { stream: self.source.described(), error });
    }

    /// Returns `false` if the reader must stop first.
    async fn pause(&self, time: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(time) => true,
            () = self.stop.cancelled() => false,
        }
    }
}

/// What has failed in a batch: a record and all behind it, or the call.
#[derive(Debug, PartialEq, Eq)]
struct Failed {
    at: Option<usize>,
    reason: String,
}

/// Reads the partial batch response of a function: the first record that it names. As on Lambda, an answer that is none means
/// success, and an unknown record fails the batch.
fn first_failed(answer: &[u8], batch: &[Record]) -> Option<Failed> {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let items = answer["batchItemFailures"].as_array().filter(|items| !items.is_empty())?;
    let position = |item: &Value| {
        let id = item["itemIdentifier"].as_str()?;
        batch.iter().position(|record| record.sequence == id)
    };
    let at = items.iter().map(position).min().flatten();
    let id = at.map(|at| batch[at].sequence.as_str());
    let reason = id.and_then(|id| answer["errors"][id].as_str());
    let reason = reason.unwrap_or("the function reports the record as failed").to_owned();
    Some(Failed { at, reason })
}

/// The records of a batch that are left. A call that fails as a whole is repeated with half of its records, as with
/// `BisectBatchOnFunctionError`, until the record that makes it fail is alone.
#[derive(Debug, PartialEq, Eq)]
struct Rest {
    from: usize,
    /// How many records the next call gets.
    size: usize,
    all: usize,
    /// How often the first record has failed.
    failures: u32,
    attempts: u32,
}

impl Rest {
    fn new(all: usize, attempts: u32) -> Self {
        Self { from: 0, size: all, all, failures: 0, attempts }
    }

    /// Returns the records of the next call; `None` if none are left.
    fn next<'a>(&self, records: &'a [Record]) -> Option<&'a [Record]> {
        records.get(self.from..self.from + self.size).filter(|batch| !batch.is_empty())
    }

    /// Notes how a call with so many records has ended. Returns the pause before a failed record is tried again; `None` if nothing
    /// has failed, or the record is given up.
    fn settle(&mut self, records: usize, failed: Option<&Failed>) -> Option<Duration> {
        let done = match failed {
            None => records,
            Some(Failed { at: Some(at), .. }) => *at,
            Some(Failed { at: None, .. }) if records > 1 => {
                self.size = records.div_ceil(2);
                return Some(Duration::ZERO);
            }
            Some(Failed { at: None, .. }) => 0,
        };
        if done > 0 {
            self.failures = 0;
        }
        self.from += done;
        let mut pause = None;
        if failed.is_some() {
            self.failures += 1;
            if self.failures >= self.attempts {
                (self.from, self.failures) = (self.from + 1, 0);
            } else {
                let doubled = PAUSES.0.saturating_mul(1 << (self.failures - 1).min(10));
                pause = Some(doubled.min(PAUSES.1));
            }
        }
        self.size = self.all - self.from;
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(count: usize) -> Vec<Record> {
        (0..count).map(|n| Record { sequence: n.to_string(), payload: json!(n) }).collect()
    }

    /// Hands over records to a function that fails for some, and says which it has handled, and how often it was called.
    fn run(
        count: usize,
        attempts: u32,
        answer: impl Fn(&[Record], u32) -> Option<Failed>,
    ) -> (Vec<String>, u32) {
        let (records, mut handled, mut calls) = (records(count), Vec::new(), 0);
        let mut rest = Rest::new(count, attempts);
        while let Some(batch) = rest.next(&records) {
            calls += 1;
            let failed = answer(batch, calls);
            let done = match &failed {
                None => batch.len(),
                Some(failed) => failed.at.unwrap_or(0),
            };
            handled.extend(batch[..done].iter().map(|record| record.sequence.clone()));
            rest.settle(batch.len(), failed.as_ref());
            assert!(calls < 1000, "it ends");
        }
        (handled, calls)
    }

    #[test]
    fn nothing_is_handled_twice_and_only_the_record_that_fails_is_given_up() {
        let named = |batch: &[Record], bad: &str| batch.iter().position(|record| record.sequence == bad);
        let failed = |at| Failed { at, reason: String::new() };
        assert_eq!(run(5, 3, |_, _| None), (["0", "1", "2", "3", "4"].map(str::to_owned).into(), 1));
        // A response that names the record, and a call that fails as a whole.
        let reports = run(5, 3, |batch, _| named(batch, "2").map(|at| failed(Some(at))));
        assert_eq!(reports, (["0", "1", "3", "4"].map(str::to_owned).into(), 4));
        let (handled, _) = run(5, 3, |batch, _| named(batch, "2").map(|_| failed(None)));
        assert_eq!(handled, ["0", "1", "3", "4"]);
        let recovers = run(3, 3, |batch, calls| (calls == 1).then(|| failed(named(batch, "1"))));
        assert_eq!(recovers, (["0", "1", "2"].map(str::to_owned).into(), 2));
        assert_eq!(run(0, 3, |_, _| None), (vec![], 0));
    }

    #[test]
    fn the_first_record_that_an_answer_names() {
        let batch = records(3);
        let check = |answer: &str, at: Option<Option<usize>>| {
            assert_eq!(first_failed(answer.as_bytes(), &batch).map(|failed| failed.at), at, "{answer}");
        };
        check("null", None);
        check(r#"{"batchItemFailures":[]}"#, None);
        check(r#"{"batchItemFailures":[{"itemIdentifier":"2"},{"itemIdentifier":"1"}]}"#, Some(Some(1)));
        check(r#"{"batchItemFailures":[{"itemIdentifier":"7"}]}"#, Some(None));
        check(r#"{"batchItemFailures":[{"itemIdentifier":"1"},{}]}"#, Some(None));
        let told = first_failed(
            br#"{"batchItemFailures":[{"itemIdentifier":"1"}],"errors":{"1":"no stock"}}"#,
            &batch,
        );
        assert_eq!(told.unwrap().reason, "no stock");
    }
}
