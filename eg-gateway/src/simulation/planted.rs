//! Plants bugs at the boundaries of the gateway: as triggers in the database, between two turns of the engine, and in
//! its settings. The gateway's own code stays unchanged.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use eg_sdk::config::Subscription;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::Bug;
use super::functions::Functions;
use super::world::World;
use crate::decide::breaker::Sign;
use crate::decide::lanes::{Lane, LaneState};
use crate::decide::retry::DeliveryPolicy;
use crate::deliver::Delivering;
use crate::deliver::attempt::Called;
use crate::deliver::engine::Engine;
use crate::store::Losses;
use crate::store::deliveries::finish_attempt;
use crate::timestamp::Timestamp;

/// Returns a retry policy as changed by the planted bug, if at all.
pub(super) fn policy(policy: DeliveryPolicy, bug: Bug) -> DeliveryPolicy {
    match bug {
        Bug::AgeIgnored => DeliveryPolicy { max_age: Duration::from_secs(1_000_000), ..policy },
        _ => policy,
    }
}

/// Returns a subscription as changed by the planted bug, if at all.
pub(super) fn subscription(mut subscription: Subscription, bug: Bug) -> Subscription {
    if bug == Bug::AgeIgnored {
        subscription.retry = None;
    }
    subscription
}

/// Returns the trigger that plants the bug in the database, or an empty string.
pub(super) fn triggers(bug: Bug) -> &'static str {
    match bug {
        Bug::AttemptNotPersisted => {
            "CREATE TRIGGER planted BEFORE INSERT ON attempts BEGIN SELECT RAISE(IGNORE); END"
        }
        Bug::OutcomeNotRecorded => {
            "CREATE TRIGGER planted AFTER UPDATE OF state ON deliveries
             WHEN OLD.state = 'in_flight' AND NEW.state IN ('dead', 'expired')
             BEGIN UPDATE attempts SET outcome = NULL WHERE delivery = NEW.seq AND number = NEW.attempts; END"
        }
        Bug::OrderIgnored => {
            "CREATE TRIGGER planted AFTER INSERT ON deliveries WHEN NEW.order_key IS NOT NULL
             BEGIN UPDATE deliveries SET order_key = NULL, due_at = since WHERE seq = NEW.seq; END"
        }
        Bug::NoRecovery => {
            "CREATE TRIGGER planted BEFORE UPDATE OF state ON deliveries
             WHEN OLD.state = 'in_flight' AND NEW.state = 'pending' AND NEW.failures = OLD.failures
             BEGIN SELECT RAISE(IGNORE); END"
        }
        Bug::RetentionDoesNotCount => {
            "CREATE TRIGGER planted BEFORE INSERT ON counters WHEN NEW.name LIKE 'retired %'
             BEGIN SELECT RAISE(IGNORE); END"
        }
        Bug::RetentionCountsWrongly => {
            "CREATE TRIGGER planted BEFORE INSERT ON counters WHEN NEW.name = 'retired expired'
             BEGIN
                 INSERT INTO counters VALUES (NEW.space, 'retired delivered', NEW.value)
                     ON CONFLICT DO UPDATE SET value = value + excluded.value;
                 SELECT RAISE(IGNORE);
             END"
        }
        Bug::RetentionDeletesUnfinished => {
            "CREATE TRIGGER planted AFTER DELETE ON events
             BEGIN
                 INSERT INTO counters SELECT space, 'retired delivered', 1 FROM deliveries
                     WHERE state = 'pending' AND event = (SELECT max(seq) FROM events)
                     ON CONFLICT DO UPDATE SET value = value + 1;
                 DELETE FROM attempts WHERE delivery IN (SELECT seq FROM deliveries
                     WHERE state = 'pending' AND event = (SELECT max(seq) FROM events));
                 DELETE FROM deliveries WHERE state = 'pending' AND event = (SELECT max(seq) FROM events);
             END"
        }
        _ => "",
    }
}

