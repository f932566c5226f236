//! Clients announce large bodies, and do not send them.

use std::time::Duration;

use super::{Scene, closed, duration};
use crate::table::Row;
use crate::{Ground, Result, Size, client};

/// The time that a client has to begin.
const LIMIT: Duration = Duration::from_secs(15);

pub(super) async fn run(ground: &Ground) -> Result<Vec<Row>> {
    let scene = Scene::start(ground, &[]).await?;
    let mut crowd = Vec::new();
    // Ever smaller bodies would take what the larger ones left, if a body took memory when it is announced.
    for length in [6_000_000, 600_000, 60_000, 6_000, 600] {
        let silent = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/cloudevents+json\r\nContent-Length: {length}\r\n\r\n{{"
        );
        crowd.extend(client::crowd(scene.gateway.events, ground.pick(20, 200), silent.as_bytes()).await);
    }
    let count = crowd.len();
    let mut rows = Vec::new();
    if ground.size == Size::Full {
        closed(&mut rows, client::closed(crowd, LIMIT).await, count, LIMIT);
    } else {
        tokio::time::sleep(duration(ground)).await;
        drop(crowd);
    }
    rows.extend(scene.end(ground).await?);
    Ok(rows)
}
