//! A client asks for resources of very many spaces that do not exist.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt as _;

use super::Scene;
use crate::table::Row;
use crate::{Ground, Result, client};

/// Requests on one connection, one after the other without waiting.
const PIPELINED: usize = 50;

pub(super) async fn run(ground: &Ground) -> Result<Vec<Row>> {
    let scene = Scene::start(ground, &[]).await?;
    for round in 0..ground.pick(4, 100) {
        let asked = join_all((0..10).map(async |connection| {
            let mut stream = client::connect(scene.gateway.config).await?;
            let requests: String = (0..PIPELINED)
                .map(|number| {
                    let close = if number + 1 == PIPELINED { "Connection: close\r\n" } else { "" };
                    format!(
                        "GET /v1/spaces/unknown-{round}-{connection}-{number}/functions HTTP/1.1\r\nHost: localhost\r\n{close}\r\n"
                    )
                })
                .collect();
            stream.write_all(requests.as_bytes()).await?;
            Result::Ok(client::closed(vec![stream], Duration::from_secs(30)).await)
        }));
        asked.await.into_iter().collect::<Result<Vec<_>>>()?;
    }
    let metrics = scene.gateway.get("metrics").await?;
    let labels = metrics.lines().filter(|line| line.contains("space=\"unknown-")).count();
    let mut rows = vec![Row::new("no labels for them", labels.to_string(), labels == 0)];
    rows.extend(scene.end(ground).await?);
    Ok(rows)
}
