//! Runs the real decisions and the real store through thousands of random histories, each determined by its seed: a
//! virtual clock that also jumps, functions that fail, a disk that fails, crashes at any commit. `oracle` knows nothing
//! of the store but what it promises.
//!
//! Many more seeds than in the usual test run:
//! `EG_SIMULATION_SEEDS=10000 cargo test -p eg-gateway --lib simulation -- --nocapture`.
//! One seed again, with its trace: `EG_SIMULATION_SEED=17 cargo test -p eg-gateway --lib simulation -- --nocapture`.

mod disk;
mod oracle;
mod planted;
mod target;
mod world;

use world::World;

/// Mistakes that a gateway could make. Each of them has to be found, or the simulation proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    None,
    /// The emitter hears 202 before the event is on disk.
    AckBeforeFsync,
    /// The function is called before the attempt is on disk.
    AttemptNotPersisted,
    /// The delivery and its dead letter are written in two transactions.
    DeadLetterNotAtomic,
    /// Which events were seen is forgotten in a crash.
    DedupeInMemory,
    RetryAfterIgnored,
    /// A retry may be overtaken.
    OrderIgnored,
    /// Whatever was in flight at a crash stays so.
    NoRecovery,
    /// Limits of age do not count.
    AgeIgnored,
}

/// How one history went.
struct Run {
    trace: Vec<String>,
    violation: Option<String>,
}

fn run(seed: u64, bug: Bug) -> Run {
    let mut world = World::new(seed, bug);
    let violation = world.run().err();
    Run { trace: world.into_trace(), violation }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().expect("a number"))
}

#[test]
fn every_history_keeps_the_promises() {
    let seeds = match number("EG_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("EG_SIMULATION_SEEDS").unwrap_or(200),
    };
    let single = seeds.end - seeds.start == 1;
    // Each history has its own directory, so they run side by side.
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
    let next = std::sync::atomic::AtomicU64::new(seeds.start);
    let work = || {
        loop {
            let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let Run { trace, violation } = run(seed, Bug::None);
            if single || violation.is_some() {
                println!("{}", trace.join("\n"));
            }
            assert_eq!(violation, None, "seed {seed}");
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
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
    for (bug, finding) in [
        (Bug::AckBeforeFsync, "acknowledged, and lost"),
        (Bug::AttemptNotPersisted, "has no attempt on record"),
        (Bug::DeadLetterNotAtomic, "has no attempt on record"),
        (Bug::DedupeInMemory, "accepted twice"),
        (Bug::RetryAfterIgnored, "asked for a pause"),
        (Bug::OrderIgnored, "overtook"),
        (Bug::NoRecovery, "in flight after a start"),
        (Bug::AgeIgnored, "attempted at an age of"),
    ] {
        let found = (0..300).find_map(|seed| run(seed, bug).violation);
        let found = found.unwrap_or_else(|| panic!("{bug:?} was not found"));
        assert!(found.contains(finding), "{bug:?} was found by another sign: {found}");
    }
}
