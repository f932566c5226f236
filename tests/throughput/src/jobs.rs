//! Measures how long emitters wait for their 202 while the gateway does long work: replays, redrives, discards, deletions
//! and retention of many rows.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::Result;
use crate::load::{Requests, wrk};
use crate::programs::Gateway;

/// Emitters that send one event after the other, and the pause of each in between.
const EMITTERS: usize = 8;
const PAUSE: Duration = Duration::from_millis(10);

/// How long emitters are watched while nothing else happens, and during retention.
const QUIET: Duration = Duration::from_secs(30);

/// Prints a table of what emitters wait while work on this many events or deliveries is done.
pub async fn print(program: &Path, rows: u64) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let gateway = Gateway::start(Command::new(program), &dir.path().join("data"))?;
    for name in ["e", "idle"] {
        gateway.create("eventtypes", &json!({ "name": name })).await?;
    }
    let mut stored = 0;
    for round in 0.. {
        if stored >= rows {
            break;
        }
        let events = format!("{}/e", gateway.events);
        let load = wrk(&events, Requests::Events(&format!("stored-{round}-"), 100), 2).await?;
        stored += (load.requests - load.failed) * 100;
    }
    // Nobody listens there, so deliveries wait.
    let subscribe = || gateway.subscribe("nobody", "http://127.0.0.1:9/", "e", "/e");
    subscribe().await?;
    let subscription = gateway.request(Method::GET, "subscriptions", None).await?;
    let subscription = &subscription["subscriptions"][0];
    let path = format!("subscriptions/{}", subscription["subscriptionId"].as_str().ok_or("no subscription")?);
    let again = {
        let mut again = subscription.clone();
        let members = again.as_object_mut().ok_or("no subscription")?;
        members.retain(|name, _| !["subscriptionId", "space"].contains(&name.as_str()));
        again
    };

    println!("| {stored} events | took | p50 ms | p99 ms | longest ms |\n|---|--:|--:|--:|--:|");
    row("nothing else", &gateway, async {
        tokio::time::sleep(QUIET).await;
        Ok(())
    })
    .await?;
    let replay = json!({ "from": "2000-01-01T00:00:00Z", "type": "e" });
    row("replay", &gateway, work(&gateway, Method::POST, "replays", Some(&replay))).await?;
    row(
        "deletion of a subscription with as many pending deliveries",
        &gateway,
        work(&gateway, Method::DELETE, &path, None),
    )
    .await?;
    row("retention beside as many dead letters", &gateway, async {
        tokio::time::sleep(QUIET).await;
        Ok(())
    })
    .await?;
    gateway.create("subscriptions", &again).await?;
    row("redrive", &gateway, work(&gateway, Method::POST, "dead-letters/redrive", None)).await?;
    gateway.request(Method::DELETE, &path, None).await?;
    finished(&gateway).await?;
    row("discard", &gateway, work(&gateway, Method::DELETE, "dead-letters", None)).await?;
    Ok(())
}

/// Sends a request, and waits until its work is done.
async fn work(gateway: &Gateway, method: Method, path: &str, body: Option<&Value>) -> Result<()> {
    gateway.request(method, path, body).await?;
    finished(gateway).await
}

/// Waits until no job runs. A gateway without jobs has done everything when it answers.
async fn finished(gateway: &Gateway) -> Result<()> {
    loop {
        let Ok(jobs) = gateway.request(Method::GET, "jobs", None).await else { return Ok(()) };
        let jobs = jobs["jobs"].as_array().ok_or("no jobs")?;
        if jobs.iter().all(|job| job["state"] != "running") {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Measures what emitters wait while `work` is done, and prints a row.
async fn row(name: &str, gateway: &Gateway, work: impl Future<Output = Result<()>>) -> Result<()> {
    let done = Arc::new(AtomicBool::new(false));
    let mut emitters = JoinSet::new();
    for emitter in 0..EMITTERS {
        let (done, url) = (Arc::clone(&done), gateway.events.clone());
        let prefix = format!("{name}-{emitter}").replace(' ', "-");
        emitters.spawn(async move { emit(&url, &prefix, &done).await.map_err(|error| error.to_string()) });
    }
    let began = Instant::now();
    work.await?;
    let took = began.elapsed();
    done.store(true, Ordering::Relaxed);
    let mut waits = Vec::new();
    while let Some(emitter) = emitters.join_next().await {
        waits.extend(emitter??);
    }
    waits.sort_unstable();
    let at = |percent: usize| waits[(waits.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
    println!("| {name} | {:.1} s | {:.1} | {:.1} | {:.0} |", took.as_secs_f64(), at(50), at(99), at(100));
    Ok(())
}

/// Emits events until the work is done. Returns how long each took.
async fn emit(url: &str, prefix: &str, done: &AtomicBool) -> Result<Vec<Duration>> {
    let client = reqwest::Client::new();
    let mut waits = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let id = format!("{prefix}-{}", waits.len());
        let event = json!({ "specversion": "1.0", "id": id, "source": "/throughput", "type": "idle" });
        let request = client.post(url).header("content-type", "application/cloudevents+json");
        let began = Instant::now();
        let status = request.body(event.to_string()).send().await?.status();
        if status != 202 {
            return Err(format!("not accepted: {status}").into());
        }
        waits.push(began.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    Ok(waits)
}
