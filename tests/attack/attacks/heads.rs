//! Clients begin heads of requests, and do not end them. There are more of them than the gateway takes connections.

use std::time::Duration;

use super::{Scene, closed, duration};
use crate::table::Row;
use crate::{Ground, Result, Size, client};

/// The time that a client has for a head.
const LIMIT: Duration = Duration::from_secs(15);

pub(super) async fn run(ground: &Ground) -> Result<Vec<Row>> {
    let scene = Scene::start(ground, ground.pick(&["--max-connections=128"], &[])).await?;
    let half = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-";
    let crowd = client::crowd(scene.gateway.events, ground.pick(400, 5000), half).await;
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
