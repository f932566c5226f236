//! Clients watch the live feed and do not read it, while much happens.

use super::{Scene, duration};
use crate::table::Row;
use crate::{Ground, Result, client};

pub(super) async fn run(ground: &Ground) -> Result<Vec<Row>> {
    let scene = Scene::start(ground, &[]).await?;
    let watch = b"GET /v1/feed HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let crowd = client::crowd(scene.gateway.config, ground.pick(50, 1000), watch).await;
    let event = |id: u32| {
        let event = serde_json::json!({ "specversion": "1.0", "id": format!("{id}-{}", "x".repeat(1000)),
                                        "source": "/attack", "type": "watched" });
        event.to_string()
    };
    let until = tokio::time::Instant::now() + duration(ground);
    let mut number = 0;
    while tokio::time::Instant::now() < until {
        let batch: Vec<String> = (number..number + 100).map(event).collect();
        number += 100;
        let body = format!("[{}]", batch.join(","));
        let request = client::post("/", "application/cloudevents-batch+json", body.as_bytes());
        client::ask(scene.gateway.events, &request, std::time::Duration::from_secs(10)).await?;
    }
    drop(crowd);
    scene.end(ground).await
}
