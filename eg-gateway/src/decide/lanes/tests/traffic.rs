//! Drives the lanes with traffic in which some events always fail, against a store and a function that are a few lines
//! each, in a time that only the test moves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use fastrand::Rng;
use proptest::prelude::*;

use super::{at, lane};
use crate::decide::breaker::{Side, Sign};
use crate::decide::lanes::{Begun, Due, Flight, Lanes, Wanted};
use crate::timestamp::Timestamp;
use eg_grammar::{DeliveryPolicy, Redelivery};

/// What arrives, and the function that gets it.
#[derive(Debug, Clone)]
struct Traffic {
    seed: u64,
    /// Of so many events, one always fails.
    one_poison_in: usize,
    /// The poison comes before the good events instead of among them.
    poison_first: bool,
    /// Good events with the same key are delivered one after the other; 0: none are.
    keys: usize,
    /// How long a call with a good event takes, in milliseconds.
    good_call: i64,
    /// How long a call with one that fails takes.
    poison_call: i64,
    /// How many calls the function takes at once.
    concurrency: usize,
    policy: DeliveryPolicy,
}

/// How long events arrive, in milliseconds.
const TIME: i64 = 30_000;

/// Milliseconds from one event to the next.
const EVERY: i64 = 5;

#[derive(Debug)]
struct Delivery {
    poison: bool,
    key: usize,
    accepted: i64,
    attempts: u32,
    /// When its last attempt began.
    began: i64,
    /// When it was delivered.
    delivered: Option<i64>,
}

/// A call under way.
struct Call {
    delivery: usize,
    flight: Flight,
    /// When the previous attempt began.
    previous: Option<Timestamp>,
}

struct Run<'a> {
    traffic: &'a Traffic,
    rng: Rng,
    lanes: Lanes,
    deliveries: Vec<Delivery>,
    /// The deliveries with a due time: those that have not failed yet, and those that have.
    waiting: [BTreeSet<(i64, usize)>; 2],
    /// The unfinished deliveries with a key, in order. Only the first may begin.
    keys: BTreeMap<usize, VecDeque<usize>>,
    /// The calls by when they end.
    calls: BTreeMap<(i64, usize), Call>,
}

/// Runs the traffic until everything has ended.
fn run(traffic: &Traffic) -> Vec<Delivery> {
    let mut run = Run {
        traffic,
        rng: Rng::with_seed(traffic.seed),
        lanes: Lanes::default(),
        deliveries: Vec::new(),
        waiting: [BTreeSet::new(), BTreeSet::new()],
        keys: BTreeMap::new(),
        calls: BTreeMap::new(),
    };
    let number = usize::try_from(TIME / EVERY).unwrap();
    let mut now = 0;
    loop {
        let arrives = |run: &Run<'_>| i64::try_from(run.deliveries.len()).unwrap() * EVERY;
        if run.deliveries.len() < number && arrives(&run) <= now {
            run.arrive(now);
        }
        while let Some(call) = run.calls.first_entry().filter(|call| call.key().0 <= now) {
            let call = call.remove();
            run.end(&call, now);
        }
        let free = 2 * traffic.concurrency - run.calls.len();
        for wanted in run.lanes.wanted(at(now), free, |_| traffic.concurrency) {
            run.begin(&wanted, now);
        }
        let next = [
            (run.deliveries.len() < number).then(|| arrives(&run)),
            run.calls.keys().next().map(|(at, _)| *at),
            run.lanes.next_due(at(now)).map(Timestamp::as_millis),
        ];
        match next.into_iter().flatten().min() {
            Some(next) => now = next.max(now),
            None => return run.deliveries,
        }
    }
}

