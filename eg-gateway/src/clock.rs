//! The only module that asks the machine for time and randomness. Functions take both as values; long-running parts that
//! the simulation drives take a [`Clock`]. `decide::steady` decides what a wall clock that is set means for the gateway.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::decide::steady::{Reading, Steady};
use crate::timestamp::Timestamp;

/// The time and the randomness that the engine and the parts around it use. Clones share them.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Source>);

/// The source of the time and the randomness of a [`Clock`].
pub(crate) trait Source: Send + Sync {
    /// Returns the time, which may jump in either direction in the simulation.
    fn now(&self) -> OffsetDateTime;
    /// Returns a random number from 0 (inclusive) to 1 (exclusive).
    fn random(&self) -> f64;
    /// Returns a random id for an event that the gateway itself creates.
    fn event_id(&self) -> Uuid;
}

impl Clock {
    /// Returns the clock and the randomness of this machine.
    pub(crate) fn system() -> Self {
        Self::new(Machine)
    }

    pub(crate) fn new(source: impl Source + 'static) -> Self {
        Self(Arc::new(source))
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.0.now()
    }

    /// Returns the time in whole milliseconds.
    pub(crate) fn timestamp(&self) -> Timestamp {
        self.0.now().into()
    }

    /// Returns a random number from 0 (inclusive) to 1 (exclusive).
    pub(crate) fn random(&self) -> f64 {
        self.0.random()
    }

    /// Returns a random id for an event that the gateway itself creates.
    pub(crate) fn event_id(&self) -> Uuid {
        self.0.event_id()
    }
}

struct Machine;

impl Source for Machine {
    fn now(&self) -> OffsetDateTime {
        now()
    }

    fn random(&self) -> f64 {
        random()
    }

    fn event_id(&self) -> Uuid {
        event_id()
    }
}

/// The time of the gateways in this process.
static STEADY: LazyLock<Mutex<Steady>> = LazyLock::new(|| Mutex::new(Steady::new(wall(), steady())));

fn time() -> MutexGuard<'static, Steady> {
    STEADY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the time. It never runs backwards, and follows a wall clock that is set slowly.
pub(crate) fn now() -> OffsetDateTime {
    let Reading { now, jump } = time().read(wall(), steady());
    if let Some(ahead) = jump {
        let ahead_s = ahead.whole_seconds();
        tracing::warn!(
            ahead_s,
            "the clock of this machine was set; the gateway follows it slowly, by 6 minutes per hour. If the clock is \
             wrong, set it right. If it is right and ahead, a restart of the gateway with --trust-clock takes \
             its time over at once"
        );
    }
    now
}

/// The name of the file beside a store in which a gateway leaves its time for the next one.
pub(crate) const LEFT: &str = "event-gateway.clock";

/// Continues from the time that the last gateway with the store in `dir` has left, if the machine was not restarted since. So
/// a clock that is set between two runs is followed slowly, too. All gateways of a process share the time of the first one.
pub(crate) fn resume(dir: &Path) {
    let left = fs::read_to_string(dir.join(LEFT)).unwrap_or_default();
    let mut words = left.split_ascii_whitespace();
    if words.next().is_none_or(|left| boot().as_deref() != Some(left)) {
        return;
    }
    let [at, now] = [words.next(), words.next()].map(|word| word.and_then(|word| word.parse::<u64>().ok()));
    if let Some((at, now)) = at.zip(now.and_then(|now| i64::try_from(now).ok())) {
        time().resume(Timestamp::from_millis(now).date_time(), Duration::from_millis(at));
    }
}

/// Leaves the time for the next gateway with the store in `dir`.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn leave(dir: &Path) -> io::Result<()> {
    let Some(boot) = boot() else { return Ok(()) };
    let (at, now) = (steady().as_millis(), timestamp().as_millis());
    let (path, new) = (dir.join(LEFT), dir.join(format!("{LEFT}.new")));
    // A link that was put there is replaced.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    writeln!(file, "{boot} {at} {now}")?;
    drop(file);
    fs::rename(new, path)
}

/// Returns the id that the machine has got when it was started, where the system has one.
fn boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// Continues from the time that an earlier process has reached, if the wall clock was set back since.
pub(crate) fn not_before(reached: Timestamp) {
    time().not_before(reached.date_time());
}

/// Returns how far the wall clock is ahead of [`now`], in seconds.
pub(crate) fn ahead() -> f64 {
    now();
    time().ahead().as_seconds_f64()
}

/// Returns how far the wall clock is ahead of [`now`], if it was set and the gateway's time has not met it yet.
pub(crate) fn jump() -> Option<time::Duration> {
    now();
    time().jump()
}

/// Returns the time of the wall clock, for what others measure with theirs.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn wall() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// The clock that is never set, and goes on while the machine is asleep.
#[cfg(target_os = "linux")]
const STEADY_CLOCK: ClockId = ClockId::Boottime;

/// The clock that is never set. On Apple's systems it goes on while the machine is asleep, other than the one of
/// [`Instant`].
#[cfg(not(target_os = "linux"))]
const STEADY_CLOCK: ClockId = ClockId::Monotonic;

/// Returns the time since some moment.
fn steady() -> Duration {
    Duration::try_from(clock_gettime(STEADY_CLOCK)).unwrap_or_default()
}

/// Returns the time in whole milliseconds.
pub(crate) fn timestamp() -> Timestamp {
    now().into()
}

/// Returns the time of the steady clock, for durations.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

/// Returns a random number from 0 to 1.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn random() -> f64 {
    fastrand::f64()
}

/// Returns a random id for an event that the gateway itself creates.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn event_id() -> Uuid {
    Uuid::new_v4()
}
