//! Runs the gateway's own engine, attempts, reception, retention, configuration and store through thousands of random
//! histories. A seed determines each: a wall clock that jumps, functions and a disk that fail, crashes at any commit.
//! `oracle` checks the promises of the gateway.
//!
//! Many more seeds than in the usual test run:
//! `EG_SIMULATION_SEEDS=10000 cargo test -p eg-gateway --lib simulation -- --nocapture`.
//! One seed again, with its trace: `EG_SIMULATION_SEED=17 cargo test -p eg-gateway --lib simulation -- --nocapture`.

mod disk;
mod functions;
mod machine;
mod oracle;
mod planted;
mod process;
mod record;
mod world;

use std::sync::atomic::{AtomicUsize, Ordering};

use process::End;
use world::World;

/// Bugs that a gateway could have. The simulation must find each of them, or it proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    None,
    /// The emitter gets its 202 before the event is on disk.
    AckBeforeFsync,
    /// A failed commit is reported to the callers as a success.
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
    /// Deliveries in flight at a crash stay in flight.
    NoRecovery,
    /// Age limits are ignored.
    AgeIgnored,
    /// The engine forgets when the next delivery of a function is due.
    DueTimeLost,
    /// The engine does not repeat a claim that could not be written.
    FailedClaimLost,
    BreakerNeverCloses,
    RetentionDoesNotCount,
    RetentionCountsWrongly,
    RetentionDeletesUnfinished,
}

/// The bugs and the findings that they cause. For a failed commit that is reported as a success, the finding depends
/// on the commit.
const PLANTED: [(Bug, &str); 17] = [
    (Bug::AckBeforeFsync, "acknowledged, and lost"),
    (Bug::AckOfFailedCommit, ""),
    (Bug::AttemptNotPersisted, "has no attempt on record"),
    (Bug::OutcomeNotRecorded, "has no outcome on record"),
    (Bug::GivenUpNotRecorded, "never come to an end"),
    (Bug::DeadLetterNotAtomic, "forgotten too early"),
    (Bug::DedupeInMemory, "accepted twice"),
    (Bug::RetryAfterIgnored, "asked for a pause"),
    (Bug::OrderIgnored, "overtook"),
    (Bug::NoRecovery, "in flight after a start"),
    (Bug::AgeIgnored, "attempted at an age of"),
    (Bug::DueTimeLost, "overdue"),
    (Bug::FailedClaimLost, "overdue"),
    (Bug::BreakerNeverCloses, "overdue"),
    (Bug::RetentionDoesNotCount, "the books have"),
    (Bug::RetentionCountsWrongly, "the books have"),
    (Bug::RetentionDeletesUnfinished, "forgotten too early"),
];

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

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok().map(|value| value.parse().expect("a number"))
}

/// Runs `work` with each number below `end`, in parallel: histories share nothing.
fn side_by_side(end: usize, work: impl Fn(usize) + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
    let next = AtomicUsize::new(0);
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
        None => (0, number("EG_SIMULATION_SEEDS").unwrap_or(60)),
    };
    side_by_side(count, |n| {
        let seed = first + n;
        let Run { trace, violation } = run(u64::try_from(seed).unwrap(), Bug::None);
        if count == 1 || violation.is_some() {
            println!("{}", trace.join("\n"));
        }
        assert_eq!(violation, None, "seed {seed}");
    });
}

#[test]
fn a_seed_determines_its_history() {
    for seed in 0..5 {
        let (first, second) = (run(seed, Bug::None), run(seed, Bug::None));
        assert!(first.trace.len() > 50, "seed {seed} has no history");
        assert_eq!(first.trace, second.trace, "seed {seed}");
    }
    assert_ne!(run(0, Bug::None).trace, run(1, Bug::None).trace);
}

#[test]
fn planted_bugs_are_found() {
    side_by_side(PLANTED.len(), |n| {
        let (bug, finding) = PLANTED[n];
        let found = (0..60).find_map(|seed| Some((seed, run(seed, bug).violation?)));
        let (seed, found) = found.unwrap_or_else(|| panic!("{bug:?} was not found"));
        assert!(found.contains(finding), "{bug:?} was found by another sign, with seed {seed}: {found}");
    });
}
