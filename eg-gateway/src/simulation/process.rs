//! Runs one process of a history: the gateway's own parts, assembled as at its start, on a paused clock and one
//! thread. A task replaces the writer thread.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::disk::Fault;
use super::functions::Functions;
use super::oracle::{Offer, Oracle};
use super::world::{EVENT, WINDOW, World, default_policy};
use super::{Bug, planted};
use crate::budget::Budget;
use crate::configuration::Configuration;
use crate::decide::arrival::{Origin, Terms};
use crate::decide::event::Event;
use crate::decide::intake::Intake;
use crate::decide::place::{Named, Place};
use crate::decide::router::DEFAULT_SPACE;
use crate::decide::routes::Routing;
use crate::deliver::engine::{Capacity, Engine};
use crate::deliver::{Delivering, Invoker};
use crate::feed::Feed;
use crate::jobs::Jobs;
use crate::metrics::Metrics;
use crate::recent::Recent;
use crate::reception::Reception;
use crate::spans::Spans;
use crate::store::sqlite::Idle;
use crate::store::{Store, StoreError};

/// Maximum number of hops.
const MAX_HOPS: u64 = 16;

/// How long deliveries may take to end once everything works.
const REST: Duration = Duration::from_secs(20 * 60);

/// How long a due delivery may wait for functions that work and have nothing else to do.
const PROMPTLY: Duration = Duration::from_secs(3);

/// How long a delivery with a due time may wait after it. The engine sleeps for a minute at most, and the clock of the
/// gateway may be a tenth too fast.
const OVERDUE: Duration = Duration::from_secs(10);

/// How long calls may take that started before everything worked.
const SLOW_CALLS: Duration = Duration::from_secs(25);

/// The largest number of bytes by which events differ in size.
const LARGEST_PADDING: usize = 2_000;

/// How a process ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The process crashed; the next one starts from what is on disk.
    Crashed,
    /// The history is over: all deliveries have ended, or there is a finding.
    Finished,
}

/// Runs a process until it ends.
pub(super) fn run(world: &Arc<World>) -> End {
    on_paused_clock(world, async {
        world.note("start");
        let process = async {
            match Process::start(world).await {
                Ok(process) => process.live().await,
                Err(error) => {
                    world.note(format_args!("the start fails: {error}"));
                    world.disk.lock().unwrap().crash(None);
                    End::Crashed
                }
            }
        };
        let end = tokio::select! {
            biased;
            () = world.over.notified() => End::Crashed,
            end = process => end,
        };
        if world.violation().is_some() { End::Finished } else { end }
    })
}

/// Runs a process on one thread, on a clock that jumps to the next time at which something happens.
pub(super) fn on_paused_clock<T>(world: &World, process: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        world.machine.process_starts();
        let end = process.await;
        world.machine.process_ended();
        end
    })
}

/// What an event carries.
pub(super) struct Payload {
    pub(super) number: u32,
    /// The partition key.
    pub(super) key: String,
    /// The number of bytes that the event has more than the smallest.
    pub(super) padding: usize,
    /// Whether every function fails with it.
    pub(super) fails: bool,
}

/// The parts of the gateway that need no sockets.
pub(super) struct Process {
    pub(super) world: Arc<World>,
    configuration: Arc<Configuration>,
    pub(super) reception: Reception,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    /// When everything is prompt again, after slow calls.
    pub(super) settled: Instant,
}

