//! Measures how long synchronous requests take under load while a neighbour is slow: another route hangs for as long as its
//! clients wait, and a subscriber answers none of its events.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Result;
use crate::function::Functions;
use crate::load::{Load, Requests, wrk, wrk_at};
use crate::programs::Gateway;
use crate::table::{Goal, Table, median};

/// The number of rounds, and the duration of each measurement in a round.
const ROUNDS: usize = 5;
const SECONDS: u64 = 4;

/// Connections that wait for the neighbour's answer, and events that wait for its subscriber.
const WAITING: u32 = 512;
const EVENTS: u32 = 1_000;

/// How long it may take until all clients wait, and until no call of theirs is left: longer than the gateway waits for an answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// Prints the table.
pub async fn print(program: &Path) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let functions = Functions::start().await?;
    let gateway = Gateway::start(Command::new(program), &dir.path().join("data"))?;
    gateway.serve(&functions).await?;
    let hangs = format!("{}/hangs", functions.url);
    gateway.subscribe("hangs", &hangs, "http.request", "/hangs").await?;
    gateway.subscribe("silent", &format!("{}/silent", functions.url), "e", "/silent").await?;
    let answer = format!("{}/answer", gateway.events);
    let (mut alone, mut beside, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        alone.push(wrk(&answer, Requests::Get, SECONDS).await?);
        let prefix = format!("silent-{round}-");
        let silent = format!("{}/silent", gateway.events);
        wrk(&silent, Requests::Events(&prefix, EVENTS), 1).await?;
        // Longer than the measurement, which ends it.
        let route = format!("{}/hangs", gateway.events);
        let hung = tokio::spawn(async move {
            let _ = wrk_at(&route, WAITING, 10 * SECONDS).await;
        });
        until(&functions, |waiting| waiting >= WAITING.into()).await?;
        beside.push(wrk(&answer, Requests::Get, SECONDS).await?);
        let still = functions.waiting();
        if still < WAITING.into() {
            return Err(format!("{still} of {WAITING} clients waited to the end").into());
        }
        waiting.push(still as f64);
        hung.abort();
        until(&functions, |waiting| waiting == 0).await?;
    }
    let rate = |loads: &[Load]| median(loads.iter().map(|load| load.per_second));
    let p99 = |loads: &[Load]| median(loads.iter().map(|load| load.p99));
    let mut table = Table::default();
    table.load("`GET` through the gateway", &alone, rate(&alone), None);
    let waiting = median(waiting.into_iter());
    table.load(&format!("beside a route on which {waiting:.0} clients wait"), &beside, rate(&alone), None);
    table.latency("… its 99th percentile", p99(&beside), None, Some(Goal::AtMost(50.0)));
    table.print();
    Ok(())
}

/// Waits until so many clients wait on the route that hangs.
async fn until(functions: &Functions, enough: impl Fn(u64) -> bool) -> Result<()> {
    let began = Instant::now();
    while !enough(functions.waiting()) {
        if began.elapsed() > PATIENCE {
            return Err(format!("{} clients wait, and {WAITING} were started", functions.waiting()).into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
