//! The payload of the gateway's event about a dead letter. Decides nothing.

use eg_runtime::{CloudEvent, Error, ResultExt as _};
use serde::Deserialize;
use serde_json::Value;
use shop_events::{DeliveryMarkedAsStarted, OfOrder as _, OrderRef};

/// The payload of `eventgateway.delivery.deadLettered`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GivenUp {
    function_id: String,
    pub(crate) reason: String,
    /// The event that was not delivered.
    event: Value,
}

impl GivenUp {
    /// The event that was not delivered.
    pub(crate) fn event(&self) -> Result<CloudEvent, Error> {
        CloudEvent::from_json(self.event.to_string().as_bytes()).reject()
    }

    /// The order of the undelivered event; `None` if the dead letter belongs to another function.
    pub(crate) fn order_of(&self, function_id: &str) -> Result<Option<OrderRef>, Error> {
        if self.function_id != function_id {
            return Ok(None);
        }
        let event: CloudEvent<DeliveryMarkedAsStarted> = self.event()?.decode().reject()?;
        Ok(Some(event.data.0.order()))
    }
}
