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
use super::oracle::Offer;
use super::world::{KEPT, WINDOW, World, default_policy};
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
use crate::reception::Reception;
use crate::retention::{Retention, Stopped};
use crate::spans::Spans;
use crate::store::{Idle, StoreError};

/// Maximum number of hops.
const MAX_HOPS: u64 = 16;

/// How long deliveries may take to end once everything works.
const REST: Duration = Duration::from_secs(20 * 60);

/// How long a due delivery may wait for functions that work and have nothing else to do.
const PROMPTLY: Duration = Duration::from_secs(3);

/// How long calls may take that started before everything worked.
const SLOW_CALLS: Duration = Duration::from_secs(25);

/// The time after which a jump of the clock has no more effects, because the engine has read the clock again.
const AFTER_JUMP: Duration = Duration::from_secs(65);

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
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        world.machine.process_starts();
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
        world.machine.process_ended();
        if world.violation().is_some() { End::Finished } else { end }
    })
}

/// The parts of the gateway that need no sockets.
struct Process {
    world: Arc<World>,
    configuration: Arc<Configuration>,
    reception: Reception,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    /// When everything is prompt again, after jumps of the clock and slow calls.
    settled: Instant,
}

impl Process {
    async fn start(world: &Arc<World>) -> Result<Self, StoreError> {
        let (idle, look) = {
            let disk = world.disk.lock().unwrap();
            (disk.open(world.machine.now()), disk.look())
        };
        let started = world.oracle.lock().unwrap().started(look, world.machine.latest());
        world.check(started);
        let store = idle.store.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(write(Arc::clone(world), idle));

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
        let stopped = Stopped::default();
        let retention = Retention { age: KEPT, bytes: u64::MAX, dedupe_window: WINDOW, stopped };
        tasks.spawn(retention.run(delivering));
        let settled = Instant::now();
        Ok(Self { world: Arc::clone(world), configuration, reception, stop, tasks, settled })
    }

    /// Takes the remaining steps, and waits until all deliveries have ended.
    async fn live(mut self) -> End {
        let world = Arc::clone(&self.world);
        while world.next_step() {
            match world.machine.choose(|rng| rng.u32(..100)) {
                0..45 => self.emit(),
                45..49 => self.wait(3_000..15_000).await,
                49..51 => {
                    let by =
                        world.machine.choose(|rng| time::Duration::milliseconds(rng.i64(-120_000..120_000)));
                    world.machine.jump(by);
                    self.settled = Instant::now() + AFTER_JUMP;
                    world.note(format_args!("the clock jumps by {by}"));
                }
                51..55 => {
                    let function =
                        world.machine.choose(|rng| rng.choice(["plain", "picky", "ordered", "hasty"]));
                    world.toggle(function.unwrap());
                }
                55..59 => self.discard().await,
                59..61 => {
                    world.note("power fails");
                    world.disk.lock().unwrap().crash(None);
                    return End::Crashed;
                }
                _ => self.wait(1..1_500).await,
            }
        }
        // The disk may fail a little longer, while no new event wakes the engine.
        self.wait(10_000..30_000).await;
        world.heal();
        self.settled = self.settled.max(Instant::now() + SLOW_CALLS);
        self.rest().await;
        self.burst().await;
        self.rest().await;
        world.check(world.oracle.lock().unwrap().judge());
        self.stop.cancel();
        self.reception.store.clone().close().await;
        while self.tasks.join_next().await.is_some() {}
        End::Finished
    }

    async fn wait(&self, millis: std::ops::Range<u64>) {
        let millis = self.world.machine.choose(|rng| rng.u64(millis));
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    /// Emits a new event or repeats an old one.
    fn emit(&mut self) {
        let id = self.world.machine.choose(|rng| rng.u32(..40)).to_string();
        self.emit_as(id);
    }

    /// Emits an event and waits for the answer. Returns the number of the offer.
    fn emit_as(&mut self, id: String) -> Option<usize> {
        let world = Arc::clone(&self.world);
        let (number, key) = world.machine.choose(|rng| (rng.u32(..10), format!("k{}", rng.u32(..2))));
        let mut oracle = world.oracle.lock().unwrap();
        if world.bug == Bug::DedupeInMemory && !oracle.seen.insert(id.clone()) {
            return None;
        }
        let json = json!({
            "specversion": "1.0", "id": id, "source": "/sim", "type": "e", "partitionkey": key,
            "offer": oracle.next_offer(), "data": number,
        });
        let event = Event::read(json.to_string().into()).expect("an event of CloudEvents 1.0");
        let place = Place { space: DEFAULT_SPACE.to_owned(), path: "/".to_owned(), named: Named::No };
        let targets = self.configuration.current().router.route_to(&place, "e", "POST").asynchronous;
        let accepted_at = world.machine.now();
        let origin = Origin { space: place.space, method: "POST".to_owned(), path: place.path, accepted_at };
        let new = self.reception.terms.admit(event, origin, &targets, Vec::new());
        let fate = |intake: &Intake| (intake.subscription.subscription_id.clone(), intake.fate.clone());
        let fates = new.intakes.iter().map(fate).collect();
        let offer =
            oracle.offered(Offer { id: id.clone(), at: accepted_at, key, fates, acknowledged: false });
        if world.bug == Bug::AckBeforeFsync {
            oracle.acknowledged(offer);
        }
        drop(oracle);
        let reception = self.reception.clone();
        self.tasks.spawn(async move {
            let answer = reception.accept(DEFAULT_SPACE, vec![new]).await;
            world.note(format_args!("offer {offer}, event {id}: {answer:?}"));
            if answer.is_ok() {
                world.oracle.lock().unwrap().acknowledged(offer);
            }
        });
        Some(offer)
    }

    /// Discards a dead letter.
    async fn discard(&self) {
        let letters = self.world.oracle.lock().unwrap().dead_letters();
        let Some(letter) = self.world.machine.choose(|rng| rng.choice(letters)) else { return };
        let (space, now) = (DEFAULT_SPACE.to_owned(), self.world.machine.now());
        let discarded = self.reception.store.discard(space, letter, now).await;
        self.world.note(format_args!("dead letter {letter} is discarded: {discarded:?}"));
    }

    /// Waits until all deliveries have ended.
    async fn rest(&self) {
        let deadline = Instant::now() + REST;
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let unfinished = self.world.oracle.lock().unwrap().unfinished();
            if unfinished == 0 {
                return;
            }
            if Instant::now() > self.settled {
                let limit = self.world.machine.now().saturating_sub(PROMPTLY);
                self.world.check(self.world.oracle.lock().unwrap().nothing_is_overdue(limit));
            }
            if Instant::now() > deadline {
                let finding = format!("{unfinished} deliveries never come to an end");
                self.world.check(Err(finding));
                return std::future::pending().await;
            }
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
        let fault = world.disk.lock().unwrap().fault();
        if let Some(fault) = fault {
            world.note(format_args!("a commit meets {fault:?}"));
        }
        match fault {
            None | Some(Fault::Failed) => {
                let changed = world.disk.lock().unwrap().changed();
                let latest = world.machine.latest();
                world.check(world.oracle.lock().unwrap().committed(&changed, latest));
                if world.machine.choose(|rng| rng.u32(..30)) == 0 {
                    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
                }
                let committed = committed.map(|position| {
                    if let Some(position) = position {
                        mark.advance(position);
                    }
                });
                let failed_is_done = world.bug == Bug::AckOfFailedCommit;
                group.answer(if failed_is_done { &Ok(()) } else { &committed });
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
