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
use super::world::{KEPT, WINDOW, World};
use crate::decide::breaker::Sign;
use crate::decide::lanes::{Lane, LaneState};
use crate::decide::lived::Stop;
use crate::deliver::Delivering;
use crate::deliver::attempt::Called;
use crate::deliver::engine::Engine;
use crate::retention::Retention;
use crate::store::Losses;
use crate::store::sqlite::deliveries::finish_attempts;
use crate::timestamp::Timestamp;
use eg_grammar::DeliveryPolicy;

/// A second minus the longest time that a claim takes.
const CLAIM: Duration = Duration::from_millis(995);

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

/// Returns the limits of the store as changed by the planted bug, if at all.
pub(super) fn retention(limit: Option<u64>, stops: Vec<Stop>, bug: Bug) -> Retention {
    let bytes = match bug {
        Bug::SizeIgnored => u64::MAX,
        Bug::FullForGood => 0,
        _ => limit.unwrap_or(u64::MAX),
    };
    Retention {
        age: match bug {
            Bug::RetentionHurries => WINDOW,
            // What expires too early is found, before something is deleted too early.
            Bug::JumpsCount => Duration::MAX,
            _ => KEPT,
        },
        bytes,
        dedupe_window: if bug == Bug::FullForgetsDuplicates { Duration::ZERO } else { WINDOW },
        stops: if bug == Bug::StopsCount { Vec::new() } else { stops },
    }
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
        Bug::ParkedPassesTurn => {
            "CREATE TRIGGER planted AFTER UPDATE OF state ON deliveries
             WHEN OLD.due_at IS NULL AND NEW.order_key IS NOT NULL AND NEW.state = 'expired' BEGIN
                 UPDATE deliveries SET due_at = NEW.ended_at WHERE seq = (
                     SELECT min(seq) FROM deliveries
                     WHERE order_key = NEW.order_key AND state = 'pending' AND due_at IS NULL);
             END"
        }
        Bug::RedriveLost => {
            "CREATE TRIGGER planted BEFORE UPDATE OF state ON deliveries
             WHEN OLD.state IN ('dead', 'expired') AND NEW.state = 'pending' BEGIN SELECT RAISE(IGNORE); END"
        }
        Bug::RedriveKeepsFailures => {
            "CREATE TRIGGER planted AFTER UPDATE OF state ON deliveries
             WHEN NEW.state = 'in_flight' AND NEW.failures = 0 AND NEW.attempts > 4
             BEGIN UPDATE deliveries SET failures = 3 WHERE seq = NEW.seq; END"
        }
        Bug::RedriveForgetsEdit => {
            "CREATE TRIGGER planted AFTER UPDATE OF payload ON deliveries
             BEGIN UPDATE deliveries SET payload = OLD.payload WHERE seq = NEW.seq; END"
        }
        Bug::DiscardedIsRedriven => {
            "CREATE TRIGGER planted AFTER UPDATE OF state ON deliveries
             WHEN OLD.state = 'dead' AND NEW.state = 'pending' BEGIN
                 UPDATE deliveries SET state = 'pending', since = NEW.since, due_at = NEW.since, failures = 0
                 WHERE state = 'dead' AND discarded_at IS NOT NULL AND order_key IS NULL;
             END"
        }
        Bug::DiscardLost => {
            "CREATE TRIGGER planted AFTER UPDATE OF discarded_at ON deliveries
             BEGIN UPDATE deliveries SET discarded_at = OLD.discarded_at WHERE seq = NEW.seq; END"
        }
        Bug::ReplayNotMarked => {
            "CREATE TRIGGER planted AFTER INSERT ON deliveries WHEN NEW.replay IS NOT NULL
             BEGIN UPDATE deliveries SET replay = NULL WHERE seq = NEW.seq; END"
        }
        Bug::ReplayIncomplete => {
            "CREATE TRIGGER planted BEFORE INSERT ON deliveries
             WHEN NEW.replay IS NOT NULL AND NEW.subscription_id = 'ordered' BEGIN SELECT RAISE(IGNORE); END"
        }
        Bug::ReplayTwice => {
            "CREATE TRIGGER planted AFTER INSERT ON deliveries
             WHEN NEW.replay IS NOT NULL AND NEW.subscription_id = 'plain' BEGIN
                 INSERT INTO deliveries (event, space, subscription_id, function_id, state, since, due_at, replay)
                 VALUES (NEW.event, NEW.space, NEW.subscription_id, NEW.function_id, 'pending', NEW.since,
                         NEW.due_at, NEW.replay);
                 UPDATE counters SET value = value + 1 WHERE space = NEW.space AND name = 'accepted';
             END"
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
            // A failed claim is postponed by a second, minus the time that it took.
            Bug::FailedClaimLost => {
                let postponed = now.saturating_add(CLAIM)..=now.saturating_add(Duration::from_secs(1));
                forget_due(&mut engine, |due| postponed.contains(&due));
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
        finish_attempts(connection, std::slice::from_ref(&called.finish), &notices, &mut Losses::default())?;
        let row = rows(connection, &format!("SELECT * FROM deliveries WHERE seq = {delivery}"))?;
        let attempts = rows(connection, &format!("SELECT * FROM attempts WHERE delivery = {delivery}"))?;
        connection.execute("DELETE FROM attempts WHERE delivery = ?1", [delivery])?;
        connection.execute("DELETE FROM deliveries WHERE seq = ?1", [delivery])?;
        Ok((row, attempts))
    };
    let Ok((row, attempts)) = delivering.store.sqlite().write(out).await else { return };
    let into = move |connection: &Connection| {
        put(connection, "deliveries", &row)?;
        put(connection, "attempts", &attempts)
    };
    // A crash between the two, or a failure of the second, loses the delivery.
    let _ = delivering.store.sqlite().write(into).await;
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
