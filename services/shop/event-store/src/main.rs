//! Stores each event of the shop once, and lists the events of a customer.

mod history;

use eg_runtime::{App, CloudEvent, Data, Error, Json, Path, Query, State, http, subscribe};
use history::{History, Page, Record};
use shop_events::{
    CustomerDescribed, Delivered, DeliveryCanceled, DeliveryEstimated, DeliveryMarkedAsStarted,
    DeliveryWasCanceled, DeliveryWasDelivered, ErrorCustomerDescribed, ErrorDeliveryEstimated,
    ErrorDeliveryWasCanceled, ErrorDeliveryWasDelivered, ErrorItemDescribed, ErrorItemRemoved,
    ErrorItemReturned, ErrorItemUnreserved, ErrorMarkDeliveryAsStarted, ErrorOrderCanceled,
    ErrorOrderDelivered, ErrorPaymentCanceled, ItemDescribed, ItemNotAvailable, ItemRemoved, ItemReserved,
    ItemReturned, ItemUnreserved, OrderCanceled, OrderCreated, OrderDelivered, PaymentCanceled,
    PaymentFailed, PaymentMade,
};

/// Stores an event of any type.
#[subscribe(
    OrderCreated,
    OrderDelivered,
    ErrorOrderDelivered,
    OrderCanceled,
    ErrorOrderCanceled,
    ItemReserved,
    ItemNotAvailable,
    ItemDescribed,
    ErrorItemDescribed,
    ItemRemoved,
    ErrorItemRemoved,
    ItemUnreserved,
    ErrorItemUnreserved,
    ItemReturned,
    ErrorItemReturned,
    CustomerDescribed,
    ErrorCustomerDescribed,
    DeliveryEstimated,
    ErrorDeliveryEstimated,
    DeliveryMarkedAsStarted,
    ErrorMarkDeliveryAsStarted,
    DeliveryWasDelivered,
    ErrorDeliveryWasDelivered,
    DeliveryWasCanceled,
    ErrorDeliveryWasCanceled,
    PaymentMade,
    PaymentFailed,
    PaymentCanceled,
    ErrorPaymentCanceled,
    Delivered,
    DeliveryCanceled
)]
async fn store_event(State(history): State<History>, event: CloudEvent<Data>) -> Result<(), Error> {
    history.add(&event).await
}

/// Lists the events of a customer's orders, oldest first: up to `limit` events after the `timeWhat` in `after`.
#[http(GET, "/event-store/{customer_id}")]
async fn get_history(
    State(history): State<History>,
    Path(customer_id): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Record>>, Error> {
    Ok(Json(history.of_customer(&customer_id, &page).await?))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().state(History::open().await?).run().await
}

#[cfg(test)]
mod tests;
