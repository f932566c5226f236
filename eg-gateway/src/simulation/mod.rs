//! Runs the gateway's own engine, attempts, reception, jobs, retention, configuration and store through thousands of random
//! histories. A seed determines each: events and requests of operators, a wall clock that jumps, functions and a disk
//! that fail, a store that fills up, crashes at any commit. `oracle` checks the promises of the gateway.
//!
//! The usual test takes some ten seconds on two cores: it runs a few histories, and for each planted bug one that finds
//! it. The full size, with which the planted bugs are searched for as well:
//! `EG_SIMULATION_SEEDS=10000 cargo test -p eg-gateway --lib simulation -- --nocapture`.
//! One seed again, with its trace: `EG_SIMULATION_SEED=17 cargo test -p eg-gateway --lib simulation -- --nocapture`.

mod disk;
mod functions;
mod machine;
mod operator;
mod oracle;
mod planted;
mod poison;
mod process;
mod record;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use process::End;
use world::World;

/// Bugs that a gateway could have. The simulation must find each of them, or it proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    None,
    /// The emitter gets its 202 before the event is on disk.
    AckBeforeFsync,
    /// A failed commit is reported to the emitters as a success.
    AckOfFailedCommit,
    /// The function is called, but the attempt is not on disk.
    AttemptNotPersisted,
    /// The last attempt of a given-up delivery gets no outcome.
    OutcomeNotRecorded,
    /// A given-up delivery is not recorded as such.
    GivenUpNotRecorded,
    /// The delivery and its dead letter are written in two transactions.
    DeadLetterNotAtomic,
    /// A crash erases the record of accepted events.
    DedupeInMemory,
    RetryAfterIgnored,
    /// A later event may overtake a retry.
    OrderIgnored,
    /// A delivery that expires while another one has its turn makes the next one due.
    ParkedPassesTurn,
    /// Deliveries in flight at a crash stay in flight.
    NoRecovery,
    /// Age limits are ignored.
    AgeIgnored,
    /// The engine forgets when the next delivery of a function is due.
    DueTimeLost,
    /// The engine does not repeat a claim that could not be written.
    FailedClaimLost,
    BreakerNeverCloses,
    /// The redrive of a dead letter is acknowledged, but not written.
    RedriveLost,
    /// A redriven delivery is attempted only once more.
    RedriveKeepsFailures,
    /// A redriven delivery keeps its event, although another one was requested.
    RedriveForgetsEdit,
    /// A redrive includes dead letters that were discarded.
    DiscardedIsRedriven,
    /// The discard of a dead letter is acknowledged, but not written.
    DiscardLost,
    /// The deliveries of a replay do not name it.
    ReplayNotMarked,
    /// A replay leaves out a subscription, but counts it.
    ReplayIncomplete,
    /// A replay delivers an event twice to a subscription.
    ReplayTwice,
    /// The time of the gateway jumps with the wall clock.
    JumpsCount,
    /// Time in which no gateway ran counts for the retention.
    StopsCount,
    RetentionDoesNotCount,
    RetentionCountsWrongly,
    RetentionDeletesUnfinished,
    /// Finished events are deleted before their time, although the store has room.
    RetentionHurries,
    /// The maximum size of the store is ignored.
    SizeIgnored,
    /// A store that has been full never accepts events again.
    FullForGood,
    /// A full store deletes events that are needed to recognise duplicates.
    FullForgetsDuplicates,
}

