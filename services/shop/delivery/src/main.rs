//! Brings the goods to the customer, with the help of a partner. What the partner never takes is called off.

mod deliveries;
mod given_up;
mod partner;
mod route;

use deliveries::{Deliveries, End};
use eg_runtime::{App, CloudEvent, Data, Emit, Error, State, schedule, subscribe};
use given_up::GivenUp;
use partner::Partner;
use shop_events::{
    CustomerDescribed, Delivered, DeliveryCanceled, DeliveryEstimated, DeliveryMarkedAsStarted,
    DeliveryStatus, DeliveryWasCanceled, DeliveryWasDelivered, ErrorDeliveryEstimated,
    ErrorDeliveryWasCanceled, ErrorDeliveryWasDelivered, ErrorMarkDeliveryAsStarted, ItemRemoved, OrderRef,
};

/// Adds how far it is to the customer, and what that costs.
#[subscribe(CustomerDescribed)]
async fn estimate_delivery(
    State(deliveries): State<Deliveries>,
    emit: Emit<(DeliveryEstimated, ErrorDeliveryEstimated)>,
    event: CloudEvent<CustomerDescribed>,
) -> Result<(), Error> {
    deliveries.estimate(&emit, &event).await
}

/// Begins the delivery of what has left the warehouse.
#[subscribe(ItemRemoved)]
async fn start_delivery(
    State(deliveries): State<Deliveries>,
    emit: Emit<(DeliveryMarkedAsStarted, ErrorMarkDeliveryAsStarted)>,
    event: CloudEvent<ItemRemoved>,
) -> Result<(), Error> {
    deliveries.start(&emit, &event).await
}

/// Hands a delivery to the partner: four more attempts within a minute, then it is a dead letter.
#[subscribe(DeliveryMarkedAsStarted, retry(attempts = 5, max_age = 60))]
async fn call_partner(
    State(partner): State<Partner>,
    event: CloudEvent<DeliveryMarkedAsStarted>,
) -> Result<(), Error> {
    partner.take(event).await
}

/// Notes that the partner has handed the goods over.
#[subscribe(Delivered)]
async fn finish_delivery(
    State(deliveries): State<Deliveries>,
    emit: Emit<(DeliveryWasDelivered, ErrorDeliveryWasDelivered)>,
    event: CloudEvent<Delivered>,
) -> Result<(), Error> {
    let ends = End { good: DeliveryWasDelivered, bad: ErrorDeliveryWasDelivered };
    deliveries.end(&emit, &event, &event.data.0, DeliveryStatus::Delivered, ends).await
}

/// Notes that the partner cannot hand the goods over.
#[subscribe(DeliveryCanceled)]
async fn cancel_delivery(
    State(deliveries): State<Deliveries>,
    emit: Emit<(DeliveryWasCanceled, ErrorDeliveryWasCanceled)>,
    event: CloudEvent<DeliveryCanceled>,
) -> Result<(), Error> {
    let ends = End { good: DeliveryWasCanceled, bad: ErrorDeliveryWasCanceled };
    deliveries.end(&emit, &event, &event.data.0, DeliveryStatus::Canceled, ends).await
}

/// Calls off what the partner never took: driven by the dead letters of `call_partner`.
#[subscribe("eventgateway.delivery.deadLettered")]
async fn cancel_undeliverable(
    State(deliveries): State<Deliveries>,
    emit: Emit<(DeliveryWasCanceled, ErrorDeliveryWasCanceled)>,
    event: CloudEvent<GivenUp>,
) -> Result<(), Error> {
    let Some(order) = event.data.order_of("delivery-call_partner")? else { return Ok(()) };
    println!("order {} is called off: {}", order.order_id, event.data.reason);
    let ends = End { good: DeliveryWasCanceled, bad: ErrorDeliveryWasCanceled };
    // What follows from a dead letter follows from the event in it: one hop further in the same order.
    let cause = event.data.event()?.map(|_: Data| OrderRef::clone(&order));
    deliveries.end(&emit, &cause, &order, DeliveryStatus::Canceled, ends).await
}

/// All that this service tells.
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

/// Emits what a crash has left unsent.
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
