//! Simulates the machine of a history: one source of randomness and a wall clock that is set now and then. Pauses use
//! tokio's paused clock, so a history of minutes takes milliseconds.

use std::sync::{Arc, Mutex};

use fastrand::Rng;
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

use crate::clock::{Clock, Millis, Source};

pub(super) struct Machine {
    rng: Mutex<Rng>,
    wall: Mutex<Wall>,
}

struct Wall {
    /// The time of the wall clock when the process started, corrected by all jumps since.
    base: Millis,
    started: Option<Instant>,
    /// Returns the latest time that the wall clock ever showed.
    latest: Millis,
}

impl Machine {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        let wall = Wall { base: 1_000_000, started: None, latest: 0 };
        Arc::new(Self { rng: Mutex::new(Rng::with_seed(seed)), wall: Mutex::new(wall) })
    }

    pub(super) fn clock(self: &Arc<Self>) -> Clock {
        Clock::new(Reading(Arc::clone(self)))
    }

    /// Makes a random choice.
    pub(super) fn choose<T>(&self, choice: impl FnOnce(&mut Rng) -> T) -> T {
        choice(&mut self.rng.lock().unwrap())
    }

    /// Starts a process, with its own steady clock.
    pub(super) fn process_starts(&self) {
        self.wall.lock().unwrap().started = Some(Instant::now());
    }

    /// Ends the process; the wall clock continues from here.
    pub(super) fn process_ended(&self) {
        let mut wall = self.wall.lock().unwrap();
        wall.base = wall.now();
        wall.started = None;
    }

    /// Returns the time of the wall clock.
    pub(super) fn now(&self) -> Millis {
        let mut wall = self.wall.lock().unwrap();
        let now = wall.now();
        wall.latest = wall.latest.max(now);
        now
    }

    /// Returns the latest time that the wall clock ever showed.
    pub(super) fn latest(&self) -> Millis {
        self.now();
        self.wall.lock().unwrap().latest
    }

    /// Sets the wall clock.
    pub(super) fn jump(&self, by: Millis) {
        self.now();
        self.wall.lock().unwrap().base += by;
    }
}

impl Wall {
    fn now(&self) -> Millis {
        let since = self.started.map_or(0, |started| started.elapsed().as_millis());
        self.base + i64::try_from(since).unwrap()
    }
}

struct Reading(Arc<Machine>);

impl Source for Reading {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0.now()) * 1_000_000).unwrap()
    }

    fn random(&self) -> f64 {
        self.0.choose(Rng::f64)
    }

    fn event_id(&self) -> Uuid {
        let bytes = self.0.choose(|rng| rng.u128(..).to_be_bytes());
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}
