//! Measures the gateway under load and prints what README.md holds: rates beside plain axum and nginx in the same rounds,
//! what one hung subscriber does to the others, memory, and how soon a gateway is ready that was killed.

mod function;
mod programs;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use function::{Functions, now};
use programs::{Gateway, Load, Nginx, Requests, Result, build_gateway, wrk};

/// How often everything is measured, one after the other, and for how long each.
const ROUNDS: usize = 3;
const SECONDS: u64 = 5;

/// Subscribers of one event, of which one may hang, and how many events each round sends them.
const SUBSCRIBERS: usize = 50;
const TIMED_EVENTS: u64 = 200;

const PENDING: u64 = 100_000;

#[tokio::main]
async fn main() -> Result<()> {
    let stored: u64 = std::env::var("EVENTS").map_or(Ok(1_000_000), |events| events.parse())?;
    let program = build_gateway()?;
    let data = tempfile::tempdir()?;
    let functions = Functions::start().await?;
    let nginx = Nginx::start(&functions.url).await?;
    let gateway = Gateway::start(&program, &data.path().join("data"))?;
    for name in ["http.request", "e", "timed"] {
        gateway.create("eventtypes", json!({ "name": name })).await?;
    }
    let answer = format!("{}/answer", functions.url);
    gateway.subscribe("answer", &answer, "http.request", "/answer").await?;
    gateway.subscribe("collect", &format!("{}/collect", functions.url), "e", "/collect").await?;

    rates(&functions, &nginx, &gateway).await?;
    hung_subscriber(&functions, &gateway).await?;
    memory(&gateway, stored).await?;
    readiness(&program).await
}

async fn rates(functions: &Arc<Functions>, nginx: &Nginx, gateway: &Gateway) -> Result<()> {
    let (mut axum, mut proxied, mut sync, mut accepted, mut delivered) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        axum.push(wrk(&format!("{}/answer", functions.url), Requests::Get, SECONDS).await?);
        proxied.push(wrk(&format!("{}/answer", nginx.url), Requests::Get, SECONDS).await?);
        sync.push(wrk(&format!("{}/answer", gateway.events), Requests::Get, SECONDS).await?);
        let ids = format!("accept-{round}-");
        accepted.push(wrk(&gateway.events, Requests::Events(&ids, 1), SECONDS).await?);
        delivered.push(deliver(functions, gateway, &format!("deliver-{round}-")).await?);
    }
    println!("| | requests/s | of axum | p50 ms | p99 ms |\n|---|---|---|---|---|");
    let anchor = median(axum.iter().map(|load| load.per_second));
    for (name, loads) in [
        ("axum, directly", &axum),
        ("nginx → axum", &proxied),
        ("sync `http.request` → axum", &sync),
        ("202 for an event on disk", &accepted),
    ] {
        row(name, loads, anchor);
    }
    let of = |f: fn(&Delivered) -> f64| median(delivered.iter().map(f));
    println!(
        "| 202, while the events are delivered | {:.0} | {:.2} | | |",
        of(|d| d.accepted),
        of(|d| d.accepted) / anchor
    );
    println!(
        "| delivered, while events are accepted | {:.0} | {:.2} | | |",
        of(|d| d.meanwhile),
        of(|d| d.meanwhile) / anchor
    );
    println!("| delivered, after that | {:.0} | {:.2} | | |", of(|d| d.after), of(|d| d.after) / anchor);
    println!("\nMemory after that: {:.0} MiB.", gateway.memory()?);
    Ok(())
}

fn row(name: &str, loads: &[Load], anchor: f64) {
    let of = |f: fn(&Load) -> f64| median(loads.iter().map(f));
    let (rate, p50, p99) = (of(|l| l.per_second), of(|l| l.p50), of(|l| l.p99));
    let refused: u64 = loads.iter().map(|load| load.refused).sum();
    let note = if refused > 0 { format!(" ({refused} refused)") } else { String::new() };
    println!("| {name}{note} | {rate:.0} | {:.2} | {p50:.1} | {p99:.1} |", rate / anchor);
}

/// Rates per second.
struct Delivered {
    accepted: f64,
    meanwhile: f64,
    after: f64,
}

