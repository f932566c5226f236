//! Checks that events which always fail do not pause a function that works: the others keep their rate, and each event
//! that fails ends after exactly its attempts. The circuit breaker decides that; disk and functions have no faults here.

use std::time::Duration;

use tokio::time::Instant;

use super::oracle::Finding;
use super::process::{Payload, Process, on_paused_clock};
use super::world::World;

/// The number of events in a history, and the pause between two of them.
const EVENTS: u32 = 120;
const PAUSE: Duration = Duration::from_millis(20);

/// The time after which the last events have arrived if nothing delays them.
const PROMPTLY: Duration = Duration::from_millis(500);

/// Which events fail, and which subscription is observed.
struct Mix {
    name: &'static str,
    fails: fn(u32) -> bool,
    subscription: &'static str,
}

const MIXES: [Mix; 3] = [
    Mix { name: "every tenth event fails", fails: |n| n % 10 == 0, subscription: "plain" },
    Mix { name: "the first tenth of the events fails", fails: |n| n < EVENTS / 10, subscription: "plain" },
    Mix { name: "one in a hundred fails, with order", fails: |n| n % 100 == 50, subscription: "ordered" },
];

fn history(seed: u64, mix: &Mix) -> Finding {
    let world = World::without_faults(seed);
    let finding = on_paused_clock(&world, async {
        let mut process = Process::start(&world).await.map_err(|error| error.to_string())?;
        let mut poison = Vec::new();
        for n in 0..EVENTS {
            let key = world.machine.choose(|rng| format!("k{}", rng.u32(..50)));
            let fails = (mix.fails)(n);
            let offer = process.emit_event(n.to_string(), Payload { number: 0, key, padding: 0, fails });
            poison.extend(offer.filter(|_| fails));
            tokio::time::sleep(PAUSE).await;
        }
        tokio::time::sleep(PROMPTLY).await;
        let good = usize::try_from(EVENTS).unwrap() - poison.len();
        let delivered = world.oracle.lock().unwrap().delivered(mix.subscription);
        if delivered * 100 < good * 95 {
            return Err(format!("{delivered} of {good} good events have reached {}", mix.subscription));
        }
        // When only events are left that fail, the circuit breaker pauses the function.
        process.settled = Instant::now() + Duration::from_secs(3600);
        process.rest().await;
        let finding = world.oracle.lock().unwrap().used_up(&poison, mix.subscription);
        world.check(finding);
        process.end().await;
        Ok(())
    });
    finding.and(world.violation().map_or(Ok(()), Err))
}

#[test]
fn events_that_always_fail_do_not_hold_up_others() {
    for mix in &MIXES {
        assert_eq!(history(0, mix), Ok(()), "{}", mix.name);
    }
}
