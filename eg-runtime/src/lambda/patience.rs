//! Decides how long workers keep trying when the Runtime API fails. Calls nothing and knows no clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::api::ApiError;

/// How often a worker tries again after a failure. With the pauses between the attempts, that takes about three seconds.
const ATTEMPTS: u32 = 6;

/// The pause after the first failure. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause. A worker that fails for longer goes on trying if other workers reach the Runtime API.
const LONGEST_PAUSE: Duration = Duration::from_millis(1_600);

/// The workers of a process.
#[derive(Debug, Clone)]
pub(super) struct Crew {
    workers: usize,
    /// How many of them do not reach the Runtime API at the moment.
    failing: Arc<AtomicUsize>,
}

/// The failures of one worker in a row.
#[derive(Debug)]
pub(super) struct Patience {
    crew: Crew,
    failures: u32,
}

impl Crew {
    pub(super) fn of(workers: usize) -> Self {
        Self { workers, failing: Arc::default() }
    }

    pub(super) fn is_alone(&self) -> bool {
        self.workers == 1
    }

    /// Returns the state of a worker that has not failed.
    pub(super) fn patience(&self) -> Patience {
        Patience { crew: self.clone(), failures: 0 }
    }
}

impl Patience {
    /// Returns how long to wait after a failure to get work. `None` ends the process: a refusal is final, and if all
    /// workers have failed for a while, the Runtime API is gone.
    pub(super) fn pause_after(&mut self, error: &ApiError) -> Option<Duration> {
        if !error.is_temporary() {
            return None;
        }
        if self.failures == 0 {
            self.crew.failing.fetch_add(1, Ordering::Relaxed);
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures > ATTEMPTS && self.crew.failing.load(Ordering::Relaxed) >= self.crew.workers {
            return None;
        }
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures - 1));
        Some(pause.min(LONGEST_PAUSE))
    }

    /// Notes that the Runtime API has answered.
    pub(super) fn restored(&mut self) {
        if self.failures > 0 {
            self.crew.failing.fetch_sub(1, Ordering::Relaxed);
        }
        self.failures = 0;
    }
}

/// A worker that has ended fails no longer.
impl Drop for Patience {
    fn drop(&mut self) {
        self.restored();
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    const ERROR: ApiError = ApiError::Status(StatusCode::BAD_GATEWAY);

    #[test]
    fn a_single_worker_gives_up_after_three_seconds() {
        let mut worker = Crew::of(1).patience();
        let pauses = |worker: &mut Patience| {
            std::iter::from_fn(|| worker.pause_after(&ERROR))
                .map(|pause| pause.as_millis())
                .collect::<Vec<_>>()
        };
        assert_eq!(pauses(&mut worker), [50, 100, 200, 400, 800, 1_600]);
        worker.restored();
        assert_eq!(pauses(&mut worker).len(), 6, "an answer begins a new count");
    }

    #[test]
    fn a_worker_goes_on_while_another_one_works() {
        let crew = Crew::of(2);
        let (mut first, mut second) = (crew.patience(), crew.patience());
        for _ in 0..100 {
            assert!(first.pause_after(&ERROR).is_some());
        }
        assert_eq!(second.pause_after(&ERROR), Some(FIRST_PAUSE), "it has attempts of its own");
        assert_eq!(first.pause_after(&ERROR), None, "nobody reaches the Runtime API");
        second.restored();
        assert_eq!(first.pause_after(&ERROR), Some(LONGEST_PAUSE));
        drop(first);
        let mut replacement = crew.patience();
        assert_eq!(replacement.pause_after(&ERROR), Some(FIRST_PAUSE));
    }

    #[test]
    fn refusals_are_final() {
        let mut worker = Crew::of(1).patience();
        for (error, tries_again) in [
            (ApiError::Status(StatusCode::FORBIDDEN), false),
            (ApiError::Address("nowhere".to_owned()), false),
            (ApiError::Status(StatusCode::INTERNAL_SERVER_ERROR), true),
            (ApiError::Status(StatusCode::TOO_MANY_REQUESTS), true),
            (ApiError::Header("lambda-runtime-aws-request-id"), true),
            (ApiError::Broken("reset".into()), true),
        ] {
            assert_eq!(worker.pause_after(&error).is_some(), tries_again, "{error}");
            worker.restored();
        }
    }
}