/// Runs the engine. Between its turns, undoes what the planted bug would omit.
pub(super) async fn run(
    mut engine: Engine<Functions>,
    delivering: Arc<Delivering<Functions>>,
    world: Arc<World>,
) {
    let mut opened = BTreeSet::new();
    let tampers = matches!(
        world.bug,
        Bug::DueTimeLost
            | Bug::FailedClaimLost
            | Bug::GivenUpNotRecorded
            | Bug::BreakerNeverCloses
            | Bug::DeadLetterNotAtomic
    );
    if !tampers {
        return engine.run().await;
    }
    while !delivering.stop.is_cancelled() {
        engine.turn().await;
        let now = world.machine.now();
        match world.bug {
            Bug::DueTimeLost => forget_due(&mut engine, |due| due > now),
            // Only a failed claim is postponed by exactly this time.
            Bug::FailedClaimLost => {
                forget_due(&mut engine, |due| due == now.saturating_add(Duration::from_secs(1)));
            }
            Bug::GivenUpNotRecorded => drop(take_given_up(&mut engine)),
            Bug::BreakerNeverCloses => reopen(&mut engine, &mut opened, now),
            Bug::DeadLetterNotAtomic => {
                for called in take_given_up(&mut engine) {
                    tokio::spawn(bury_in_two_steps(Arc::clone(&delivering), called));
                }
            }
            _ => {}
        }
    }
}

fn forget_due(engine: &mut Engine<Functions>, forgotten: impl Fn(Timestamp) -> bool) {
    for state in engine.lanes.0.values_mut() {
        for due in [&mut state.due.first, &mut state.due.retry] {
            *due = due.filter(|due| !forgotten(*due));
        }
    }
}

fn take_given_up(engine: &mut Engine<Functions>) -> Vec<Called> {
    engine.ended.extract_if(.., |called| called.finish.next.gives_up()).collect()
}

/// Keeps circuit breakers open after they have opened once.
fn reopen(engine: &mut Engine<Functions>, opened: &mut BTreeSet<Lane>, now: Timestamp) {
    for lane in opened.iter() {
        engine.lanes.0.entry(lane.clone()).or_default();
    }
    for (lane, LaneState { breaker, .. }) in &mut engine.lanes.0 {
        if breaker.is_open() {
            opened.insert(lane.clone());
        }
        if opened.contains(lane) && !breaker.is_open() {
            // No delivery has such a number, and the last answer is long ago.
            let later = now.saturating_add(Duration::from_secs(1));
            for delivery in i64::MIN..i64::MIN + 10 {
                breaker.ended(Sign::Failed { delivery, previous: None }, false, later);
            }
            breaker.probe(now);
        }
    }
}

/// Moves a delivery to the dead letters in two transactions: removes it, then inserts it.
async fn bury_in_two_steps(delivering: Arc<Delivering<Functions>>, called: Called) {
    let delivery = called.finish.delivery;
    let notices = delivering.reception.notices();
    let out = move |connection: &Connection| {
        finish_attempt(connection, &called.finish, &notices, &mut Losses::default())?;
        let row = rows(connection, &format!("SELECT * FROM deliveries WHERE seq = {delivery}"))?;
        let attempts = rows(connection, &format!("SELECT * FROM attempts WHERE delivery = {delivery}"))?;
        connection.execute("DELETE FROM attempts WHERE delivery = ?1", [delivery])?;
        connection.execute("DELETE FROM deliveries WHERE seq = ?1", [delivery])?;
        Ok((row, attempts))
    };
    let Ok((row, attempts)) = delivering.store.write(out).await else { return };
    let into = move |connection: &Connection| {
        put(connection, "deliveries", &row)?;
        put(connection, "attempts", &attempts)
    };
    // A crash between the two, or a failure of the second, loses the delivery.
    let _ = delivering.store.write(into).await;
}

fn rows(connection: &Connection, query: &str) -> rusqlite::Result<Vec<Vec<Value>>> {
    let mut statement = connection.prepare(query)?;
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect())?;
    rows.collect()
}

fn put(connection: &Connection, table: &str, rows: &[Vec<Value>]) -> rusqlite::Result<()> {
    for row in rows {
        let places = vec!["?"; row.len()].join(", ");
        connection.execute(&format!("INSERT INTO {table} VALUES ({places})"), params_from_iter(row))?;
    }
    Ok(())
}
