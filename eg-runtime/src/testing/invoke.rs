//! Invocations as Lambda makes them: payloads of any sender, functions by name, and ticks of schedules.

use std::sync::Arc;
use std::time::SystemTime;

use eg_sdk::{CloudEvent, OffsetDateTime};
use serde::Serialize;
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use super::answer::InvocationError;
use super::app::TestApp;
use super::clock;
use crate::dispatch::Service;
use crate::lambda;
use crate::outcome::{Failure, FailureKind};
use crate::registry::Trigger;

impl TestApp {
    /// Invokes the app like Lambda, with the payload of any sender: API Gateway, a queue, EventBridge… Returns the
    /// JSON that the sender gets. With several services, it is the first one that is invoked.
    ///
    /// # Errors
    /// The failure that would be reported to Lambda.
    pub async fn invoke(&self, payload: &str) -> Result<serde_json::Value, InvocationError> {
        self.invoked(&self.0.member(0).service, payload).await
    }

    /// Invokes one function by its name, like Lambda whose `_HANDLER` names it, with the payload of any sender. Returns the
    /// JSON that the sender gets. A function with `#[invoke]` gets the payload as it is.
    ///
    /// # Errors
    /// The failure that would be reported to Lambda. If there is no such function, a `Reject` that lists the functions.
    pub async fn call<T: Serialize + ?Sized>(
        &self,
        function: &str,
        payload: &T,
    ) -> Result<serde_json::Value, InvocationError> {
        let functions = self.0.definitions();
        let Some((service, _)) = functions.iter().find(|(_, known)| known.name == function) else {
            let known: Vec<_> =
                functions.iter().map(|(_, function)| format!("`{}`", function.name)).collect();
            let message = format!("no function is named `{function}`; there are {}", known.join(", "));
            return Err(Failure::new(FailureKind::Reject, message).into());
        };
        let invalid = |e: serde_json::Error| Failure::new(FailureKind::Reject, e.to_string());
        let payload = serde_json::to_string(payload).map_err(invalid)?;
        let alone = self.0.member(*service).service.alone(function);
        let alone = alone.expect("the function is one of the service");
        self.invoked(&alone, &payload).await
    }

    async fn invoked(&self, service: &Service, payload: &str) -> Result<serde_json::Value, InvocationError> {
        let invocation = Arc::default();
        let answer = lambda::invoke_whole(service, payload, &invocation);
        let json = clock::ahead(self.0.ahead(), answer).await?;
        let invalid = |e: serde_json::Error| Failure::new(FailureKind::Retry, e.to_string());
        Ok(serde_json::from_str(&json).map_err(invalid)?)
    }

    /// Calls the `#[schedule]` function with this name, as its schedule does, whatever the time.
    ///
    /// # Errors
    /// The failure that would be reported to Lambda. If there is no such function, a `Reject` that lists the functions with
    /// a schedule.
    pub async fn tick(&self, function: &str) -> Result<(), InvocationError> {
        let scheduled: Vec<_> = self
            .triggers()
            .filter_map(|(service, function, trigger)| match trigger {
                Trigger::Schedule(schedule) => Some((service, function, *schedule)),
                _ => None,
            })
            .collect();
        let named = scheduled.iter().find(|(_, scheduled, _)| *scheduled == function);
        let Some(&(service, function, _)) = named else {
            let known = scheduled.iter().map(|(_, name, schedule)| format!("`{name}` ({schedule})"));
            let known = known.collect::<Vec<_>>().join(", ");
            let message = match known.as_str() {
                "" => "no function has a schedule".to_owned(),
                known => format!(
                    "no function named `{function}` has a schedule; the functions with a schedule are {known}"
                ),
            };
            return Err(Failure::new(FailureKind::Reject, message).into());
        };
        let (serial, now) = self.stamp();
        let event = scheduled_event(serial, function, now);
        Ok(self.0.call(service, function, event, false).await.map(drop)?)
    }
}

/// Returns the event that EventBridge sends to a function on its schedule.
pub(super) fn scheduled_event(serial: u64, function: &str, time: SystemTime) -> CloudEvent {
    let time = OffsetDateTime::from(time).format(&Rfc3339).unwrap_or_default();
    let event = json!({
        "version": "0", "id": serial.to_string(), "detail-type": "Scheduled Event", "source": "aws.events",
        "account": "000000000000", "time": time, "region": "local",
        "resources": [format!("arn:aws:events:local:000000000000:rule/{function}")], "detail": {},
    });
    CloudEvent::from_eventbridge(event.to_string().as_bytes()).expect("it is an event of EventBridge")
}
