//! `TestApp`: creates the apps of a test, and shows what they have done. Leaves running them to `run`.

use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, SystemTime};

use eg_sdk::__private::EventTrait as Event;
use eg_sdk::{CloudEvent, DataError, EventGateway, FromData, Recorder};

use super::delivery::DeadLetter;
use super::inner::{Inner, Member, State};
use super::pending::{Item, Pending};
use super::seed::Faults;
use super::timers::timers;
use crate::dispatch::Service;
use crate::registry::{FunctionDef, Trigger};
use crate::{App, ConnectionRecorder, Error};

/// Where the clock of a test stands at first: 2026-01-01T00:00:00Z.
const START: Duration = Duration::from_secs(1_767_225_600);

/// Apps that run inside a test.
#[derive(Debug)]
pub struct TestApp(pub(super) Arc<Inner>);

impl TestApp {
    /// Creates the app with all functions of this binary. It emits into memory.
    ///
    /// # Errors
    /// If the app could not start.
    pub fn new(app: App) -> Result<Self, Error> {
        Self::empty().with(|test| Ok(test.given(app).service("*")?))
    }

    /// Creates the app of one of several services that are linked into this binary: the functions of `package`. Add the
    /// others with [`and`](Self::and).
    ///
    /// # Errors
    /// If the app could not start, or the package has no functions here.
    pub fn of(package: &str, app: App) -> Result<Self, Error> {
        Self::empty().and(package, app)
    }

    /// Adds the app of another service: the functions of `package`.
    ///
    /// # Errors
    /// As for [`of`](Self::of).
    pub fn and(self, package: &str, app: App) -> Result<Self, Error> {
        self.with(|test| Ok(test.given(app).service_of(package)?))
    }

    fn empty() -> Self {
        crate::start::done();
        crate::panics::remember_places();
        let (gateway, recorder) = EventGateway::recording();
        let start = SystemTime::UNIX_EPOCH + START;
        let state = State {
            start,
            now: start,
            settled: 0,
            pending: Pending::default(),
            timers: Vec::new(),
            dead_letters: Vec::new(),
            faults: None,
            serial: 0,
        };
        let inner = Arc::new(Inner {
            gateway,
            recorder,
            connections: ConnectionRecorder::default(),
            members: Mutex::default(),
            state: Mutex::new(state),
        });
        let weak: Weak<Inner> = Arc::downgrade(&inner);
        inner.recorder.answer_with(move |path, event| {
            let inner = weak.upgrade();
            async move { inner?.answer(path, event).await }
        });
        Self(inner)
    }

    /// Adds a service that emits into the memory of this app.
    fn with(
        self,
        service: impl FnOnce(&Inner) -> Result<(&'static str, Service), Error>,
    ) -> Result<Self, Error> {
        let (name, service) = service(&self.0)?;
        let mut members = self.0.members();
        let added = timers(members.len(), service.definitions(), self.now());
        members.push(Arc::new(Member { service, source: format!("/services/{name}") }));
        drop(members);
        self.state().timers.extend(added);
        Ok(self)
    }

    /// Has faults happen that this seed determines; see [Faults](crate::testing#faults). A test that panics prints the seed.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.0.recorder.pause_around_events();
        self.state().faults = Some(Faults::new(seed));
        self
    }

    /// Sets the clock. Rates of schedules begin at this time.
    #[must_use]
    pub fn starting_at(self, time: SystemTime) -> Self {
        let mut state = self.state();
        (state.start, state.now) = (time, time);
        for timer in &mut state.timers {
            timer.next = timer.schedule.next(time);
        }
        drop(state);
        self
    }

    /// Returns the time of the clock.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.state().now
    }

    /// Returns the events that were given up, in the order in which that happened.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.state().dead_letters.clone()
    }

    /// Returns the next recorded event that was not accepted.
    pub(super) fn next_unsettled(&self) -> Option<CloudEvent> {
        let mut state = self.state();
        let event = self.0.recorder.nth(state.settled)?;
        state.settled += 1;
        Some(event)
    }

    /// Returns all events that the functions have emitted, in order.
    #[must_use]
    pub fn events(&self) -> Vec<CloudEvent> {
        self.0.recorder.events()
    }

    /// Returns the events of `E`'s type that the functions have emitted.
    ///
    /// # Errors
    /// If the payload of such an event does not match.
    pub fn emitted<E: Event + FromData>(&self) -> Result<Vec<CloudEvent<E>>, DataError> {
        self.0.recorder.events_of()
    }

    /// Returns the recorder that receives emitted events. It can refuse events, and answer synchronous ones instead of the
    /// functions that subscribe to them.
    #[must_use]
    pub fn gateway(&self) -> &Recorder {
        &self.0.recorder
    }

    /// Returns the functions that an event is for.
    pub(super) fn subscribers(&self, event: &CloudEvent) -> Vec<(usize, &'static FunctionDef)> {
        let members = self.0.members().clone();
        let of = |(at, member): (usize, &Arc<Member>)| {
            member
                .service
                .definitions_for(event)
                .into_iter()
                .map(move |function| (at, function))
                .collect::<Vec<_>>()
        };
        members.iter().enumerate().flat_map(of).collect()
    }

    /// Returns the triggers of all functions.
    pub(super) fn triggers(&self) -> impl Iterator<Item = (usize, &'static str, &'static Trigger)> + use<> {
        let functions = self.0.definitions().into_iter();
        functions.flat_map(|(service, function)| {
            let triggers: &'static [Trigger] = function.triggers;
            triggers.iter().map(move |trigger| (service, function.name, trigger))
        })
    }

    pub(super) fn push(&self, item: Item) {
        self.state().pending.push(item);
    }

    /// Returns the number of another message, record or tick, and the time.
    pub(super) fn stamp(&self) -> (u64, SystemTime) {
        let mut state = self.state();
        state.serial += 1;
        (state.serial, state.now)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }
}
