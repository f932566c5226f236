//! A function emits two events of the type that it handles, each time it is called. It names the cause of each, as SDKs do, and
//! does not count their hops.

use std::time::Duration;

use tokio::time::Instant;

use super::Scene;
use crate::table::Row;
use crate::{Ground, Result, client};

/// How long the chain may go on.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn run(ground: &Ground) -> Result<Vec<Row>> {
    let (options, limit): (&[&str], u64) = ground.pick((&["--max-fan-out=200"], 200), (&[], 10_000));
    let scene = Scene::start(ground, options).await?;
    scene.functions.emit_to(scene.gateway.events)?;
    scene.gateway.subscribe(&scene.functions, "/twins", "twin").await?;
    let event = br#"{"specversion":"1.0","id":"first","source":"/","type":"twin"}"#;
    let request = client::post("/", "application/cloudevents+json", event);
    match client::ask(scene.gateway.events, &request, PATIENCE).await? {
        202 => {}
        status => return Err(format!("the event is not accepted: {status}").into()),
    }
    // The first delivery that is given up shows that the chain has ended.
    let deadline = Instant::now() + PATIENCE;
    while scene.gateway.books("dead").await? == 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let pending = scene.gateway.settled(PATIENCE).await?;
    let dead = scene.gateway.books("dead").await?;
    let events = scene.functions.twins();
    let mut rows = vec![
        // The first event is none that another one has led to.
        Row::new(
            format!("one event leads to {limit} others"),
            events.saturating_sub(1).to_string(),
            events == limit + 1,
        ),
        // Each of the delivered events has emitted two, and all of those but the delivered ones are given up.
        Row::new(format!("the rest are dead letters: {}", limit + 2), dead.to_string(), dead == limit + 2),
        Row::new("nothing waits any more", pending.to_string(), pending == 0),
    ];
    rows.extend(scene.end(ground).await?);
    Ok(rows)
}
