//! Records the events of the application, whatever their type, and lists them. Does not interpret them.

mod records;

use std::time::SystemTime;

use eg_runtime::{App, CloudEvent, Data, Error, Json, Path, State, http, subscribe};
use records::{Record, Records};
use registration_events::{UserClicked, UserRegistered};
use service_storage::Store;

/// Stores an event. The delivery succeeds only once the row is stored.
#[subscribe(UserRegistered, UserClicked)]
async fn record_events(State(records): State<Records>, event: CloudEvent<Data>) -> Result<(), Error> {
    let record = Record {
        event: event.ty().to_owned(),
        id: event.id().to_owned(),
        received_at_s: seconds(&event),
        data: String::from_utf8_lossy(&event.payload()).into_owned(),
    };
    records.keep(event.source(), &record).await
}

/// Lists the recorded events of one type.
#[http(GET, "/analytics/{event}")]
async fn read_events(
    State(records): State<Records>,
    Path(event): Path<String>,
) -> Result<Json<Vec<Record>>, Error> {
    Ok(Json(records.of(&event).await?))
}

/// Returns when the event happened, in whole seconds since 1970; the current time if the event has no `time`.
fn seconds(event: &CloudEvent<Data>) -> i64 {
    if let Some(time) = event.time() {
        return time.unix_timestamp();
    }
    let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(age.as_secs()).unwrap_or(i64::MAX)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Store::open("analytics", "ANALYTICS_TABLE").await?;
    App::new().state(Records::new(store)).run().await
}

#[cfg(test)]
mod tests;