impl Run<'_> {
    fn arrive(&mut self, now: i64) {
        let (n, Traffic { one_poison_in, poison_first, keys, .. }) = (self.deliveries.len(), self.traffic);
        let poison = match poison_first {
            true => n < usize::try_from(TIME / EVERY).unwrap() / one_poison_in,
            false => self.rng.usize(..*one_poison_in) == 0,
        };
        let key = self.rng.usize(..(*keys).max(1));
        self.deliveries.push(Delivery {
            poison,
            key,
            accepted: now,
            attempts: 0,
            began: now,
            delivered: None,
        });
        if *keys > 0 {
            let line = self.keys.entry(key).or_default();
            line.push_back(n);
            if line.len() > 1 {
                return;
            }
        }
        self.wait(n, now, false);
    }

    fn wait(&mut self, n: usize, due: i64, failed: bool) {
        self.waiting[usize::from(failed)].insert((due, n));
        let due = Some(at(due));
        let due = if failed { Due { first: None, retry: due } } else { Due { first: due, retry: None } };
        self.lanes.due(lane("f"), due);
    }

    /// Begins attempts as the store does.
    fn begin(&mut self, wanted: &Wanted, now: i64) {
        let Wanted { limit, reserved, retries, side, .. } = wanted;
        let due = |set: &BTreeSet<(i64, usize)>| set.range(..(now + 1, 0)).copied().collect::<Vec<_>>();
        let [mut firsts, failed] = [due(&self.waiting[0]), due(&self.waiting[1])];
        if *side == Side::Newest {
            firsts.reverse();
        }
        firsts.truncate(limit - (*reserved).min(failed.len()));
        let retries = (limit - firsts.len()).min(*retries).min(failed.len());
        let begin: Vec<_> = firsts.into_iter().chain(failed.into_iter().take(retries)).collect();
        for place in &begin {
            for waiting in &mut self.waiting {
                waiting.remove(place);
            }
        }
        let [first, retry] = [0, 1].map(|n| self.waiting[n].first().map(|(due, _)| at(*due)));
        let begun = Begun { deliveries: begin.len(), retries, due: Due { first, retry } };
        let probe = self.lanes.began(&wanted.lane, begun);
        for (_, delivery) in begin {
            let one = &mut self.deliveries[delivery];
            let previous = (one.attempts > 0).then_some(at(one.began));
            one.began = now;
            let took = if one.poison { self.traffic.poison_call } else { self.traffic.good_call };
            let flight = Flight { retry: previous.is_some(), probe };
            self.calls.insert((now + took, delivery), Call { delivery, flight, previous });
        }
    }

    fn end(&mut self, call: &Call, now: i64) {
        let one = &mut self.deliveries[call.delivery];
        one.attempts += 1;
        let delivery = i64::try_from(call.delivery).unwrap();
        let sign = match one.poison {
            true => Sign::Failed { delivery, previous: call.previous },
            false => Sign::Answered,
        };
        self.lanes.ended(&lane("f"), call.flight, sign, at(now));
        if one.poison {
            let age = at(now).since(at(one.accepted));
            let chance = self.rng.f64();
            if let Redelivery::After(pause) =
                self.traffic.policy.after_failure(one.attempts, age, None, chance)
            {
                return self.wait(call.delivery, now + i64::try_from(pause.as_millis()).unwrap(), true);
            }
        } else {
            one.delivered = Some(now);
        }
        let next = self.keys.get_mut(&one.key).and_then(|line| {
            line.pop_front();
            line.front().copied()
        });
        if let Some(next) = next {
            self.wait(next, now, false);
        }
    }
}

/// Checks that the good events keep 95 % of the rate at which they arrive, and that the others get their attempts.
fn check(traffic: &Traffic) {
    let deliveries = run(traffic);
    let good = deliveries.iter().filter(|one| !one.poison);
    let in_time = good.clone().filter(|one| one.delivered.is_some_and(|at| at < TIME)).count();
    let all = good.count();
    assert!(in_time * 100 >= all * 95, "{in_time} of {all} good events in time: {traffic:?}");
    for poison in deliveries.iter().filter(|one| one.poison) {
        assert_eq!(poison.attempts, traffic.policy.attempts, "{traffic:?}");
    }
}

fn policy(attempts: u32, min: u64, max: u64) -> DeliveryPolicy {
    let [min_backoff, max_backoff] = [min, max].map(Duration::from_millis);
    DeliveryPolicy { attempts, min_backoff, max_backoff, ..DeliveryPolicy::default() }
}

const TENTH: Traffic = Traffic {
    seed: 0,
    one_poison_in: 10,
    poison_first: false,
    keys: 0,
    good_call: 10,
    poison_call: 10,
    concurrency: 8,
    policy: DeliveryPolicy {
        attempts: 16,
        min_backoff: Duration::from_secs(1),
        max_backoff: Duration::from_secs(30),
        max_age: Duration::from_secs(1_000_000),
    },
};

#[test]
fn a_tenth_of_poison_does_not_slow_down_good_events() {
    check(&TENTH);
}

/// Good events take 80 % of the function's time, and the attempts with the others would take 160 %.
#[test]
fn a_busy_function_prefers_events_that_have_not_failed() {
    check(&Traffic { concurrency: 2, good_call: 8, poison_call: 8, ..TENTH });
}

#[test]
fn poison_that_hangs_leaves_places() {
    check(&Traffic { concurrency: 40, poison_call: 1000, one_poison_in: 20, ..TENTH });
}

#[test]
fn poison_that_came_first_holds_up_nothing() {
    check(&Traffic { poison_first: true, ..TENTH });
}

#[test]
fn a_hundredth_of_poison_does_not_slow_down_the_order_of_keys() {
    check(&Traffic { one_poison_in: 100, keys: 200, policy: policy(4, 50, 500), ..TENTH });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn poison_never_starves_a_function(
        seed: u64, one_poison_in in 10usize..50, poison_first: bool, poison_call in 1i64..40,
        attempts in 1u32..20, max in 1u64..20_000, concurrency in 4usize..50,
    ) {
        let policy = policy(attempts, max / 20, max);
        let traffic = Traffic { seed, one_poison_in, poison_first, poison_call, concurrency, policy, ..TENTH };
        check(&traffic);
    }
}
