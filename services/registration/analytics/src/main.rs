//! Records the events of the application, whatever their type, and lists them. Does not interpret them.

mod records;

use std::time::SystemTime;

use eg_runtime::{App, CloudEvent, Data, Error, Json, Path, State, http, subscribe};
use records::{Record, Records};
use registration_events::{UserClicked, UserCreated, UserRegistered};
use serde_json::Value;
use service_storage::Store;

/// Stores an event. The delivery succeeds only once the row is stored.
#[subscribe(UserRegistered, UserCreated, UserClicked)]
async fn record_events(State(records): State<Records>, event: CloudEvent<Data>) -> Result<(), Error> {
    let record = Record {
        event: event.ty().to_owned(),
        id: event.id().to_owned(),
        received_at_s: seconds(&event),
        data: without_session(&event.payload()),
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

/// Returns the payload as text, without a session token: anybody may read the rows. This application's events contain
/// none, but clients of the original Event Gateway emit clicks with their session.
fn without_session(payload: &[u8]) -> String {
    if let Ok(Value::Object(mut data)) = serde_json::from_slice(payload)
        && data.remove("session").is_some()
    {
        return Value::Object(data).to_string();
    }
    String::from_utf8_lossy(payload).into_owned()
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
