//! Alerts the administrator when a function fails: once for each event that it could not handle, with the first failed
//! attempt, however many follow. An alert that cannot be given is tried again like any delivery; the gateway tells
//! nobody of such failures, so alerts are not about alerts. `ALERT_FAILURE` is as `CRM_FAILURE`, for tests of that.

mod alerts;

use alerts::{Alert, Alerts};
use eg_runtime::{App, CloudEvent, Data, Error, Json, Reject as _, State, http, subscribe};
use registration_faults::Faults;
use serde::Deserialize;
use serde_json::value::RawValue;
use service_storage::Store;

/// What the gateway tells of a failed call.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InvocationFailed {
    function_id: String,
    /// The event that the function was called with, in whichever version of CloudEvents it has.
    event: Box<RawValue>,
    error: Problem,
}

#[derive(Deserialize)]
struct Problem {
    message: String,
}

/// Alerts the administrator of a delivery that failed.
#[subscribe("eventgateway.function.invocationFailed")]
async fn alert_admin(
    State(alerts): State<Alerts>,
    State(faults): State<Faults>,
    failed: CloudEvent<InvocationFailed>,
) -> Result<(), Error> {
    let cause = failed.id().to_owned();
    let InvocationFailed { function_id, event, error } = failed.data;
    let event: CloudEvent<Data> = CloudEvent::from_json(event.get().as_bytes()).reject()?;
    if faults.strike(&cause).await? {
        return Err(Error::retry("Can't inform the admin"));
    }
    let alert = Alert {
        function: function_id,
        event_type: event.ty().to_owned(),
        event_id: event.id().to_owned(),
        message: error.message,
    };
    if alerts.raise(event.source(), &alert).await? {
        println!(
            "ALERT {} failed on {} {}: {}",
            alert.function, alert.event_type, alert.event_id, alert.message
        );
    }
    Ok(())
}

/// The alerts so far.
#[http(GET, "/alerts")]
async fn read_alerts(State(alerts): State<Alerts>) -> Result<Json<Vec<Alert>>, Error> {
    Ok(Json(alerts.all().await?))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Store::open("errors", "ALERTS_TABLE").await?;
    let faults = Faults::from_env("ALERT_FAILURE", store.clone())?;
    App::new().state(Alerts::new(store)).state(faults).run().await
}

#[cfg(test)]
mod tests;
