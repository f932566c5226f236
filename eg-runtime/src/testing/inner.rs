//! What the apps of a test share: the services, and the state of the clock. Finds functions across services.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use eg_grammar::{Method as Verb, Routes, Spelling};
use eg_sdk::{EventGateway, Recorder};
use http::Method;

use super::delivery::DeadLetter;
use super::pending::Pending;
use super::seed::Faults;
use super::timers::Timer;
use crate::dispatch::Service;
use crate::registry::{FunctionDef, Mode};
use crate::{App, ConnectionRecorder, Connections};

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) gateway: EventGateway,
    pub(super) recorder: Recorder,
    pub(super) connections: ConnectionRecorder,
    pub(super) members: Mutex<Vec<Arc<Member>>>,
    pub(super) state: Mutex<State>,
}

/// A service of the test.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) service: Service,
    /// The `source` of the events that it emits.
    pub(super) source: String,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) start: SystemTime,
    pub(super) now: SystemTime,
    /// The number of recorded events that were accepted.
    pub(super) settled: usize,
    pub(super) pending: Pending,
    pub(super) timers: Vec<Timer>,
    pub(super) dead_letters: Vec<DeadLetter>,
    pub(super) faults: Option<Faults>,
    /// The number of messages, records and ticks so far.
    pub(super) serial: u64,
}

impl Inner {
    /// Returns an app that emits, and sends to connections, into the memory of the test.
    pub(super) fn given(&self, app: App) -> App {
        app.gateway(self.gateway.clone()).connections(Connections::recorded_by(&self.connections))
    }

    pub(super) fn members(&self) -> MutexGuard<'_, Vec<Arc<Member>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn member(&self, at: usize) -> Arc<Member> {
        self.members()[at].clone()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how far the clock has been advanced.
    pub(super) fn ahead(&self) -> Duration {
        let state = self.state();
        state.now.duration_since(state.start).unwrap_or_default()
    }

    /// Returns all functions, each with the position of its service.
    pub(super) fn definitions(&self) -> Vec<(usize, &'static FunctionDef)> {
        let members = self.members();
        let of = |(at, member): (usize, &Arc<Member>)| {
            member.service.definitions().map(move |function| (at, function)).collect::<Vec<_>>()
        };
        members.iter().enumerate().flat_map(of).collect()
    }

    /// Returns the function that answers a request, as a gateway in front of all services finds it.
    pub(super) fn routed(&self, method: &Method, path: &str) -> Option<(usize, &'static FunctionDef)> {
        let method = Verb::named(method.as_str())?;
        [Mode::Sync, Mode::Async].into_iter().find_map(|mode| {
            let mut routes = Routes::new(Spelling::Code);
            for (service, function) in self.definitions() {
                for to in function.subscriptions().filter(|to| to.mode == mode) {
                    if let (Some(verb), Some(route)) = (Verb::named(to.method), to.route) {
                        // Of routes for the same requests, the first remains.
                        let _ = routes.insert(verb, route.path, (service, function));
                    }
                }
            }
            let with = |verb| routes.find(verb, path).map(|route| route.value);
            with(method).or_else(|| method.answered_as().and_then(with))
        })
    }
}
