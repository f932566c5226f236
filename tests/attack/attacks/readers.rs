//! Clients ask for large answers and do not read them.

use std::time::Duration;

use super::{Scene, duration};
use crate::functions::LARGE;
use crate::table::Row;
use crate::{Ground, Result, Size, client};

/// The time after which the gateway has hung up.
const LIMIT: Duration = Duration::from_secs(20);

pub(super) async fn run(ground: &Ground) -> Result<Vec<Row>> {
    let scene = Scene::start(ground, &[]).await?;
    scene.gateway.route(&scene.functions, "/large-answer").await?;
    let request = b"GET /large-answer HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let crowd = client::crowd(scene.gateway.events, ground.pick(30, 120), request).await;
    let mut rows = Vec::new();
    if ground.size == Size::Full {
        // Only now, because an answer must not be read meanwhile.
        tokio::time::sleep(LIMIT).await;
        let read = client::read(crowd, Duration::from_secs(5)).await;
        let whole = read.iter().filter(|(bytes, _)| *bytes >= LARGE).count();
        let goal = format!("no answer can be read after {} s", LIMIT.as_secs());
        rows.push(Row::new(goal, format!("{whole} of {}", read.len()), whole == 0));
    } else {
        tokio::time::sleep(duration(ground)).await;
        drop(crowd);
    }
    rows.extend(scene.end(ground).await?);
    Ok(rows)
}
