//! Clients emit small events that name a large one as their cause. The gateway looks up how many events led to the cause,
//! which must not cost more than the events themselves.

use std::time::Duration;

use super::Scene;
use crate::gateway::Gateway;
use crate::table::Row;
use crate::{Ground, Result, Size, client};

/// How long the gateway may take for an event.
const PATIENCE: Duration = Duration::from_secs(60);

/// The size of the cause: within the gateway's limit of 6 MiB.
const LARGE: usize = 6_000_000;

pub(super) async fn run(ground: &Ground) -> Result<Vec<Row>> {
    let scene = Scene::start(ground, &[]).await?;
    let count = ground.pick(100, 1000);
    // First, so that this figure contains nothing that the gateway does with the large event.
    let without = cost(&scene.gateway, count, "without", "").await?;
    let cause = format!(
        r#"{{"specversion":"1.0","id":"large","source":"/","type":"small","data":"{}"}}"#,
        "x".repeat(LARGE)
    );
    let request = client::post("/", "application/cloudevents+json", cause.as_bytes());
    let stored = client::ask(scene.gateway.events, &request, PATIENCE).await?;
    let mut rows = vec![Row::new("the large event is accepted", stored.to_string(), stored == 202)];
    let with = cost(&scene.gateway, count, "with", r#","causationid":"large""#).await?;
    if ground.size == Size::Full {
        let ratio = with / without.max(f64::EPSILON);
        rows.push(Row::new(
            "processor time beside events without a cause ≤ 3 ×",
            format!("{ratio:.1} ×"),
            ratio <= 3.0,
        ));
    }
    rows.extend(scene.end(ground).await?);
    Ok(rows)
}

/// Emits so many events with these attributes, one after the other. Returns the processor time of the gateway in seconds.
async fn cost(gateway: &Gateway, count: u32, prefix: &str, attributes: &str) -> Result<f64> {
    let before = gateway.cpu()?;
    for number in 0..count {
        let event = format!(
            r#"{{"specversion":"1.0","id":"{prefix}-{number}","source":"/","type":"small"{attributes}}}"#
        );
        let request = client::post("/", "application/cloudevents+json", event.as_bytes());
        match client::ask(gateway.events, &request, PATIENCE).await? {
            202 => {}
            status => return Err(format!("event {prefix}-{number} is not accepted: {status}").into()),
        }
    }
    Ok(gateway.cpu()? - before)
}
