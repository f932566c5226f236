//! Clients announce large bodies, and do not send them.

use std::time::Duration;

use super::{Scene, closed, duration};
use crate::table::Row;
use crate::{Ground, Result, Size, client};

/// The time that a client has to begin.
const LIMIT: Duration = Duration::from_secs(15);

pub(super) async fn run(ground: &Ground) -> Result<Vec<Row>> {
    let scene = Scene::start(ground, &[]).await?;
    let silent = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/cloudevents+json\r\nContent-Length: 6000000\r\n\r\n{";
    let crowd = client::crowd(scene.gateway.events, ground.pick(100, 1000), silent).await;
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
