//! Holds what outlives the processes of a history: machine, disk, functions, oracle, and the progress of the history.
//! `process` runs the steps.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eg_sdk::config::{Function, Provider, Retry, RetryLimits, Subscription};
use fastrand::Rng;
use serde_json::json;
use tokio::sync::Notify;

use super::disk::Disk;
use super::machine::Machine;
use super::oracle::{Age, Oracle, room};
use super::{Bug, planted};
use crate::decide::catalog::{Change, Resource};
use crate::decide::delivery::Failure;
use crate::decide::router::DEFAULT_SPACE;
use crate::store::sqlite::config;
use eg_grammar::DeliveryPolicy;

/// The dedupe window.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// How long finished events are kept.
pub(super) const KEPT: Duration = Duration::from_secs(80);

/// The type of the events that are emitted.
pub(super) const EVENT: &str = "e";

/// The subscriptions to that type.
pub(super) const SUBSCRIBERS: [&str; 4] = ["plain", "picky", "ordered", "hasty"];

/// The subscription to the events about given-up deliveries.
pub(super) const NOTICES: &str = "notices";

/// Number of steps in a history, before its final phase.
const STEPS: u32 = 80;

pub(super) struct World {
    pub(super) bug: Bug,
    pub(super) machine: Arc<Machine>,
    pub(super) disk: Mutex<Disk>,
    pub(super) oracle: Mutex<Oracle>,
    /// The maximum size of the store in bytes, if it has one.
    pub(super) limit: Option<u64>,
    /// Functions that are down.
    down: Mutex<BTreeSet<String>>,
    /// The function whose calls take long.
    hanging: Mutex<Option<String>>,
    healthy: AtomicBool,
    steps: Mutex<u32>,
    trace: Mutex<Vec<String>>,
    violation: Mutex<Option<String>>,
    /// Notified when the process has crashed or there is a finding.
    pub(super) over: Notify,
}

pub(super) fn default_policy() -> DeliveryPolicy {
    DeliveryPolicy {
        attempts: 4,
        min_backoff: Duration::from_millis(200),
        max_backoff: Duration::from_secs(5),
        max_age: Duration::from_secs(90),
    }
}

pub(super) fn subscriptions() -> Vec<Subscription> {
    // Each subscription has its own function, of the same name.
    let of = |id: &str, ty: &str| {
        let mut subscription = Subscription::asynchronous(ty, id);
        DEFAULT_SPACE.clone_into(&mut subscription.space);
        id.clone_into(&mut subscription.subscription_id);
        subscription
    };
    let mut picky = of("picky", EVENT);
    picky.filter = Some(json!({ "data": [{ "numeric": ["<", 5] }] }));
    let mut ordered = of("ordered", EVENT);
    ordered.ordered = true;
    let mut limits = RetryLimits::new();
    limits.max_age_ms = Some(20_000);
    ordered.retry = Some(Retry::Limits(limits));
    let mut hasty = of("hasty", EVENT);
    (limits.attempts, limits.max_age_ms) = (Some(50), Some(3_000));
    hasty.retry = Some(Retry::Limits(limits));
    vec![of("plain", EVENT), picky, ordered, hasty, of(NOTICES, "eventgateway.delivery.deadLettered")]
}

impl World {
    pub(super) fn new(seed: u64, bug: Bug) -> Arc<Self> {
        let world = Self::with_limit(seed, bug, |rng| rng.bool().then(|| rng.u64(40_000..80_000)));
        world.disk.lock().unwrap().set_faulty(true);
        world
    }

    /// Creates a world in which functions and disk work.
    pub(super) fn without_faults(seed: u64) -> Arc<Self> {
        let world = Self::with_limit(seed, Bug::None, |_| None);
        world.heal();
        world
    }

