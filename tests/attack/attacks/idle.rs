//! Clients open many more connections than the gateway takes, and send nothing.

use super::{Scene, duration};
use crate::table::Row;
use crate::{Ground, Result, client};

pub(super) async fn run(ground: &Ground) -> Result<Vec<Row>> {
    let scene = Scene::start(ground, ground.pick(&["--max-connections=128"], &[])).await?;
    let crowd = client::crowd(scene.gateway.events, ground.pick(500, 10_000), b"").await;
    tokio::time::sleep(duration(ground)).await;
    drop(crowd);
    scene.end(ground).await
}
