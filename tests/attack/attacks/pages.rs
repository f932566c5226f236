//! A web page elsewhere uses the browser of somebody on the gateway's machine: it asks for the configuration, changes it, and
//! calls a route.

use eg_tests::{http, visits};
use reqwest::Method;

use super::Scene;
use crate::table::Row;
use crate::{Ground, Result};

pub(super) async fn run(ground: &Ground) -> Result<Vec<Row>> {
    let scene = Scene::start(ground, &[]).await?;
    scene.gateway.route(&scene.functions, "/well-answered").await?;
    let client = http();
    let (mut sent, mut served) = (0_u32, 0_u32);
    for (address, path) in
        [(scene.gateway.config, "/v1/spaces/default/functions"), (scene.gateway.events, "/well-answered")]
    {
        let url = format!("http://{address}{path}");
        for visit in visits::all(address.port()).into_iter().filter(|visit| visit.is_foreign) {
            let function = format!(
                r#"{{"functionId":"f{}","type":"http","provider":{{"url":"http://localhost:9/"}}}}"#,
                visit.number
            );
            let request = visit.request(&client, &url);
            let request = if visit.method == Method::GET { request } else { request.body(function) };
            sent += 1;
            served += u32::from(request.send().await?.status().is_success());
        }
    }
    let foreign = format!("{served} of {sent}");
    let mut rows = vec![Row::new("no request of a foreign page is served", foreign, served == 0)];
    rows.extend(scene.end(ground).await?);
    Ok(rows)
}
