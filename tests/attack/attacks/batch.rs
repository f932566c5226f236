//! Batches of very many small events for many subscribers: first one that is too large, then the largest that are allowed.

use std::time::Duration;

use super::{Scene, duration};
use crate::table::Row;
use crate::{Ground, Result, client};

/// How long the gateway may take for a batch.
const PATIENCE: Duration = Duration::from_secs(60);

const SUBSCRIBERS: usize = 20;

pub(super) async fn run(ground: &Ground) -> Result<Vec<Row>> {
    let scene = Scene::start(ground, &[]).await?;
    for number in 0..SUBSCRIBERS {
        // Each path is another function. None of them answers.
        scene.gateway.subscribe(&scene.functions, &format!("/hangs-{number}"), "small").await?;
    }
    let large = client::ask(scene.gateway.events, &batch(0, ground.pick(20_000, 80_000)), PATIENCE).await?;
    let mut rows = vec![Row::new("a batch with too many events is refused", large.to_string(), large == 413)];
    let until = tokio::time::Instant::now() + duration(ground);
    let (mut first, mut accepted) = (0, 0);
    while tokio::time::Instant::now() < until {
        // With 20 deliveries each, 238 events are the most that fit.
        let status = client::ask(scene.gateway.events, &batch(first, 238), PATIENCE).await?;
        accepted += u32::from(status == 202);
        first += 238;
    }
    rows.push(Row::new("allowed batches are accepted", accepted.to_string(), accepted > 0));
    rows.extend(scene.end(ground).await?);
    Ok(rows)
}

/// Returns a batch of the smallest events.
fn batch(first: usize, events: usize) -> Vec<u8> {
    let event =
        |id| format!("{{\"specversion\":\"1.0\",\"id\":\"{id}\",\"source\":\"/\",\"type\":\"small\"}}");
    let events: Vec<String> = (first..first + events).map(event).collect();
    client::post("/", "application/cloudevents-batch+json", format!("[{}]", events.join(",")).as_bytes())
}
