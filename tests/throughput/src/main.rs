//! Measures the gateway under load and prints the table of README.md: rates beside plain axum and nginx in the same
//! rounds, and Restate after them, the effect of one hung subscriber on the others, memory, and the time to restart after SIGKILL.
//!
//! With the argument `instructions` it counts the gateway's instructions per event instead, with `jobs` it measures what
//! emitters wait during long work, with `neighbour` what requests wait beside a route that hangs, and with `postgres` gateways
//! with one store in PostgreSQL, beside one with SQLite.
//!
//! `EVENTS` sets the number of stored events for the row about memory and for `jobs`. `EVENT_GATEWAY` names a gateway to measure
//! instead of the one that this repository builds.

mod function;
mod instructions;
mod jobs;
mod load;
mod neighbour;
mod postgres;
mod programs;
mod restate;
#[allow(dead_code, reason = "the tests use all of it")]
#[path = "../../src/postgres.rs"]
mod server;
mod table;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use function::{Functions, now};
use load::{Load, Requests, costly, wrk};
use programs::{Gateway, Nginx, build_gateway};
use restate::Restate;
use table::{Goal, Table, median};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The number of rounds, and the duration of each measurement in a round.
const ROUNDS: usize = 5;
const SECONDS: u64 = 4;

/// The subscribers of one event, one of which may hang; the number of rounds; the events in each round, and their rate.
/// A percentile of few events varies more than a rate.
const SUBSCRIBERS: usize = 50;
const TIMED_ROUNDS: usize = 7;
const TIMED_EVENTS: usize = 200;
const PAUSE: Duration = Duration::from_millis(20);

/// How long events are sent in batches, faster than they are delivered.
const BACKLOG_SECONDS: u64 = 2;

const PENDING: u64 = 100_000;

/// How long acknowledged events may take to arrive once no more are sent.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<()> {
    let stored: u64 = std::env::var("EVENTS").map_or(Ok(1_000_000), |events| events.parse())?;
    let program = build_gateway()?;
    match std::env::args().nth(1).as_deref() {
        Some("instructions") => return instructions::print(&program).await,
        Some("neighbour") => return neighbour::print(&program).await,
        Some("postgres") => return postgres::print(&program).await,
        Some("jobs") => return jobs::print(&program, stored).await,
        _ => {}
    }
    let dir = tempfile::tempdir()?;
    let functions = Functions::start().await?;
    let nginx = Nginx::start(&functions.url).await?;
    let gateway = Gateway::start(Command::new(&program), &dir.path().join("data"))?;
    gateway.serve(&functions).await?;
    gateway.create("eventtypes", &json!({ "name": "timed" })).await?;

    let mut table = Table::default();
    let began = ticks()?;
    let axum = rates(&mut table, &functions, &nginx, &gateway).await?;
    Restate::start(&functions).await?.rows(&mut table, &functions, axum).await?;
    hung_subscriber(&mut table, &functions, &gateway).await?;
    memory(&mut table, &gateway, stored).await?;
    drop(gateway);
    readiness(&mut table, &program).await?;
    table.print();
    let ended = ticks()?;
    let share = (ended.stolen - began.stolen) as f64 / (ended.all - began.all) as f64;
    println!("\nMeanwhile, other guests of the host took {:.0} % of the processors' time.", 100.0 * share);
    Ok(())
}

/// The time of all processors, in ticks since the start of the machine.
struct Ticks {
    all: u64,
    /// The time that other virtual machines on the same host used.
    stolen: u64,
}

/// Reads the times from `/proc/stat` (proc_stat(5)).
fn ticks() -> Result<Ticks> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    // user nice system idle iowait irq softirq steal; what follows is contained in user and nice.
    let columns: Vec<u64> =
        line.split_whitespace().skip(1).take(8).map_while(|column| column.parse().ok()).collect();
    let stolen = *columns.get(7).ok_or("/proc/stat has no column for stolen time")?;
    Ok(Ticks { all: columns.iter().sum(), stolen })
}

