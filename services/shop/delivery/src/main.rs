//! Has a partner deliver the goods to the customer. Cancels deliveries that the partner does not accept.

mod deliveries;
mod given_up;
mod partner;
mod route;

use deliveries::{Deliveries, End, Row};
use eg_runtime::{
    App, CloudEvent, Data, Emit, Error, Json, Path, State, StatusCode, http, schedule, subscribe,
};
use given_up::GivenUp;
use partner::Partner;
use shop_events::{
    CustomerDescribed, Delivered, DeliveryCanceled, DeliveryEstimated, DeliveryMarkedAsStarted,
    DeliveryStatus, DeliveryWasCanceled, DeliveryWasDelivered, ErrorDeliveryEstimated,
    ErrorDeliveryWasCanceled, ErrorDeliveryWasDelivered, ErrorMarkDeliveryAsStarted, ItemRemoved, OrderRef,
};

/// Adds distance and price of the delivery to an order.
#[subscribe(CustomerDescribed)]
async fn estimate_delivery(
    State(deliveries): State<Deliveries>,
    emit: Emit<(DeliveryEstimated, ErrorDeliveryEstimated)>,
    event: CloudEvent<CustomerDescribed>,
) -> Result<(), Error> {
    deliveries.estimate(&emit, &event).await
}

/// Starts the delivery of goods that left the warehouse.
#[subscribe(ItemRemoved)]
async fn start_delivery(
    State(deliveries): State<Deliveries>,
    emit: Emit<(DeliveryMarkedAsStarted, ErrorMarkDeliveryAsStarted)>,
    event: CloudEvent<ItemRemoved>,
) -> Result<(), Error> {
    deliveries.start(&emit, &event).await
}

/// Hands a delivery to the partner. After five attempts or one minute, the event becomes a dead letter.
#[subscribe(DeliveryMarkedAsStarted, retry(attempts = 5, max_age = 60))]
async fn call_partner(
    State(deliveries): State<Deliveries>,
    State(partner): State<Partner>,
    event: CloudEvent<DeliveryMarkedAsStarted>,
) -> Result<(), Error> {
    deliveries.hand_over(&partner, &event).await
}

/// Records that the partner delivered the goods.
#[subscribe(Delivered)]
async fn finish_delivery(
    State(deliveries): State<Deliveries>,
    emit: Emit<(DeliveryWasDelivered, ErrorDeliveryWasDelivered)>,
    event: CloudEvent<Delivered>,
) -> Result<(), Error> {
    let ends = End { good: DeliveryWasDelivered, bad: ErrorDeliveryWasDelivered, given_up: false };
    deliveries.end(&emit, &event, &event.data.0, DeliveryStatus::Delivered, ends).await
}

/// Records that the partner cannot deliver the goods.
#[subscribe(DeliveryCanceled)]
async fn cancel_delivery(
    State(deliveries): State<Deliveries>,
    emit: Emit<(DeliveryWasCanceled, ErrorDeliveryWasCanceled)>,
    event: CloudEvent<DeliveryCanceled>,
) -> Result<(), Error> {
    let ends = End { good: DeliveryWasCanceled, bad: ErrorDeliveryWasCanceled, given_up: false };
    deliveries.end(&emit, &event, &event.data.0, DeliveryStatus::Canceled, ends).await
}

/// Cancels a delivery that the partner did not accept. Triggered by the dead letters of `call_partner`.
#[subscribe("eventgateway.delivery.deadLettered")]
async fn cancel_undeliverable(
    State(deliveries): State<Deliveries>,
    emit: Emit<(DeliveryWasCanceled, ErrorDeliveryWasCanceled)>,
    event: CloudEvent<GivenUp>,
) -> Result<(), Error> {
    let Some(order) = event.data.order_of("delivery-call_partner")? else { return Ok(()) };
    println!("order {} is called off: {}", order.order_id, event.data.reason);
    let ends = End { good: DeliveryWasCanceled, bad: ErrorDeliveryWasCanceled, given_up: true };
    // The cause of the next event is the event in the dead letter: one hop further, for the same order.
    let cause = event.data.event()?.map(|_: Data| OrderRef::clone(&order));
    deliveries.end(&emit, &cause, &order, DeliveryStatus::Canceled, ends).await
}

/// Returns the delivery of an order.
#[http(GET, "/delivery/{customer_id}/{order_id}")]
async fn get_delivery(
    State(deliveries): State<Deliveries>,
    Path((customer_id, order_id)): Path<(String, String)>,
) -> Result<Json<Row>, Error> {
    let unknown = Error::status(StatusCode::NOT_FOUND, format!("order `{order_id}` has no delivery"));
    if order_id.is_empty() {
        return Err(unknown);
    }
    deliveries.find(&OrderRef { customer_id, order_id }).await?.map(Json).ok_or(unknown)
}

/// The events that this service may emit.
type Told = (
    DeliveryEstimated,
    ErrorDeliveryEstimated,
    DeliveryMarkedAsStarted,
    ErrorMarkDeliveryAsStarted,
    DeliveryWasDelivered,
    ErrorDeliveryWasDelivered,
    DeliveryWasCanceled,
    ErrorDeliveryWasCanceled,
);

/// Emits the stored events that a crash left unsent.
#[schedule("rate(1 minute)")]
async fn send_unsent(State(deliveries): State<Deliveries>, emit: Emit<Told>) -> Result<(), Error> {
    deliveries.send_unsent(&emit).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let deliveries = Deliveries::open().await?;
    App::new().state(deliveries).state(Partner::from_env()?).run().await
}

#[cfg(test)]
mod tests;
