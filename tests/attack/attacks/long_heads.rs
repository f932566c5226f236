//! Clients send long heads without an end, to fill the memory of connections that have no request yet.

use super::{Scene, duration};
use crate::table::Row;
use crate::{Ground, Result, client};

pub(super) async fn run(ground: &Ground) -> Result<Vec<Row>> {
    let scene = Scene::start(ground, &[]).await?;
    let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nLong: {}", "x".repeat(390_000));
    let crowd = client::crowd(scene.gateway.events, ground.pick(200, 2000), head.as_bytes()).await;
    tokio::time::sleep(duration(ground)).await;
    drop(crowd);
    scene.end(ground).await
}
