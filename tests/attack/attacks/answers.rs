//! A subscriber and a synchronous function answer with as much as they may, on many calls at once.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::Scene;
use crate::table::Row;
use crate::{Ground, Result, client};

/// How long the deliveries may take: on a slow machine, the functions' own work takes longest.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn run(ground: &Ground) -> Result<Vec<Row>> {
    let scene = Scene::start(ground, &[]).await?;
    scene.gateway.subscribe(&scene.functions, "/large", "large").await?;
    let events: Vec<_> = (0..ground.pick(40, 400))
        .map(|id: u32| json!({ "specversion": "1.0", "id": id.to_string(), "source": "/attack", "type": "large" }))
        .collect();
    let count = u64::try_from(events.len())?;
    let batch = client::post("/", "application/cloudevents-batch+json", &serde_json::to_vec(&events)?);
    let accepted = client::ask(scene.gateway.events, &batch, PATIENCE).await?;
    let mut rows = vec![Row::new("the events are accepted", accepted.to_string(), accepted == 202)];

    scene.gateway.route(&scene.functions, "/large-answer").await?;
    let request = b"GET /large-answer HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let asked = (0..ground.pick(20, 200)).map(|_| client::ask(scene.gateway.events, request, PATIENCE));
    let statuses: Vec<u16> = join_all(asked).await.into_iter().flatten().collect();
    let answered = statuses.iter().filter(|status| **status == 200).count();
    let others = statuses.iter().filter(|status| ![200, 503].contains(*status)).count();
    rows.push(Row::new(
        "requests get 200 or 503",
        format!("{answered} × 200, {others} others"),
        answered > 0 && others == 0,
    ));

    let pending = scene.gateway.settled(PATIENCE).await?;
    let lost = scene.gateway.books("dead").await? + scene.gateway.books("expired").await?;
    rows.push(Row::new(
        format!("{count} events are delivered"),
        format!("{pending} wait, {lost} are lost"),
        pending + lost == 0,
    ));
    rows.extend(scene.end(ground).await?);
    Ok(rows)
}