impl Process {
    pub(super) async fn start(world: &Arc<World>) -> Result<Self, StoreError> {
        let (idle, look) = {
            let disk = world.disk.lock().unwrap();
            (disk.open(world.machine.now()), disk.look())
        };
        let started = world.oracle.lock().unwrap().started(look, world.age());
        world.check(started);
        let store = Store::from(idle.store.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(write(Arc::clone(world), idle));

        let stops = store.stops().await?;
        world.machine.not_before(store.reached().await.unwrap());
        let (clock, stop) = (world.machine.clock(), CancellationToken::new());
        let configuration =
            Configuration::load(store.clone(), clock.clone(), Routing::default()).await.unwrap();
        let configuration = Arc::new(configuration);
        let dedupe_window = if world.bug == Bug::DedupeInMemory { Duration::ZERO } else { WINDOW };
        let reception = Reception {
            store,
            wakeups: Arc::default(),
            feed: Feed::new(stop.clone()),
            metrics: Arc::new(Metrics::new()),
            recent: Arc::new(Recent::new(clock.timestamp(), 0)),
            memory: Budget::new(1 << 20),
            terms: Terms { dedupe_window, max_hops: MAX_HOPS },
            configuration: Arc::clone(&configuration),
            clock,
        };
        let invoker = Invoker::new(Functions(Arc::clone(world)), Spans::default());
        let retry = planted::policy(default_policy(), world.bug);
        let delivering = Delivering::new(invoker, &reception, retry, stop.clone());
        let delivering = Arc::new(delivering);
        let capacity = Capacity { workers: 8, memory: 100_000, max_loop: 10_000 };
        let engine = Engine::new(Arc::clone(&delivering), Arc::clone(&reception.wakeups), capacity).await?;
        tasks.spawn(planted::run(engine, Arc::clone(&delivering), Arc::clone(world)));
        tasks.spawn(Jobs::new(Arc::clone(&delivering), reception.clone()).run());
        tasks.spawn(planted::retention(world.limit, stops, world.bug).run(delivering));
        let settled = Instant::now();
        Ok(Self { world: Arc::clone(world), configuration, reception, stop, tasks, settled })
    }

    /// Takes the remaining steps, and waits until all deliveries have ended.
    async fn live(mut self) -> End {
        let world = Arc::clone(&self.world);
        while world.next_step() {
            match world.machine.choose(|rng| rng.u32(..100)) {
                0..45 => self.emit(),
                45..50 => self.wait(3_000..20_000).await,
                50..52 => {
                    let hours = world.machine.choose(|rng| rng.choice([-1, 1, 25, -25, 8 * 24])).unwrap();
                    world.machine.jump(time::Duration::hours(hours));
                    world.note(format_args!("the clock is set by {hours} hours"));
                }
                52..55 => {
                    let function =
                        world.machine.choose(|rng| rng.choice(["plain", "picky", "ordered", "hasty"]));
                    world.toggle(function.unwrap());
                }
                55..62 => self.operate().await,
                62..64 => {
                    world.note("power fails");
                    world.disk.lock().unwrap().crash(None);
                    return End::Crashed;
                }
                _ => self.wait(1..1_500).await,
            }
        }
        match world.machine.choose(|rng| rng.u32(..4)) {
            0 | 1 => self.outage().await,
            2 => self.jam().await,
            _ => {}
        }
        // The disk may fail a little longer, while no new event wakes the engine.
        self.wait(10_000..30_000).await;
        world.heal();
        self.settled = self.settled.max(Instant::now() + SLOW_CALLS);
        self.rest().await;
        self.clean_up().await;
        self.make_room().await;
        self.burst().await;
        self.rest().await;
        self.end().await;
        End::Finished
    }

    /// Emits events while a function is down, so many that its circuit breaker opens.
    async fn outage(&mut self) {
        self.world.set_down("plain");
        for n in 0..15 {
            self.emit_as(format!("outage {n}"));
        }
        self.wait(2_000..6_000).await;
    }

    /// Emits events with one key while the function hangs with the first, so that a later one expires before its turn.
    async fn jam(&mut self) {
        self.world.hang("ordered");
        for (n, pause) in [(0, 0), (1, 15_000), (2, 20_000)] {
            self.emit_event(
                format!("jam {n}"),
                Payload { number: 0, key: "jam".to_owned(), padding: 0, fails: false },
            );
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Judges the history, and ends the process in an orderly way.
    pub(super) async fn end(mut self) {
        self.world.check(self.world.oracle.lock().unwrap().judge());
        self.stop.cancel();
        self.reception.store.clone().close().await;
        while self.tasks.join_next().await.is_some() {}
    }

    pub(super) async fn wait(&self, millis: std::ops::Range<u64>) {
        let millis = self.world.machine.choose(|rng| rng.u64(millis));
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    /// Emits a new event or repeats an old one.
    fn emit(&mut self) {
        let id = self.world.machine.choose(|rng| rng.u32(..40)).to_string();
        self.emit_as(id);
    }

    fn emit_as(&mut self, id: String) -> Option<usize> {
        let payload = self.world.machine.choose(|rng| Payload {
            number: rng.u32(..10),
            key: format!("k{}", rng.u32(..2)),
            padding: rng.usize(..LARGEST_PADDING),
            fails: false,
        });
        self.emit_event(id, payload)
    }

    /// Emits an event and waits for the answer. Returns the number of the offer.
    pub(super) fn emit_event(&mut self, id: String, payload: Payload) -> Option<usize> {
        let world = Arc::clone(&self.world);
        let Payload { number, key, padding, fails } = payload;
        let mut oracle = world.oracle.lock().unwrap();
        if world.bug == Bug::DedupeInMemory && !oracle.seen.insert(id.clone()) {
            return None;
        }
        let json = json!({
            "specversion": "1.0", "id": id, "source": "/sim", "type": EVENT, "partitionkey": key,
            "offer": oracle.next_offer(), "data": number, "fails": fails,
            "padding": " ".repeat(padding),
        });
        let json = json.to_string();
        let event = Event::read(json.clone().into()).expect("an event of CloudEvents 1.0");
        let place = Place { space: DEFAULT_SPACE.to_owned(), path: "/".to_owned(), named: Named::No };
        let snapshot = self.configuration.current();
        let targets = snapshot.router.route_to(&place, EVENT, "POST").asynchronous;
        let at = world.machine.now();
        let origin =
            Origin { space: place.space, method: "POST".to_owned(), path: place.path, accepted_at: at };
        let new = self.reception.terms.admit(event, origin, &targets, Vec::new());
        let fate = |intake: &Intake| (intake.subscription.subscription_id.clone(), intake.fate.clone());
        let fates = new.intakes.iter().map(fate).collect();
        let offer = oracle.offered(Offer { id: id.clone(), at, key, fates, json, acknowledged: false });
        if world.bug == Bug::AckBeforeFsync {
            world.check(oracle.acknowledged(offer));
        }
        drop(oracle);
        let reception = self.reception.clone();
        self.tasks.spawn(async move {
            let answer = reception.accept(DEFAULT_SPACE, &snapshot, vec![new]).await;
            world.note(format_args!("offer {offer}, event {id}: {answer:?}"));
            let mut oracle = world.oracle.lock().unwrap();
            world.check(match answer {
                Ok(_) => oracle.acknowledged(offer),
                Err(StoreError::Full | StoreError::ShareUsed(_)) => oracle.refused(offer),
                Err(_) => Ok(()),
            });
        });
        Some(offer)
    }

    /// Waits until all deliveries have ended.
    pub(super) async fn rest(&self) {
        let deadline = Instant::now() + REST;
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let unfinished = self.world.oracle.lock().unwrap().unfinished();
            if unfinished == 0 {
                return;
            }
            if Instant::now() > self.settled {
                let limit = self.world.machine.now().saturating_sub(OVERDUE);
                self.world.check(self.world.oracle.lock().unwrap().nothing_is_overdue(limit));
            }
            if Instant::now() > deadline {
                let finding = format!("{unfinished} deliveries never come to an end");
                self.world.check(Err(finding));
                return std::future::pending().await;
            }
        }
    }

    /// Waits until retention has made room in the store, which it can because nothing in there is needed, and until the
    /// jobs that waited for room are done.
    async fn make_room(&mut self) {
        let deadline = Instant::now() + REST;
        let waits =
            |oracle: &Oracle| oracle.is_short_of_room() || oracle.jobs_run() || oracle.unfinished() > 0;
        while waits(&self.world.oracle.lock().unwrap()) {
            if Instant::now() > deadline {
                let finding = "the store stays full of events that nobody needs, or jobs never end";
                self.world.check(Err(finding.to_owned()));
                return std::future::pending().await;
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        let small = Payload { number: 0, key: "k0".to_owned(), padding: 0, fails: false };
        let offer = self.emit_event("small".to_owned(), small);
        tokio::time::sleep(PROMPTLY).await;
        if offer.is_some_and(|offer| !self.world.oracle.lock().unwrap().is_acknowledged(offer)) {
            self.world.check(Err("a small event was refused, although the store has room".to_owned()));
        }
    }

    /// Emits events to working functions, and checks that they arrive promptly.
    async fn burst(&mut self) {
        let offers: Vec<usize> = (0..20).filter_map(|n| self.emit_as(format!("burst {n}"))).collect();
        tokio::time::sleep(PROMPTLY).await;
        self.world.check(self.world.oracle.lock().unwrap().reached(&offers));
    }
}

/// Commits waiting writes, as the writer thread does, on a disk that fails.
async fn write(world: Arc<World>, idle: Idle) {
    let Idle { store, connection, mut queue, mut mark } = idle;
    // The writer thread does not hold this handle either.
    drop(store);
    while let Some(mut group) = queue.next().await {
        // Other tasks queue more writes while the disk is busy.
        let pause = world.machine.choose(|rng| rng.u64(..4));
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let synced = world.disk.lock().unwrap().log_len();
        let committed = group.commit(&connection, mark.position());
        let (fault, accepts_only) = {
            let disk = world.disk.lock().unwrap();
            (disk.fault(), disk.accepts_only())
        };
        if let Some(fault) = fault {
            world.note(format_args!("a commit meets {fault:?}"));
        }
        match fault {
            None | Some(Fault::Failed) => {
                let changed = world.disk.lock().unwrap().changed();
                world.check(world.oracle.lock().unwrap().committed(&changed, world.age()));
                if world.machine.choose(|rng| rng.u32(..30)) == 0 {
                    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
                }
                let committed = committed.map(|position| {
                    if let Some(position) = position {
                        mark.advance(position);
                    }
                });
                let done = world.bug == Bug::AckOfFailedCommit && accepts_only;
                group.answer(if done { &Ok(()) } else { &committed });
            }
            Some(Fault::Before | Fault::After) => return power_fails(&world, None).await,
            Some(Fault::Torn) => return power_fails(&world, Some(synced)).await,
        }
    }
}

/// Ends the process. No caller gets an answer any more.
async fn power_fails(world: &World, synced: Option<u64>) {
    world.disk.lock().unwrap().crash(synced);
    world.over.notify_one();
    std::future::pending::<()>().await;
}
