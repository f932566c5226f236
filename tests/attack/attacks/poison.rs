//! A tenth of the events makes its function fail, whenever it is called. The others must not wait for them, and each of them
//! ends as one dead letter, which one report tells.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Scene;
use crate::table::Row;
use crate::{Ground, Result, Size, client};

/// How long the deliveries may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One event of so many is poison.
const ONE_IN: u64 = 10;

/// The attempts of each delivery.
const ATTEMPTS: u64 = 3;

/// Events in one request.
const BATCH: u64 = 200;

/// The type of the reports about dead letters.
const REPORT: &str = "eventgateway.delivery.deadLettered";

pub(super) async fn run(ground: &Ground) -> Result<Vec<Row>> {
    let scene = Scene::start(ground, &[]).await?;
    let retry = json!({ "attempts": ATTEMPTS, "minBackoffMs": 1, "maxBackoffMs": 1 });
    scene.gateway.subscribe_with(&scene.functions, "/taster", "food", &json!({ "retry": retry })).await?;
    scene.gateway.subscribe(&scene.functions, "/reports", REPORT).await?;
    let count = ground.pick(400, 20_000);
    let alone = deliver(&scene, "alone", count, false).await?;
    let mixed = deliver(&scene, "mixed", count, true).await?;
    let poison = count / ONE_IN;
    let deadline = Instant::now() + PATIENCE;
    while scene.gateway.books("dead").await? < poison && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let dead = scene.gateway.books("dead").await?;
    let calls = scene.functions.poisoned();
    // Reports come after the dead letters that they are about.
    while scene.functions.reports() < poison && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let reports = scene.functions.reports();
    let counted = counted(&scene.gateway.get("metrics").await?);
    let mut rows = vec![
        Row::new("each poison event is a dead letter", format!("{dead} of {poison}"), dead == poison),
        Row::new("after exactly its attempts", format!("{calls} calls"), calls == poison * ATTEMPTS),
        Row::new("which is reported once", format!("{reports} reports"), reports == poison),
        Row::new("and counted once", format!("{counted} counted"), counted == poison),
    ];
    if ground.size == Size::Full {
        let share = alone.as_secs_f64() / mixed.as_secs_f64();
        rows.push(Row::share("good events keep their rate", share, 0.95));
    }
    rows.extend(scene.end(ground).await?);
    Ok(rows)
}

/// Emits so many good events, with poison among them or without. Returns how long it takes until all of the good ones are
/// delivered.
async fn deliver(scene: &Scene, prefix: &str, count: u64, with_poison: bool) -> Result<Duration> {
    let (before, began) = (scene.functions.tasted(), Instant::now());
    let event = |number: u64, data: &str| {
        json!({ "specversion": "1.0", "id": format!("{prefix}-{data}-{number}"), "source": "/", "type": "food",
                "data": data })
    };
    for first in (0..count).step_by(usize::try_from(BATCH)?) {
        let numbers = first..(first + BATCH).min(count);
        let mut batch: Vec<Value> = Vec::new();
        for number in numbers {
            if with_poison && number % ONE_IN == 0 {
                batch.push(event(number, "poison"));
            }
            batch.push(event(number, "good"));
        }
        let body = Value::from(batch).to_string();
        let request = client::post("/", "application/cloudevents-batch+json", body.as_bytes());
        match client::ask(scene.gateway.events, &request, PATIENCE).await? {
            202 => {}
            status => return Err(format!("the events are not accepted: {status}").into()),
        }
    }
    while scene.functions.tasted() - before < count {
        if began.elapsed() > PATIENCE {
            let tasted = scene.functions.tasted() - before;
            return Err(format!("{tasted} of {count} good events were delivered").into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(began.elapsed())
}

/// Returns how many dead letters the metrics count.
fn counted(metrics: &str) -> u64 {
    let lines = metrics.lines().filter(|line| {
        line.starts_with("eventgateway_deliveries_ended_total{") && line.contains("=\"dead\"")
    });
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}