/// The bugs, the findings that they cause, and a seed that finds each. When the histories change, it may be another one.
const PLANTED: [(Bug, &str, u64); 32] = [
    (Bug::AckBeforeFsync, "was acknowledged, but it is not on disk", 0),
    (Bug::AckOfFailedCommit, "was acknowledged, but it is not on disk", 5),
    (Bug::AttemptNotPersisted, "has no attempt on record", 0),
    (Bug::OutcomeNotRecorded, "has no outcome on record", 0),
    (Bug::GivenUpNotRecorded, "never come to an end", 1),
    (Bug::DeadLetterNotAtomic, "forgotten too early", 0),
    (Bug::DedupeInMemory, "accepted twice", 1),
    (Bug::RetryAfterIgnored, "asked for a pause", 0),
    (Bug::OrderIgnored, "overtook", 0),
    (Bug::ParkedPassesTurn, "not exactly one has its turn", 40),
    (Bug::NoRecovery, "in flight after a start", 0),
    (Bug::AgeIgnored, "attempted at an age of", 1),
    (Bug::DueTimeLost, "overdue", 1),
    (Bug::FailedClaimLost, "overdue", 10),
    (Bug::BreakerNeverCloses, "overdue", 11),
    (Bug::RedriveLost, "redriven deliveries, and there were 0", 0),
    (Bug::RedriveKeepsFailures, "was given up after 1 failed attempts, of 4", 2),
    (Bug::RedriveForgetsEdit, "was redriven with another event than the requested one", 0),
    (Bug::DiscardedIsRedriven, "was redriven although it had been discarded", 1),
    (Bug::DiscardLost, "discarded deliveries, and there were 0", 0),
    (Bug::ReplayNotMarked, "replayed deliveries, and there were 0", 1),
    (Bug::ReplayIncomplete, "replayed deliveries, and there were", 0),
    (Bug::ReplayTwice, "replayed deliveries, and there were", 1),
    (Bug::JumpsCount, "and may wait for", 1),
    (Bug::StopsCount, "forgotten too early", 4),
    (Bug::RetentionDoesNotCount, "the books have", 0),
    (Bug::RetentionCountsWrongly, "the books have", 0),
    (Bug::RetentionDeletesUnfinished, "forgotten too early", 5),
    (Bug::RetentionHurries, "forgotten too early", 1),
    (Bug::SizeIgnored, "bytes accepted an event, above its limit", 0),
    (Bug::FullForGood, "was refused, although the store has room", 0),
    (Bug::FullForgetsDuplicates, "forgotten too early", 0),
];

/// The number of histories in the usual test.
const SEEDS: u64 = 8;

/// The result of one history.
struct Run {
    trace: Vec<String>,
    violation: Option<String>,
}

fn run(seed: u64, bug: Bug) -> Run {
    let world = World::new(seed, bug);
    while process::run(&world) == End::Crashed {}
    Run { trace: world.trace(), violation: world.violation() }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().expect("a number"))
}

/// Returns the number of histories.
fn seeds() -> u64 {
    number("EG_SIMULATION_SEEDS").unwrap_or(SEEDS)
}

/// Runs `work` with each number below `end`, in parallel: histories share nothing.
fn side_by_side(end: u64, work: impl Fn(u64) + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
    let next = AtomicU64::new(0);
    let all = || {
        loop {
            match next.fetch_add(1, Ordering::Relaxed) {
                n if n < end => work(n),
                _ => return,
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(all);
        }
    });
}

#[test]
fn every_history_keeps_the_promises() {
    let (first, count) = match number("EG_SIMULATION_SEED") {
        Some(seed) => (seed, 1),
        None => (0, seeds()),
    };
    side_by_side(count, |n| {
        let seed = first + n;
        let Run { trace, violation } = run(seed, Bug::None);
        if count == 1 || violation.is_some() {
            println!("{}", trace.join("\n"));
        }
        assert_eq!(violation, None, "seed {seed}");
    });
}

#[test]
fn a_seed_determines_its_history() {
    let traces = [0, 1].map(|seed| {
        let (first, second) = (run(seed, Bug::None), run(seed, Bug::None));
        assert!(first.trace.len() > 50, "seed {seed} has no history");
        assert_eq!(first.trace, second.trace, "seed {seed}");
        first.trace
    });
    assert_ne!(traces[0], traces[1]);
}

#[test]
fn planted_bugs_are_found() {
    let missed = Mutex::new(Vec::new());
    side_by_side(u64::try_from(PLANTED.len()).unwrap(), |n| {
        let (bug, finding, known) = PLANTED[usize::try_from(n).unwrap()];
        let history = |seed| Some((seed, run(seed, bug).violation?));
        let found = std::iter::once(known).chain(0..seeds()).find_map(history);
        match found {
            Some((seed, found)) if found.contains(finding) => {
                if seed != known {
                    println!("{bug:?} is found by seed {seed} now, and not by {known}");
                }
            }
            found => missed.lock().unwrap().push(format!("{bug:?}: {found:?}")),
        }
    });
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "not found, or by another sign:\n{}", missed.join("\n"));
}