/// Measures rates, and returns that of events at axum.
async fn rates(table: &mut Table, functions: &Functions, nginx: &Nginx, gateway: &Gateway) -> Result<f64> {
    let [mut gets, mut proxied_gets, mut answered] = [const { Vec::new() }; 3];
    let [mut posts, mut proxied_posts, mut accepted] = [const { Vec::new() }; 3];
    let [mut delivered, mut backlogs] = [const { Vec::new() }; 2];
    for round in 0..ROUNDS {
        gets.push(wrk(&format!("{}/answer", functions.url), Requests::Get, SECONDS).await?);
        let url = format!("{}/answer", nginx.url);
        proxied_gets.push(costly(|| nginx.cpu(), &url, Requests::Get, SECONDS).await?);
        let url = format!("{}/answer", gateway.events);
        answered.push(costly(|| gateway.cpu(), &url, Requests::Get, SECONDS).await?);
        let ids = format!("accepted-{round}-");
        let events = Requests::Events(&ids, 1);
        posts.push(wrk(&format!("{}/echo", functions.url), events, SECONDS).await?);
        proxied_posts.push(wrk(&format!("{}/echo", nginx.url), events, SECONDS).await?);
        accepted.push(costly(|| gateway.cpu(), &gateway.events, events, SECONDS).await?);
        let ids = format!("delivered-{round}-");
        delivered.push(deliver(functions, gateway, Requests::Events(&ids, 1), SECONDS).await?);
        let ids = format!("backlog-{round}-");
        backlogs.push(deliver(functions, gateway, Requests::Events(&ids, 100), BACKLOG_SECONDS).await?);
    }
    let rate = |loads: &[Load]| median(loads.iter().map(|load| load.per_second));
    let axum = rate(&gets);
    table.load("`GET` answered by axum", &gets, axum, None);
    table.load("`GET` through nginx", &proxied_gets, axum, None);
    table.load(
        "`GET` through the gateway (sync `http.request`)",
        &answered,
        axum,
        Some(Goal::AtLeast(7_000.0)),
    );
    let cpu = |loads: &[Load]| median(loads.iter().map(|load| load.cpu));
    table.figure("… processor time of nginx", cpu(&proxied_gets), "µs", None);
    table.figure("… processor time of the gateway", cpu(&answered), "µs", Some(Goal::AtMost(30.0)));
    let axum = rate(&posts);
    table.load("event echoed by axum", &posts, axum, None);
    table.load("event echoed through nginx", &proxied_posts, axum, None);
    table.load("event on disk (202)", &accepted, axum, Some(Goal::AtLeast(15_000.0)));
    table.figure("… processor time of the gateway", cpu(&accepted), "µs", Some(Goal::AtMost(28.0)));
    let (loads, delivered): (Vec<Load>, Vec<Delivered>) = delivered.into_iter().unzip();
    let all = median(delivered.iter().map(|delivered| delivered.all));
    table.load("event on disk (202), with a subscriber", &loads, axum, None);
    table.rate("… accepted and delivered, all in all", all, axum, None);
    let cost = median(delivered.iter().map(|delivered| delivered.cpu));
    table.figure("… processor time of the gateway", cost, "µs", Some(Goal::AtMost(60.0)));
    let of = |f: fn(&Delivered) -> f64| median(backlogs.iter().map(|(_, delivered)| f(delivered)));
    let name = format!("delivered from a backlog of {:.0}", of(|delivered| delivered.backlog));
    table.rate(&name, of(|delivered| delivered.after), axum, Some(Goal::AtLeast(10_000.0)));
    Ok(axum)
}

/// The result of emitting events with a subscriber.
struct Delivered {
    /// The number of events that had not arrived when the last one was sent.
    backlog: f64,
    /// The number of those that were delivered per second.
    after: f64,
    /// The number of events that were accepted and delivered per second.
    all: f64,
    /// The gateway's processor time for each event, in microseconds.
    cpu: f64,
}

/// Emits events with a subscriber as fast as they are accepted, and waits until all have been delivered.
///
/// Meanwhile it asks the function how many events have arrived, because the gateway would have to count its deliveries.
async fn deliver(
    functions: &Functions,
    gateway: &Gateway,
    events: Requests<'_>,
    seconds: u64,
) -> Result<(Load, Delivered)> {
    let before = gateway.delivered().await?;
    functions.forget();
    let (began, cpu) = (Instant::now(), gateway.cpu()?);
    let load = wrk(&format!("{}/collect", gateway.events), events, seconds).await?;
    let (meanwhile, stopped) = (functions.arrived(), Instant::now());
    let acknowledged = (load.requests - load.failed) * events.per_request();
    while functions.arrived() < acknowledged && stopped.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    gateway.idle().await?;
    let cpu = gateway.cpu()? - cpu;
    let (after, all) = (stopped.elapsed().as_secs_f64(), began.elapsed().as_secs_f64());
    let (delivered, arrived) = (gateway.delivered().await? - before, functions.arrived());
    // What was under way when wrk stopped is accepted without being counted by it.
    if arrived < acknowledged || arrived != delivered {
        return Err(format!("{acknowledged} acknowledged, {delivered} delivered, {arrived} arrived").into());
    }
    let backlog = (delivered - meanwhile) as f64;
    Ok((
        load,
        Delivered {
            backlog,
            after: backlog / after,
            all: delivered as f64 / all,
            cpu: cpu / delivered as f64,
        },
    ))
}