    /// Creates a world whose store has room for so many bytes.
    fn with_limit(seed: u64, bug: Bug, room: impl FnOnce(&mut Rng) -> Option<u64>) -> Arc<Self> {
        let machine = Machine::new(seed, bug == Bug::JumpsCount);
        let disk = Disk::new(&machine);
        let mut connection = disk.open(machine.now()).connection;
        let transaction = connection.transaction().unwrap();
        for subscription in subscriptions() {
            let provider = Provider::Http { url: "http://localhost/".to_owned() };
            let mut function = Function::new(&subscription.subscription_id, provider);
            DEFAULT_SPACE.clone_into(&mut function.space);
            let function = Resource::Function(Arc::new(function));
            let subscription = Resource::Subscription(Arc::new(planted::subscription(subscription, bug)));
            for resource in [function, subscription] {
                config::apply(&transaction, &Change::Put(resource), machine.now()).unwrap();
            }
        }
        transaction.execute_batch(planted::triggers(bug)).unwrap();
        transaction.commit().unwrap();
        let empty = room::size(&connection);
        let limit = machine.choose(room).map(|room| empty + room);
        drop(connection);
        Arc::new(Self {
            bug,
            machine,
            disk: Mutex::new(disk),
            oracle: Mutex::new(Oracle::new(limit)),
            limit,
            down: Mutex::default(),
            hanging: Mutex::default(),
            healthy: AtomicBool::new(false),
            steps: Mutex::new(STEPS),
            trace: Mutex::default(),
            violation: Mutex::default(),
            over: Notify::new(),
        })
    }

    pub(super) fn note(&self, what: impl Display) {
        self.trace.lock().unwrap().push(format!("{} {what}", self.machine.now()));
    }

    pub(super) fn age(&self) -> Age {
        Age { lived: self.machine.lived(), latest: self.machine.latest() }
    }

    pub(super) fn trace(&self) -> Vec<String> {
        self.trace.lock().unwrap().clone()
    }

    /// Takes a step, and returns whether one was left.
    pub(super) fn next_step(&self) -> bool {
        let mut steps = self.steps.lock().unwrap();
        let left = *steps > 0;
        *steps = steps.saturating_sub(1);
        left
    }

    /// Ends the history if there is a finding.
    pub(super) fn check(&self, finding: Result<(), String>) {
        if let Err(finding) = finding {
            self.violation.lock().unwrap().get_or_insert(finding);
            self.over.notify_one();
        }
    }

    pub(super) fn violation(&self) -> Option<String> {
        self.violation.lock().unwrap().clone()
    }

    /// Returns whether functions and disk work without faults.
    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Makes functions and disk work without faults from now on.
    pub(super) fn heal(&self) {
        self.note("functions and disk work from now on");
        self.down.lock().unwrap().clear();
        *self.hanging.lock().unwrap() = None;
        self.disk.lock().unwrap().set_faulty(false);
        self.healthy.store(true, Ordering::Relaxed);
    }

    /// Stops a function, or starts it again.
    pub(super) fn toggle(&self, function: &str) {
        let mut down = self.down.lock().unwrap();
        if !down.remove(function) {
            down.insert(function.to_owned());
        }
        let down = down.contains(function);
        self.note(format_args!("{function} is {}", if down { "down" } else { "back" }));
    }

    /// Stops a function.
    pub(super) fn set_down(&self, function: &str) {
        self.down.lock().unwrap().insert(function.to_owned());
        self.note(format_args!("{function} is down"));
    }

    /// Makes the calls of a function take long.
    pub(super) fn hang(&self, function: &str) {
        *self.hanging.lock().unwrap() = Some(function.to_owned());
        self.note(format_args!("{function} hangs"));
    }

    pub(super) fn hangs(&self, function: &str) -> bool {
        self.hanging.lock().unwrap().as_deref() == Some(function)
    }

    pub(super) fn is_down(&self, function: &str) -> bool {
        self.down.lock().unwrap().contains(function)
    }

    /// Records a call of a function. Returns `None` if that is a finding.
    pub(super) fn called(&self, function: &str, event: &[u8]) -> Option<usize> {
        let called = self.oracle.lock().unwrap().called(function, event);
        match called {
            Ok((number, call)) => {
                self.note(format_args!("call {number}: {call}"));
                Some(number)
            }
            Err(finding) => {
                self.check(Err(finding));
                None
            }
        }
    }

    /// Records the answer of a function.
    pub(super) fn answered(&self, call: usize, outcome: &Result<(), Failure>) {
        self.note(format_args!("call {call}: {outcome:?}"));
        self.oracle.lock().unwrap().answered(call, self.machine.now(), outcome);
    }
}
