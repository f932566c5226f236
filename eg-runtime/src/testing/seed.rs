//! The faults of a test with a seed: another order, deliveries that come twice, and processes that end in the middle of a
//! function. The same seed gives the same faults.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// One of so many deliveries comes twice.
const DUPLICATED: u64 = 6;

/// One of so many deliveries ends in the middle of the function.
const CRASHED: u64 = 5;

/// A function is dropped after at most so many turns. An emitted event is two turns.
const TURNS: u64 = 5;

/// Decides which faults happen. Prints the seed if the test fails.
#[derive(Debug)]
pub(super) struct Faults {
    seed: u64,
    state: u64,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// Returns a number below `n`, or 0. SplitMix64, so that a seed means the same with every version of every library.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).checked_rem(n).unwrap_or(0)
    }

    /// Returns a number from 0 to 1.
    pub(super) fn chance(&mut self) -> f64 {
        f64::from(u32::try_from(self.below(1 << 32)).unwrap_or(0)) / f64::from(u32::MAX)
    }

    /// Returns whether the delivery comes once more although it has succeeded.
    pub(super) fn duplicates(&mut self) -> bool {
        self.below(DUPLICATED) == 0
    }

    /// Returns after how many turns the function ends without an answer; `None` if it may run to its end.
    pub(super) fn crash(&mut self) -> Option<u64> {
        (self.below(CRASHED) == 0).then(|| 1 + self.below(TURNS))
    }
}

/// Runs a function, but drops it after so many turns. Returns `None` if it has not ended by then.
pub(super) async fn interrupted<T>(function: impl Future<Output = T>, turns: Option<u64>) -> Option<T> {
    let mut function = pin!(function);
    let mut left = turns;
    poll_fn(|context| {
        if left == Some(0) {
            return Poll::Ready(None);
        }
        let polled = function.as_mut().poll(context).map(Some);
        left = left.map(|left| left - 1);
        if polled.is_pending() && left == Some(0) {
            return Poll::Ready(None);
        }
        polled
    })
    .await
}

impl Drop for Faults {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the test failed with the seed {0}: repeat it with `TestApp::seed({0})`", self.seed);
        }
    }
}
