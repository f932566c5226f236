//! Alerts the administrator when a function fails: one alert per event and function, at the first failed attempt. A
//! failed alert is retried like any delivery. The gateway emits no failure events for functions that handle failure
//! events, so alerts cannot loop. `ALERT_FAILURE` takes the values of `CRM_FAILURE`, for tests.

mod alerts;

use alerts::{Alert, Alerts};
use eg_runtime::{App, CloudEvent, Data, Error, Json, ResultExt as _, State, http, subscribe};
use registration_faults::Faults;
use serde::Deserialize;
use serde_json::value::RawValue;
use service_storage::Store;

/// The payload of the gateway's event about a failed call.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InvocationFailed {
    function_id: String,
    /// The event that the function was called with, in CloudEvents 1.0 or 0.1.
    event: Box<RawValue>,
    error: Problem,
}

#[derive(Deserialize)]
struct Problem {
    message: String,
}

/// Alerts the administrator about a failed delivery.
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

/// Lists the alerts.
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
