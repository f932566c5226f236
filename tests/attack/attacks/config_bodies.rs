//! Clients of the Config API send large bodies up to their last byte.

use super::{Scene, duration};
use crate::table::Row;
use crate::{Ground, Result, client};

pub(super) async fn run(ground: &Ground) -> Result<Vec<Row>> {
    let scene = Scene::start(ground, &[]).await?;
    let body = vec![b' '; 6_000_000];
    let mut request = client::post("/v1/spaces/default/functions", "application/json", &body);
    request.pop();
    let crowd = client::crowd(scene.gateway.config, ground.pick(30, 130), &request).await;
    tokio::time::sleep(duration(ground)).await;
    drop(crowd);
    scene.end(ground).await
}
