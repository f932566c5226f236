//! An emitter that does nothing wrong, and should not notice an attack: it sends events at a steady rate, each on a
//! connection of its own as a new client would, and measures the answers.

use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::gateway::Gateway;
use crate::table::Row;
use crate::{Ground, Result, Size};

/// How long the emitter waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The type of its events.
pub(crate) const EVENT_TYPE: &str = "healthy";

/// A running emitter.
pub(crate) struct Healthy {
    stop: oneshot::Sender<()>,
    emitting: JoinHandle<Result<Vec<Option<Duration>>>>,
}

/// How an emitter fared.
pub(crate) struct Report {
    /// The part of the events that were accepted.
    pub(crate) accepted: f64,
    /// The 99th percentile of the time until an event was accepted, in milliseconds.
    pub(crate) p99: f64,
}

impl Healthy {
    /// Starts an emitter of so many events per second.
    pub(crate) fn start(gateway: &Gateway, per_second: u32) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let to = gateway.events;
        // With a thread of its own, it does not wait for the attackers in this process.
        let emitting = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async move {
                let client = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
                let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
                let (mut emissions, mut number) = (JoinSet::new(), 0_u64);
                while tokio::select! { _ = ticks.tick() => true, _ = &mut stopped => false } {
                    number += 1;
                    emissions.spawn(emit(client.clone(), to, number));
                }
                Ok(emissions.join_all().await)
            })
        });
        Self { stop, emitting }
    }

    /// Ends the emitter and waits for its last answers.
    pub(crate) async fn stop(self) -> Result<Report> {
        // It may have ended with an error, which it returns.
        let _ = self.stop.send(());
        let ended = tokio::task::spawn_blocking(|| self.emitting.join()).await?;
        let answers = ended.map_err(|_| "the healthy emitter panicked")??;
        let mut times: Vec<Duration> = answers.iter().copied().flatten().collect();
        times.sort_unstable();
        let accepted = times.len() as f64 / answers.len().max(1) as f64;
        let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or(TIMEOUT);
        Ok(Report { accepted, p99: p99.as_secs_f64() * 1000.0 })
    }
}

impl Report {
    /// The goals for every healthy emitter. Times are checked in full size only.
    pub(crate) fn rows(&self, ground: &Ground) -> Vec<Row> {
        let mut rows = vec![Row::share("healthy events accepted", self.accepted, 0.9)];
        if ground.size == Size::Full {
            rows.push(Row::at_most("p99 of healthy events", self.p99, 50.0, " ms"));
        }
        rows
    }
}

/// Emits one event. Returns how long it took, if it was accepted.
async fn emit(client: reqwest::Client, to: SocketAddr, number: u64) -> Option<Duration> {
    let event =
        json!({ "specversion": "1.0", "id": number.to_string(), "source": "/healthy", "type": EVENT_TYPE });
    let began = Instant::now();
    let request = client.post(format!("http://{to}/")).header("content-type", "application/cloudevents+json");
    let response = request.body(event.to_string()).timeout(TIMEOUT).send().await.ok()?;
    (response.status() == StatusCode::ACCEPTED).then(|| began.elapsed())
}
