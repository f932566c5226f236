//! The process may open few files, and more clients and functions than that want connections. The gateway's own trouble
//! must not count against the functions.

use std::time::Duration;

use serde_json::{Value, json};

use crate::functions::Functions;
use crate::gateway::{Gateway, MEMORY};
use crate::table::Row;
use crate::{Ground, Result, client};

/// How long the deliveries may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// More than there are descriptors.
const EVENTS: u64 = 300;

pub(super) async fn run(ground: &Ground) -> Result<Vec<Row>> {
    let functions = Functions::start().await?;
    let gateway = Gateway::with_descriptors(ground, 100)?;
    gateway.subscribe(&functions, "/slow", "e").await?;
    emit(&gateway).await?;
    let crowd = client::crowd(gateway.events, 100, b"").await;
    gateway.settled(PATIENCE).await?;
    drop(crowd);
    let delivered = gateway.books("delivered").await?;
    let failed = failed_attempts(&gateway).await?;
    Ok(vec![
        Row::new("all events are delivered", format!("{delivered} of {EVENTS}"), delivered == EVENTS),
        Row::new("attempts that failed: 0", failed.to_string(), failed == 0),
        Row::new(
            "calls of the function: no more",
            functions.calls().to_string(),
            functions.calls() == EVENTS,
        ),
        Row::at_most("memory", gateway.memory()?, MEMORY, " MiB"),
    ])
}

async fn emit(gateway: &Gateway) -> Result<()> {
    let event = |id: u64| json!({ "specversion": "1.0", "id": id.to_string(), "source": "/", "type": "e" });
    let batch = Value::from_iter((0..EVENTS).map(event)).to_string();
    let request = client::post("/", "application/cloudevents-batch+json", batch.as_bytes());
    match client::ask(gateway.events, &request, PATIENCE).await? {
        202 => Ok(()),
        status => Err(format!("the events are not accepted: {status}").into()),
    }
}

/// Returns how many attempts failed, by the gateway's own count.
async fn failed_attempts(gateway: &Gateway) -> Result<u64> {
    let metrics = gateway.get("metrics").await?;
    let retried = metrics.lines().filter(|line| {
        line.starts_with("eventgateway_delivery_attempts_total{") && !line.contains("outcome=\"delivered\"")
    });
    let counts = retried.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    Ok(counts.sum())
}
