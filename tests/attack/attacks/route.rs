//! A synchronous function hangs, and clients call it on as many connections as they get.

use std::time::Duration;

use super::{Scene, duration};
use crate::table::Row;
use crate::{Ground, Result, client};

pub(super) async fn run(ground: &Ground) -> Result<Vec<Row>> {
    let scene = Scene::start(ground, ground.pick(&["--max-connections=128"], &[])).await?;
    scene.gateway.route(&scene.functions, "/hangs").await?;
    scene.gateway.route(&scene.functions, "/well-answered").await?;
    let hung = b"GET /hangs HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let crowd = client::crowd(scene.gateway.events, ground.pick(400, 5000), hung).await;
    tokio::time::sleep(duration(ground)).await;
    let other = b"GET /well-answered HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let status = client::ask(scene.gateway.events, other, Duration::from_secs(5)).await;
    let figure = status.as_ref().map_or_else(ToString::to_string, ToString::to_string);
    let mut rows = vec![Row::new("another route answers", figure, status.is_ok_and(|status| status == 200))];
    drop(crowd);
    rows.extend(scene.end(ground).await?);
    Ok(rows)
}
