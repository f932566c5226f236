//! Hears every event, whatever its type, logs it, stores it once, and lists the events of a customer or an item.

mod history;
mod page;

use eg_runtime::{App, CloudEvent, Data, Error, Json, Path, Query, ResultExt as _, State, http, subscribe};
use history::{History, Record};
use page::Page;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The gateway's event about each event that it accepts. On an event bus, the function gets the events themselves.
const RECEIVED: &str = "eventgateway.event.received";

/// The type of HTTP requests, which are events to the gateway, but nothing that happened in the shop.
const REQUEST: &str = "http.request";

/// The part of [`RECEIVED`]'s payload that is stored.
#[derive(Deserialize)]
struct Received {
    /// The event that was accepted.
    event: Box<RawValue>,
}

/// Logs and stores an event of any type.
#[subscribe("eventgateway.event.received")]
async fn store_event(State(history): State<History>, event: CloudEvent<Data>) -> Result<(), Error> {
    let json = if event.ty() == RECEIVED {
        let Received { event } = serde_json::from_slice(&event.payload()).reject()?;
        event.get().to_owned()
    } else {
        String::from_utf8(event.to_json().reject()?).reject()?
    };
    let event = CloudEvent::from_json(json.as_bytes()).reject()?;
    if event.ty() == REQUEST {
        return Ok(());
    }
    println!("{json}");
    history.add(Record::new(&event, json)).await
}

/// Lists the events of an owner, oldest first: up to `limit` events after the `timeWhat` in `after`. The owner is a
/// customer's id, or a `who`: `C#` and a customer, `P#` and an item, or `?#` and a source.
#[http(GET, "/event-store/{owner}")]
async fn get_history(
    State(history): State<History>,
    Path(owner): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Record>>, Error> {
    let who = if ["C#", "P#", "?#"].iter().any(|kind| owner.starts_with(kind)) {
        owner
    } else {
        format!("C#{owner}")
    };
    Ok(Json(history.of(&who, &page).await?))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().state(History::open().await?).run().await
}

#[cfg(test)]
mod tests;
