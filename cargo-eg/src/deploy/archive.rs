//! Reads the archive of a stage's event bus. EventBridge cannot list it: it replays a part of it to a rule, whose queue nobody else
//! reads. Selecting and showing the events is left to the commands.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry as Shown, DeleteMessageBatchRequestEntry as Taken, Message,
};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::pace::Pace;
use crate::aws::failure;
use crate::aws::json::Service;
use crate::console::progress::Progress;
use crate::console::signals::Signals;
use crate::exit::{Exit, Failure};
use crate::template::{ARCHIVE, REPLAYS};

/// The largest batch of SQS.
const BATCH: i32 = 10;

/// How long nothing new has arrived when everything of a replay has: its events reach the queue soon after its end.
const QUIET: Duration = Duration::from_secs(3);

/// What fails, in messages.
const REPLAY: &str = "replay the archive of events";
const READ: &str = "read the replayed events";

/// The archive of a stage.
#[derive(Debug)]
pub(crate) struct Archive {
    events: Service,
    sqs: Client,
    archive: String,
    rule: String,
    queue: String,
}

/// What a replay has brought so far.
#[derive(Debug, Default)]
struct Received {
    events: Vec<String>,
    /// The ids of all messages of the queue, also of those of other replays. A message that could not be deleted comes again.
    known: BTreeSet<String>,
}

impl Received {
    /// Notes a message of the queue. Returns whether it was unknown, and whether it is of the replay with this name.
    fn note(&mut self, name: &str, id: String, body: String) -> (bool, bool) {
        let event: Value = serde_json::from_str(&body).unwrap_or_default();
        let (is_new, is_own) = (self.known.insert(id), event["replay-name"] == name);
        if is_new && is_own {
            self.events.push(body);
        }
        (is_new, is_own)
    }
}

impl Archive {
    /// Returns the archive that the outputs of a stack name.
    pub(crate) fn of(config: &SdkConfig, outputs: &BTreeMap<String, String>) -> Option<Self> {
        let output = |name: &str| outputs.get(name).cloned();
        Some(Self {
            events: Service::events(config),
            sqs: Client::new(config),
            archive: output(ARCHIVE.archive)?,
            rule: output(ARCHIVE.rule)?,
            queue: output(ARCHIVE.queue)?,
        })
    }

    /// Returns the events of a time, as EventBridge keeps them, in no order. Ctrl-C ends the replay.
    pub(crate) async fn events(
        &self,
        from: OffsetDateTime,
        to: OffsetDateTime,
        signals: &mut Signals,
    ) -> Result<Vec<String>, Failure> {
        let name = format!("{REPLAYS}{:016x}", fastrand::u64(..));
        // The ARN of a rule of a bus: `…:rule/<bus>/<rule>`.
        let place = self.rule.rsplit_once('/').map_or(self.rule.as_str(), |(place, _)| place);
        let bus = place.replacen(":rule/", ":event-bus/", 1);
        let replay = json!({
            "ReplayName": name, "EventSourceArn": self.archive,
            "EventStartTime": from.unix_timestamp(), "EventEndTime": to.unix_timestamp() + 1,
            "Destination": {"Arn": bus, "FilterArns": [self.rule]},
        });
        self.events.call(REPLAY, "StartReplay", &replay).await?;
        let _progress = Progress::begin("EventBridge replays the archive, which takes some minutes");
        tokio::select! {
            read = self.read(&name) => read,
            () = signals.next() => {
                // One that has just ended cannot be cancelled.
                let _ = self.events.call("end the replay", "CancelReplay", &json!({"ReplayName": name})).await;
                Err(Failure::new(Exit::Interrupted, "interrupted"))
            }
        }
    }

    /// Reads the events of a replay until it has ended.
    async fn read(&self, name: &str) -> Result<Vec<String>, Failure> {
        let (mut received, mut pace) = (Received::default(), Pace::new());
        let mut last = Instant::now();
        loop {
            let state = self.events.call(REPLAY, "DescribeReplay", &json!({"ReplayName": name})).await?;
            while self.receive(name, &mut received).await? {
                last = Instant::now();
            }
            match state["State"].as_str() {
                Some("COMPLETED") if last.elapsed() >= QUIET => return Ok(received.events),
                Some("STARTING" | "RUNNING") => {
                    last = Instant::now();
                    pace.wait().await;
                }
                Some("COMPLETED") => {}
                state => {
                    let reason = state.unwrap_or("its state is not known");
                    let more = "run the command again, for a shorter time with --since and --until";
                    return Err(Failure::new(Exit::Refused, format!("the replay has ended early: {reason}"))
                        .hint(more));
                }
            }
        }
    }

    /// Takes events of a replay from the queue; those of other replays stay. Returns whether there was anything new.
    async fn receive(&self, name: &str, received: &mut Received) -> Result<bool, Failure> {
        let call = self.sqs.receive_message().queue_url(&self.queue).max_number_of_messages(BATCH);
        let answer = call.wait_time_seconds(1).send().await.map_err(|error| failure(READ, &error))?;
        let (mut any, mut taken, mut shown) = (false, Vec::new(), Vec::new());
        for (at, message) in answer.messages.unwrap_or_default().into_iter().enumerate() {
            let Message { message_id, body, receipt_handle, .. } = message;
            let (is_new, is_own) =
                received.note(name, message_id.unwrap_or_default(), body.unwrap_or_default());
            any |= is_new;
            let (at, receipt) = (at.to_string(), receipt_handle.unwrap_or_default());
            if is_own {
                taken.push(Taken::builder().id(at).receipt_handle(receipt).build());
            } else {
                // Its own reader gets it soon, and events behind it can be received meanwhile.
                let entry = Shown::builder().id(at).receipt_handle(receipt).visibility_timeout(1);
                shown.push(entry.build());
            }
        }
        let wrong = |error| Failure::because(Exit::Failed, format!("cannot {READ}"), error);
        if !taken.is_empty() {
            let taken = taken.into_iter().collect::<Result<_, _>>().map_err(wrong)?;
            let call = self.sqs.delete_message_batch().queue_url(&self.queue).set_entries(Some(taken));
            call.send().await.map_err(|error| failure(READ, &error))?;
        }
        if !shown.is_empty() {
            let shown = shown.into_iter().collect::<Result<_, _>>().map_err(wrong)?;
            let call = self.sqs.change_message_visibility_batch().queue_url(&self.queue);
            call.set_entries(Some(shown)).send().await.map_err(|error| failure(READ, &error))?;
        }
        Ok(any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SQS delivers a message again that was not deleted, and messages of replays that nobody reads stay for an hour.
    #[test]
    fn a_message_counts_once() {
        let mut received = Received::default();
        let mut note = |replay: &str, id: &str| {
            received.note("own", id.to_owned(), json!({"replay-name": replay, "id": id}).to_string())
        };
        assert_eq!(note("own", "1"), (true, true));
        assert_eq!(note("other", "2"), (true, false));
        assert_eq!(note("own", "3"), (true, true));
        assert_eq!(note("own", "1"), (false, true));
        assert_eq!(note("other", "2"), (false, false));
        let event = |id: &str| json!({"replay-name": "own", "id": id}).to_string();
        assert_eq!(received.events, [event("1"), event("3")]);
    }
}