/// Measures the time from emission to arrival at the subscribers that answer: when all answer, and when one hangs.
async fn hung_subscriber(table: &mut Table, functions: &Functions, gateway: &Gateway) -> Result<()> {
    for number in 0..SUBSCRIBERS {
        let url = format!("{}/timed/{number}", functions.url);
        gateway.subscribe(&format!("timed-{number}"), &url, "timed", "/timed").await?;
    }
    let (mut healthy, mut others) = (Vec::new(), Vec::new());
    for _ in 0..TIMED_ROUNDS {
        healthy.push(timed(functions, gateway, SUBSCRIBERS).await?);
        functions.hang(7);
        others.push(timed(functions, gateway, SUBSCRIBERS - 1).await?);
        functions.release();
        gateway.idle().await?;
    }
    let (healthy, others) = (median(healthy.into_iter()), median(others.into_iter()));
    table.latency(&format!("until {SUBSCRIBERS} subscribers have an event"), healthy, None, None);
    let name = format!("until {} of them have it, one hangs", SUBSCRIBERS - 1);
    table.latency(&name, others, Some(healthy), Some(Goal::AtMost(1.1)));
    Ok(())
}

/// Returns the 99th percentile of the time that events take to this many subscribers, in milliseconds.
async fn timed(functions: &Functions, gateway: &Gateway, answering: usize) -> Result<f64> {
    functions.take_latencies();
    for _ in 0..TIMED_EVENTS {
        let at = now();
        let event = json!({ "specversion": "1.0", "id": at.to_string(), "source": "/throughput", "type": "timed",
                            "data": { "at": at } });
        gateway.emit("/timed", &event).await?;
        tokio::time::sleep(PAUSE).await;
    }
    let mut latencies = functions.take_latencies();
    while latencies.len() < answering * TIMED_EVENTS {
        tokio::time::sleep(PAUSE).await;
        latencies.extend(functions.take_latencies());
    }
    latencies.sort_unstable();
    Ok(latencies[latencies.len() * 99 / 100].as_secs_f64() * 1000.0)
}

async fn memory(table: &mut Table, gateway: &Gateway, events: u64) -> Result<()> {
    let mut stored = 0;
    for round in 0.. {
        if stored >= events {
            break;
        }
        let load = wrk(&gateway.events, Requests::Events(&format!("stored-{round}-"), 100), SECONDS).await?;
        stored += (load.requests - load.failed) * 100;
    }
    let name = format!("memory (RSS) with {stored} events stored");
    table.figure(&name, gateway.memory()?, "MiB", Some(Goal::AtMost(256.0)));
    Ok(())
}

/// Measures how soon a gateway is ready again after it was killed with many pending deliveries.
async fn readiness(table: &mut Table, program: &Path) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let mut gateway = Gateway::start(Command::new(program), &data)?;
    gateway.create("eventtypes", &json!({ "name": "e" })).await?;
    // Nobody listens there.
    gateway.subscribe("nobody", "http://127.0.0.1:9/", "e", "/").await?;
    let mut round = 0;
    while gateway.backlog().await? < PENDING {
        wrk(&gateway.events, Requests::Events(&format!("pending-{round}-"), 100), 1).await?;
        round += 1;
    }
    let pending = gateway.backlog().await?;
    let mut starts = Vec::new();
    for _ in 0..ROUNDS {
        drop(gateway);
        gateway = Gateway::start(Command::new(program), &data)?;
        starts.push(gateway.started.as_secs_f64() * 1000.0);
    }
    let name = format!("ready after SIGKILL with {pending} deliveries pending");
    table.figure(&name, median(starts.into_iter()), "ms", Some(Goal::AtMost(1000.0)));
    Ok(())
}
