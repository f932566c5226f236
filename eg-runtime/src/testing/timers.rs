//! The functions with a schedule, and when each of them runs next. `run` has the clock.

use std::time::SystemTime;

use eg_grammar::Schedule;

use crate::registry::{FunctionDef, Trigger};

/// A function with a schedule, and when it runs next.
#[derive(Debug)]
pub(super) struct Timer {
    pub(super) service: usize,
    pub(super) function: &'static str,
    pub(super) schedule: Schedule,
    /// `None` if it never runs again.
    pub(super) next: Option<SystemTime>,
}

/// Returns the timers of a service, whose rates begin now.
pub(super) fn timers(
    service: usize,
    functions: impl Iterator<Item = &'static FunctionDef>,
    now: SystemTime,
) -> Vec<Timer> {
    let scheduled = functions.flat_map(|function| {
        function.triggers.iter().filter_map(move |trigger| match trigger {
            Trigger::Schedule(expression) => Some((function.name, *expression)),
            _ => None,
        })
    });
    let timer = |(function, expression): (&'static str, &str)| {
        let schedule: Schedule = expression.parse().ok()?;
        let next = schedule.next(now);
        Some(Timer { service, function, schedule, next })
    };
    scheduled.filter_map(timer).collect()
}