/// Emits events with a subscriber as fast as they are accepted, and waits until all have arrived.
async fn deliver(functions: &Functions, gateway: &Gateway, ids: &str) -> Result<Delivered> {
    let before = gateway.books("delivered").await?;
    functions.take_collected();
    let began = Instant::now();
    let load = wrk(&format!("{}/collect", gateway.events), Requests::Events(ids, 1), SECONDS).await?;
    let accepting = began.elapsed().as_secs_f64();
    let meanwhile = gateway.books("delivered").await? - before;
    let stopped = Instant::now();
    while gateway.backlog().await? > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let after = stopped.elapsed().as_secs_f64();
    let delivered = gateway.books("delivered").await? - before;
    let arrived = u64::try_from(functions.take_collected())?;
    // What was under way when wrk stopped is accepted without being counted by it.
    let acknowledged = load.requests - load.refused;
    if arrived < acknowledged || arrived != delivered {
        return Err(format!("{acknowledged} acknowledged, {delivered} delivered, {arrived} arrived").into());
    }
    Ok(Delivered {
        accepted: load.per_second,
        meanwhile: meanwhile as f64 / accepting,
        after: (delivered - meanwhile) as f64 / after,
    })
}

/// How long events are on their way to the subscribers that answer, when all do and when one does not.
async fn hung_subscriber(functions: &Functions, gateway: &Gateway) -> Result<()> {
    for number in 0..SUBSCRIBERS {
        let url = format!("{}/timed/{number}", functions.url);
        gateway.subscribe(&format!("timed-{number}"), &url, "timed", "/timed").await?;
    }
    let (mut all_answer, mut one_hangs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (hung, p99s) in [(None, &mut all_answer), (Some(7), &mut one_hangs)] {
            functions.hang(hung);
            functions.take_latencies();
            for n in 0..TIMED_EVENTS {
                let id = format!("timed-{}-{n}", now());
                let event = json!({ "specversion": "1.0", "id": id, "source": "/throughput", "type": "timed",
                                    "data": { "at": now() } });
                gateway.emit("/timed", &event).await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let answering = SUBSCRIBERS - usize::from(hung.is_some());
            let expected = answering * usize::try_from(TIMED_EVENTS)?;
            let mut latencies = Vec::new();
            while latencies.len() < expected {
                latencies.extend(functions.take_latencies());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            latencies.sort_unstable();
            p99s.push(latencies[latencies.len() * 99 / 100].as_secs_f64() * 1000.0);
        }
        functions.hang(None);
        // What hung fails after its time limit and is delivered then, which must not be measured.
        while gateway.backlog().await? > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let (all, rest) = (median(all_answer.into_iter()), median(one_hangs.into_iter()));
    println!(
        "\n{SUBSCRIBERS} subscribers: p99 until an event arrives {all:.1} ms; with one that hangs, for the others \
         {rest:.1} ms ({:.2} ×).",
        rest / all
    );
    Ok(())
}

async fn memory(gateway: &Gateway, events: u64) -> Result<()> {
    let mut stored = 0;
    for round in 0.. {
        if stored >= events {
            break;
        }
        let load = wrk(&gateway.events, Requests::Events(&format!("store-{round}-"), 100), 10).await?;
        stored += (load.requests - load.refused) * 100;
    }
    println!("\nMemory with {stored} events stored: {:.0} MiB.", gateway.memory()?);
    Ok(())
}

/// How soon a gateway is ready that was killed while many deliveries were pending.
async fn readiness(program: &std::path::Path) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let gateway = Gateway::start(program, &data)?;
    gateway.create("eventtypes", json!({ "name": "e" })).await?;
    // Nobody listens there.
    gateway.subscribe("nobody", "http://127.0.0.1:9/", "e", "/").await?;
    let mut round = 0;
    while gateway.backlog().await? < PENDING {
        wrk(&gateway.events, Requests::Events(&format!("pending-{round}-"), 100), 2).await?;
        round += 1;
    }
    let pending = gateway.backlog().await?;
    drop(gateway);
    let mut starts = Vec::new();
    for _ in 0..ROUNDS {
        let gateway = Gateway::start(program, &data)?;
        starts.push(gateway.started.as_secs_f64() * 1000.0);
    }
    println!(
        "\nReady after SIGKILL with {pending} deliveries pending: {:.0} ms.",
        median(starts.into_iter())
    );
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
