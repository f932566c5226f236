//! Tests the outbox with a database in memory that fails on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use eg_sdk::outbox::{
    Batch, Cause, Decision, Found, Handled, MEMORY, Outbox, OutboxError, OutboxStore, Outgoing,
};
use eg_sdk::{CloudEvent, Event, EventGateway, Recorder};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event("order.created")]
struct OrderCreated {
    pieces: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event("item.reserved")]
struct ItemReserved {
    total: u32,
}

#[derive(Debug, Default)]
struct Tables {
    total: u32,
    /// Counts the changes of `total`.
    version: u32,
    handled: BTreeSet<String>,
    /// How long the last cause must be remembered.
    memory: Duration,
    unsent: BTreeMap<String, Batch>,
    /// Where to fail next.
    failing: Option<Step>,
    /// The number of concurrent changes between reading and storing.
    interferences: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Find,
    BeforeCommit,
    AfterCommit,
    Sent,
    Unsent,
}

#[derive(Debug, thiserror::Error)]
#[error("the disk failed at {0:?}")]
struct Broken(Step);

#[derive(Debug, Default)]
struct Shelf(Mutex<Tables>);

/// The version that was read, and the new total.
struct Reserve {
    version: u32,
    total: u32,
}

impl Shelf {
    fn fail(&self, step: Step) -> Result<(), Broken> {
        let mut tables = self.0.lock().unwrap();
        if tables.failing == Some(step) {
            tables.failing = None;
            return Err(Broken(step));
        }
        Ok(())
    }
}

impl OutboxStore for Shelf {
    type Change = Reserve;
    type Error = Broken;

    async fn find(&self, cause: &str) -> Result<Found, Broken> {
        self.fail(Step::Find)?;
        let tables = self.0.lock().unwrap();
        Ok(match tables.unsent.get(cause) {
            Some(batch) => Found::Unsent(batch.clone()),
            None if tables.handled.contains(cause) => Found::Done,
            None => Found::New,
        })
    }

    async fn commit(&self, change: Reserve, batch: &Batch, memory: Duration) -> Result<bool, Broken> {
        self.fail(Step::BeforeCommit)?;
        {
            let mut tables = self.0.lock().unwrap();
            if tables.interferences > 0 {
                tables.interferences -= 1;
                tables.total += 100;
                tables.version += 1;
            }
            if tables.version != change.version || !tables.handled.insert(batch.cause().to_owned()) {
                return Ok(false);
            }
            tables.version += 1;
            tables.total = change.total;
            tables.memory = memory;
            if !batch.events().is_empty() {
                // As in a real database, the batch is stored as text.
                let stored = serde_json::from_str(&serde_json::to_string(batch).unwrap()).unwrap();
                tables.unsent.insert(batch.cause().to_owned(), stored);
            }
        }
        self.fail(Step::AfterCommit)?;
        Ok(true)
    }

    async fn sent(&self, cause: &str) -> Result<(), Broken> {
        self.fail(Step::Sent)?;
        self.0.lock().unwrap().unsent.remove(cause);
        Ok(())
    }

    async fn unsent(&self, limit: usize) -> Result<Vec<Batch>, Broken> {
        self.fail(Step::Unsent)?;
        Ok(self.0.lock().unwrap().unsent.values().take(limit).cloned().collect())
    }
}

async fn reserve(
    outbox: &Outbox<Shelf>,
    gateway: &EventGateway,
    event: &CloudEvent<OrderCreated>,
) -> Result<Handled, OutboxError<Broken>> {
    let decide = || async {
        let (version, total) = {
            let tables = outbox.store().0.lock().unwrap();
            (tables.version, tables.total + event.data.pieces)
        };
        let reserved = gateway.stage(ItemReserved { total }).map_err(OutboxError::Event)?;
        Ok(Decision::new(Reserve { version, total }).emit(reserved))
    };
    outbox.handle(gateway, event, decide).await
}

fn order(pieces: u32) -> CloudEvent<OrderCreated> {
    CloudEvent::new("/orders", OrderCreated { pieces })
}

/// Returns the distinct ids of the emitted events with their totals; a single entry means that all are the same
/// event.
fn emitted(recorder: &Recorder) -> BTreeSet<(String, u32)> {
    let events = recorder.events_of::<ItemReserved>().unwrap();
    events.into_iter().map(|event| (event.id().to_owned(), event.data.total)).collect()
}

#[tokio::test]
async fn an_event_is_handled_once_and_its_effect_emitted_once() {
    let (gateway, recorder) = EventGateway::recording();
    let outbox = Outbox::new(Shelf::default());
    let event = order(2);
    assert_eq!(reserve(&outbox, &gateway, &event).await.unwrap(), Handled::Now);
    assert_eq!(reserve(&outbox, &gateway, &event).await.unwrap(), Handled::Before);
    assert_eq!(reserve(&outbox, &gateway, &order(3)).await.unwrap(), Handled::Now);
    let totals: Vec<_> =
        recorder.events_of::<ItemReserved>().unwrap().iter().map(|event| event.data.total).collect();
    assert_eq!(totals, [2, 5]);
    assert_eq!(outbox.send_unsent(&gateway).await.unwrap(), 0);
}

