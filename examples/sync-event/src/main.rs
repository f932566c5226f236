//! A synchronous event: the emitter waits for the function's answer.
//!
//! ```text
//! $ cargo eg run examples/sync-event
//! $ curl localhost:4000 -H 'content-type: application/cloudevents+json' \
//!     -d '{"specversion":"1.0","id":"1","source":"/shop","type":"price.asked","data":{"item":"lamp","count":3}}'
//! {"cents":5970}
//! $ curl localhost:4000 -H 'content-type: application/cloudevents+json' \
//!     -d '{"specversion":"1.0","id":"2","source":"/shop","type":"price.asked","data":{"item":"moon","count":1}}'
//! {"errors":["we do not sell any moon"]}
//! ```
//!
//! Functions ask with `Emit::request`, other Rust programs with `EventGateway::request`.

use eg_runtime::{App, Error, Json, StatusCode, subscribe};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Question {
    item: String,
    count: u32,
}

#[derive(Serialize)]
struct Price {
    cents: u32,
}

/// Returns the price of some items.
#[subscribe("price.asked", mode = "sync")]
async fn quote(Json(question): Json<Question>) -> Result<Json<Price>, Error> {
    let Question { item, count } = question;
    let each: u32 = match item.as_str() {
        "lamp" => 1990,
        "chair" => 7500,
        _ => return Err(Error::status(StatusCode::NOT_FOUND, format!("we do not sell any {item}"))),
    };
    let cents = each.checked_mul(count).ok_or_else(|| Error::status(StatusCode::BAD_REQUEST, "too many"))?;
    Ok(Json(Price { cents }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}
