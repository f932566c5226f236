//! Simulates the machine of a history: one source of randomness, a steady clock, and a wall clock that is set now and
//! then. Pauses use tokio's paused clock, so a history of minutes takes milliseconds.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

use crate::clock::{Clock, Source};
use crate::decide::steady::Steady;
use crate::timestamp::Timestamp;

pub(super) struct Machine {
    rng: Mutex<Rng>,
    clocks: Mutex<Clocks>,
}

struct Clocks {
    /// How long the earlier processes have run. None runs between two of them.
    lived: Duration,
    /// When the running process started, by tokio's clock.
    started: Option<Instant>,
    /// How far the wall clock is ahead of the steady clock.
    ahead: time::Duration,
    /// The time of the running gateway.
    gateway: Steady,
    /// Replaces it if gateways jump forward with the wall clock: how far they are ahead of the steady clock.
    jumped: Option<time::Duration>,
    /// The latest time that any gateway has reached.
    latest: Timestamp,
}

impl Machine {
    /// Creates a machine, whose gateways jump forward with the wall clock if `follows` says so.
    pub(super) fn new(seed: u64, follows: bool) -> Arc<Self> {
        let ahead = time::Duration::seconds(1_000);
        let gateway = Steady::new(OffsetDateTime::UNIX_EPOCH + ahead, Duration::ZERO);
        let (lived, latest) = (Duration::ZERO, Timestamp::EARLIEST);
        let jumped = follows.then_some(ahead);
        let clocks = Clocks { lived, started: None, ahead, gateway, jumped, latest };
        Arc::new(Self { rng: Mutex::new(Rng::with_seed(seed)), clocks: Mutex::new(clocks) })
    }

    pub(super) fn clock(self: &Arc<Self>) -> Clock {
        Clock::new(Reading(Arc::clone(self)))
    }

    /// Makes a random choice.
    pub(super) fn choose<T>(&self, choice: impl FnOnce(&mut Rng) -> T) -> T {
        choice(&mut self.rng.lock().unwrap())
    }

    /// Starts a process, whose time begins with that of the wall clock.
    pub(super) fn process_starts(&self) {
        let mut clocks = self.clocks.lock().unwrap();
        clocks.started = Some(Instant::now());
        clocks.gateway = Steady::new(clocks.wall(), clocks.steady());
    }

    /// Continues from a time that an earlier process has reached.
    pub(super) fn not_before(&self, reached: Timestamp) {
        self.clocks.lock().unwrap().gateway.not_before(reached.date_time());
    }

    /// Ends the process.
    pub(super) fn process_ended(&self) {
        let mut clocks = self.clocks.lock().unwrap();
        clocks.lived = clocks.steady();
        clocks.started = None;
    }

    /// Returns the time of the gateway.
    pub(super) fn now(&self) -> Timestamp {
        self.clocks.lock().unwrap().now()
    }

    /// Returns the latest time that any gateway has reached.
    pub(super) fn latest(&self) -> Timestamp {
        let mut clocks = self.clocks.lock().unwrap();
        clocks.now();
        clocks.latest
    }

    /// Returns how long gateways have run.
    pub(super) fn lived(&self) -> Duration {
        self.clocks.lock().unwrap().steady()
    }

    /// Sets the wall clock.
    pub(super) fn jump(&self, by: time::Duration) {
        let mut clocks = self.clocks.lock().unwrap();
        clocks.now();
        clocks.ahead += by;
        clocks.jumped = clocks.jumped.map(|jumped| jumped.max(clocks.ahead));
    }
}

impl Clocks {
    fn steady(&self) -> Duration {
        self.lived + self.started.map_or(Duration::ZERO, |started| started.elapsed())
    }

    fn wall(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + self.steady() + self.ahead
    }

    fn now(&mut self) -> Timestamp {
        let (wall, steady) = (self.wall(), self.steady());
        let mut now = self.gateway.read(wall, steady).now.into();
        if let Some(jumped) = self.jumped {
            now = (OffsetDateTime::UNIX_EPOCH + steady + jumped).into();
        }
        self.latest = self.latest.max(now);
        now
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