/// The process is killed, or the disk or the gateway fails, between any two steps; then the event is delivered again.
#[tokio::test]
async fn a_failure_between_any_two_steps_loses_and_doubles_nothing() {
    for (step, stored, unsent, emissions) in [
        (Some(Step::Find), false, false, 1),
        (Some(Step::BeforeCommit), false, false, 1),
        (Some(Step::AfterCommit), true, true, 1),
        // The gateway refuses.
        (None, true, true, 1),
        (Some(Step::Sent), true, true, 2),
    ] {
        let (gateway, recorder) = EventGateway::recording();
        let outbox = Outbox::new(Shelf::default());
        outbox.store().0.lock().unwrap().failing = step;
        if step.is_none() {
            recorder.refuse_next(503, "draining");
        }
        let event = order(2);
        let error = reserve(&outbox, &gateway, &event).await.unwrap_err();
        assert_eq!(matches!(error, OutboxError::Unsent(_)), step.is_none(), "{step:?}: {error}");
        {
            let tables = outbox.store().0.lock().unwrap();
            assert_eq!(tables.total, if stored { 2 } else { 0 }, "{step:?}");
            assert_eq!(!tables.unsent.is_empty(), unsent, "{step:?}");
        }
        reserve(&outbox, &gateway, &event).await.unwrap();
        assert_eq!(reserve(&outbox, &gateway, &event).await.unwrap(), Handled::Before);
        assert_eq!(outbox.store().0.lock().unwrap().total, 2, "{step:?}: reserved once");
        assert_eq!(recorder.events().len(), emissions, "{step:?}");
        assert_eq!(emitted(&recorder).len(), 1, "{step:?}: the same event each time");
        assert!(outbox.store().0.lock().unwrap().unsent.is_empty(), "{step:?}");
    }
}

#[tokio::test]
async fn what_no_event_brings_back_is_emitted_later() {
    let (gateway, recorder) = EventGateway::recording();
    let outbox = Outbox::new(Shelf::default());
    for n in 1..=3 {
        recorder.refuse_next(503, "away");
        assert!(reserve(&outbox, &gateway, &order(n)).await.is_err());
    }
    outbox.store().0.lock().unwrap().failing = Some(Step::Unsent);
    assert!(matches!(outbox.send_unsent(&gateway).await, Err(OutboxError::Store(_))));
    // A refused batch does not block the others.
    recorder.refuse_next(400, "never");
    let error = outbox.send_unsent(&gateway).await.unwrap_err();
    assert!(matches!(&error, OutboxError::Unsent(e) if e.status() == Some(400)), "{error}");
    assert_eq!(emitted(&recorder).len(), 2);
    assert_eq!(outbox.send_unsent(&gateway).await.unwrap(), 1);
    assert_eq!(outbox.send_unsent(&gateway).await.unwrap(), 0);
    assert_eq!(emitted(&recorder).iter().map(|(_, total)| total).sum::<u32>(), 1 + 3 + 6);
}

#[tokio::test]
async fn a_state_that_changed_meanwhile_is_decided_upon_anew() {
    let (gateway, recorder) = EventGateway::recording();
    let outbox = Outbox::new(Shelf::default());
    outbox.store().0.lock().unwrap().interferences = 3;
    assert_eq!(reserve(&outbox, &gateway, &order(2)).await.unwrap(), Handled::Now);
    assert_eq!(recorder.events_of::<ItemReserved>().unwrap()[0].data.total, 302);
    assert_eq!(recorder.events().len(), 1, "what was decided in vain is not emitted");

    outbox.store().0.lock().unwrap().interferences = u32::MAX;
    let event = order(1);
    let error = reserve(&outbox, &gateway, &event).await.unwrap_err();
    let id = event.id();
    assert_eq!(
        error.to_string(),
        format!("other writers keep changing the state that {id} of /orders affects; try again")
    );
}

#[tokio::test]
async fn two_functions_may_handle_one_event_and_a_name_is_a_cause_too() {
    let event = order(1).with_id("7");
    assert_eq!(Cause::from(&event).as_str(), "7 of /orders");
    assert_eq!(Cause::from(&event).by("count").as_str(), "7 of /orders by count");
    assert_ne!(Cause::from(&event), Cause::from(&order(1).with_id("8")));
    assert_eq!(Cause::from("request 1"), Cause::from("request 1".to_owned()));

    let (gateway, recorder) = EventGateway::recording();
    let outbox = Outbox::new(Shelf::default());
    for expected in [Handled::Now, Handled::Before] {
        let nine = || async { Ok::<_, OutboxError<Broken>>(Reserve { version: 0, total: 9 }) };
        assert_eq!(outbox.record("request 1", nine).await.unwrap(), expected);
    }
    assert_eq!(outbox.send_unsent(&gateway).await.unwrap(), 0);
    assert_eq!((recorder.events().len(), outbox.store().0.lock().unwrap().total), (0, 9));
}

#[tokio::test]
async fn what_was_handled_is_remembered_as_long_as_was_said() {
    let (gateway, _) = EventGateway::recording();
    let outbox = Outbox::new(Shelf::default());
    reserve(&outbox, &gateway, &order(1)).await.unwrap();
    assert_eq!(outbox.store().0.lock().unwrap().memory, MEMORY);

    let hour = Duration::from_secs(3600);
    let outbox = outbox.with_memory(hour);
    reserve(&outbox, &gateway, &order(1)).await.unwrap();
    assert_eq!(outbox.store().0.lock().unwrap().memory, hour);
}

#[test]
fn staged_events_are_valid_and_come_back_from_text_as_they_were() {
    let (gateway, _) = EventGateway::recording();
    let event =
        CloudEvent::new("/s", ItemReserved { total: 1 }).with_subject("ṕ'\"").with_extension("hops", 3);
    let staged = gateway.stage(event).unwrap();
    let text = serde_json::to_string(&staged).unwrap();
    assert_eq!(serde_json::from_str::<Outgoing>(&text).unwrap(), staged);
    assert!(text.contains(staged.event().id()));
    assert!(serde_json::from_str::<Outgoing>("{}").is_err());
    assert!(gateway.stage(CloudEvent::new("not a source", ItemReserved { total: 1 })).is_err());
}
