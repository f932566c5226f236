//! Simulates the machine of a history: one source of randomness and a wall clock that is set now and then. Pauses use
//! tokio's paused clock, so a history of minutes takes milliseconds.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

use crate::clock::{Clock, Source};
use crate::timestamp::Timestamp;

pub(super) struct Machine {
    rng: Mutex<Rng>,
    wall: Mutex<Wall>,
}

struct Wall {
    /// The time of the wall clock when the process started, corrected by all jumps since.
    base: Timestamp,
    started: Option<Instant>,
    /// The latest time that the wall clock ever showed.
    latest: Timestamp,
}

impl Machine {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        let wall =
            Wall { base: Timestamp::from_millis(1_000_000), started: None, latest: Timestamp::EARLIEST };
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
    pub(super) fn now(&self) -> Timestamp {
        let mut wall = self.wall.lock().unwrap();
        let now = wall.now();
        wall.latest = wall.latest.max(now);
        now
    }

    /// Returns the latest time that the wall clock ever showed.
    pub(super) fn latest(&self) -> Timestamp {
        self.now();
        self.wall.lock().unwrap().latest
    }

    /// Sets the wall clock.
    pub(super) fn jump(&self, by: time::Duration) {
        self.now();
        let mut wall = self.wall.lock().unwrap();
        wall.base = (wall.base.date_time() + by).into();
    }
}

impl Wall {
    fn now(&self) -> Timestamp {
        self.base.saturating_add(self.started.map_or(Duration::ZERO, |started| started.elapsed()))
    }
}

struct Reading(Arc<Machine>);

impl Source for Reading {
    fn now(&self) -> OffsetDateTime {
        self.0.now().date_time()
    }

    fn random(&self) -> f64 {
        self.0.choose(Rng::f64)
    }

    fn event_id(&self) -> Uuid {
        let bytes = self.0.choose(|rng| rng.u128(..).to_be_bytes());
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}
