//! Calls functions on schedule, with the event that EventBridge sends. Leaves parsing and the next time to `eg-grammar`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use eg_grammar::Schedule;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::activity::{Observer, TriggerActivity};
use crate::emulator::{ACCOUNT, Invoker, REGION};

/// The maximum sleep before the clock is read again, because the machine may sleep or the clock may be set.
const GLANCE: Duration = Duration::from_secs(15);

/// A function and when it runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timed {
    /// Id of the function.
    pub function: String,
    /// When it is called.
    pub schedule: Schedule,
}

/// The schedules of an application.
#[derive(Debug)]
pub struct Schedules {
    invoker: Invoker,
    observer: Observer,
    running: BTreeMap<Timed, CancellationToken>,
    tasks: TaskTracker,
}

impl Schedules {
    /// Creates an empty set of schedules. Functions are called through `invoker`.
    #[must_use]
    pub fn new(invoker: Invoker, observer: Observer) -> Self {
        Self { invoker, observer, running: BTreeMap::new(), tasks: TaskTracker::new() }
    }

    /// Sets the running schedules. Schedules that were running keep their rhythm.
    pub fn set(&mut self, wanted: Vec<Timed>) {
        self.running.retain(|timed, stop| {
            let stays = wanted.contains(timed);
            if !stays {
                stop.cancel();
            }
            stays
        });
        for timed in wanted {
            if self.running.contains_key(&timed) {
                continue;
            }
            let stop = CancellationToken::new();
            let clockwork = Clockwork {
                timed: Arc::new(timed.clone()),
                invoker: self.invoker.clone(),
                observer: self.observer.clone(),
                stop: stop.clone(),
            };
            self.tasks.spawn(clockwork.run(self.tasks.clone()));
            self.running.insert(timed, stop);
        }
    }

    /// Returns once no call is running.
    pub async fn stop(&mut self) {
        self.set(Vec::new());
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Schedules {
    fn drop(&mut self) {
        self.set(Vec::new());
    }
}

/// A running schedule.
#[derive(Debug, Clone)]
struct Clockwork {
    timed: Arc<Timed>,
    invoker: Invoker,
    observer: Observer,
    stop: CancellationToken,
}

impl Clockwork {
    async fn run(self, tasks: TaskTracker) {
        let mut last = SystemTime::now();
        while let Some(next) = self.timed.schedule.next(last) {
            if !self.sleep_until(next).await {
                return;
            }
            tasks.spawn(self.clone().call(next));
            // One call makes up for all times that the machine slept through.
            last = self.timed.schedule.last_due(next, SystemTime::now());
        }
    }

    /// Returns `false` if it must stop first.
    async fn sleep_until(&self, time: SystemTime) -> bool {
        loop {
            let left = time.duration_since(SystemTime::now()).unwrap_or_default();
            if left.is_zero() {
                return true;
            }
            tokio::select! {
                () = tokio::time::sleep(left.min(GLANCE)) => {}
                () = self.stop.cancelled() => return false,
            }
        }
    }

    async fn call(self, time: SystemTime) {
        let Timed { function, schedule } = &*self.timed;
        let id = uuid::Uuid::new_v4().to_string();
        let payload = event(&id, function, time.into());
        self.observer.report(TriggerActivity::Calling { events: vec![id], trigger: schedule.to_string() });
        let mut retries = self.invoker.event_retries(function).into_iter();
        loop {
            let started = Instant::now();
            let failure = self.invoker.invoke(&schedule.to_string(), function, payload.clone()).await.err();
            let again = failure.is_some().then(|| retries.next()).flatten();
            self.observer.report(TriggerActivity::Scheduled {
                schedule: schedule.to_string(),
                function: function.clone(),
                failure: failure.map(|error| (error.to_string(), again)),
                duration: started.elapsed(),
            });
            let Some(again) = again else { return };
            tokio::select! {
                () = tokio::time::sleep(again) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }
}

/// Returns the event of a schedule of `function` that is due now, as JSON in EventBridge's format.
#[must_use]
pub fn event_of_now(function: &str) -> Vec<u8> {
    event(&uuid::Uuid::new_v4().to_string(), function, OffsetDateTime::now_utc())
}

/// Builds the event that EventBridge sends to the target of a scheduled rule.
fn event(id: &str, function: &str, time: OffsetDateTime) -> Vec<u8> {
    let whole = time.replace_nanosecond(0).unwrap_or(time);
    json!({
        "version": "0",
        "id": id,
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        // A schedule cannot name years with more than four digits.
        "time": whole.format(&Rfc3339).unwrap_or_default(),
        "region": REGION,
        "resources": [format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/{function}")],
        "detail": {},
    })
    .to_string()
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_eventbridges() {
        let time = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        let event: serde_json::Value = serde_json::from_slice(&event("1", "shop-sweep", time)).unwrap();
        assert_eq!(event["time"], "2027-01-15T08:00:00Z");
        assert_eq!(event["detail-type"], "Scheduled Event");
        assert_eq!(event["resources"][0], "arn:aws:events:us-east-1:000000000000:rule/shop-sweep");
    }
}
