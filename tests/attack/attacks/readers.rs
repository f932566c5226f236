//! Clients ask for large answers and do not read them.

use std::time::Duration;

use super::{Scene, duration};
use crate::table::Row;
use crate::{Ground, Result, Size, client};

/// The time after which the gateway has hung up.
const LIMIT: Duration = Duration::from_secs(20);

pub(super) async fn run(ground: &Ground) -> Result<Vec<Row>> {
    let scene = Scene::start(ground, &[]).await?;
    scene.gateway.route(&scene.functions, "/large-answer").await?;
    let request = b"GET /large-answer HTTP/1.1\r\nHost: a\r\n\r\n";
    let crowd = client::crowd(scene.gateway.events, ground.pick(30, 120), request).await;
    let mut rows = Vec::new();
    if ground.size == Size::Full {
        // Only now, because an answer must not be read meanwhile.
        tokio::time::sleep(LIMIT).await;
        let open = scene.gateway.get("metrics").await?;
        let open = open.lines().find_map(|line| line.strip_prefix("process_open_fds ")).unwrap_or("many");
        let few = open.trim().parse::<f64>().is_ok_and(|open| open < 100.0);
        rows.push(Row::new(
            format!("closed within {} s", LIMIT.as_secs()),
            format!("{open} descriptors open"),
            few,
        ));
    } else {
        tokio::time::sleep(duration(ground)).await;
    }
    drop(crowd);
    rows.extend(scene.end(ground).await?);
    Ok(rows)
}
