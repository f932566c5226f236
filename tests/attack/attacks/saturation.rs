//! Clients send events of 100 KB, several times as many as the gateway can store. It accepts what it can, and refuses the
//! rest at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Scene;
use crate::table::Row;
use crate::{Ground, Result, Size, client};

/// The connections that just saturate the gateway, and the connections of the attack.
const FEW: usize = 16;
const MANY: usize = 200;

pub(super) async fn run(ground: &Ground) -> Result<Vec<Row>> {
    let seconds = ground.pick(Duration::from_millis(500), Duration::from_secs(10));
    let scene = Scene::start(ground, &["--store-limit=100GiB"]).await?;
    let alone = load(&scene, FEW, seconds).await?;
    let attacked = load(&scene, MANY, seconds).await?;
    let goodput = attacked.per_second / alone.per_second;
    let mut rows = Vec::new();
    if ground.size == Size::Full {
        rows.push(Row::new(
            "goodput ≥ 0.9 × of what it can",
            format!("{:.2} × of {:.0}/s", goodput, alone.per_second),
            goodput >= 0.9,
        ));
        rows.push(Row::at_most("p99 of accepted events", attacked.p99, 50.0, " ms"));
        rows.push(Row::new("refused", format!("{:.0}/s", attacked.refused), true));
    }
    rows.extend(scene.end(ground).await?);
    Ok(rows)
}

struct Load {
    per_second: f64,
    refused: f64,
    /// Milliseconds.
    p99: f64,
}

/// Sends events on so many connections, each as soon as the one before is answered.
async fn load(scene: &Scene, connections: usize, duration: Duration) -> Result<Load> {
    let (until, ids) = (Instant::now() + duration, Arc::new(AtomicU64::new(0)));
    let mut senders = JoinSet::new();
    for _ in 0..connections {
        senders.spawn(send(scene.gateway.events, until, Arc::clone(&ids), connections));
    }
    let (mut times, mut refused) = (Vec::new(), 0);
    while let Some(sent) = senders.join_next().await {
        let (accepted, others) = sent??;
        times.extend(accepted);
        refused += others;
    }
    times.sort_unstable();
    let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
    let per_second = |count: usize| count as f64 / duration.as_secs_f64();
    Ok(Load {
        per_second: per_second(times.len()),
        refused: per_second(refused),
        p99: p99.as_secs_f64() * 1000.0,
    })
}

/// Returns how long the accepted events took, and the number of the others.
async fn send(
    to: std::net::SocketAddr,
    until: Instant,
    ids: Arc<AtomicU64>,
    of: usize,
) -> Result<(Vec<Duration>, usize)> {
    let (mut times, mut refused) = (Vec::new(), 0);
    let payload = "x".repeat(100_000);
    let mut connection = None;
    while Instant::now() < until {
        let mut stream = match connection.take() {
            Some(stream) => stream,
            None => client::connect(to).await?,
        };
        let id = ids.fetch_add(1, Ordering::Relaxed);
        let event = format!(
            "{{\"specversion\":\"1.0\",\"id\":\"{of}-{id}\",\"source\":\"/\",\"type\":\"stored\",\"data\":\"{payload}\"}}"
        );
        let request = client::post("/", "application/cloudevents+json", event.as_bytes());
        let began = Instant::now();
        // A gateway that refuses may close the connection before it has read everything.
        let written = stream.write_all(&request).await;
        let mut answer = vec![0; 1024];
        let read = stream.read(&mut answer).await.unwrap_or(0);
        if answer[..read].starts_with(b"HTTP/1.1 202") {
            times.push(began.elapsed());
            connection = Some(stream);
        } else {
            refused += 1;
            let kept = written.is_ok() && answer[..read].starts_with(b"HTTP/1.1 503");
            connection = kept.then_some(stream);
            // What `Retry-After` asks for would be a second.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    Ok((times, refused))
}
