//! Manages the stock and its reservations. A piece is either available, reserved or sold.

mod stock;
mod warehouse;

use eg_runtime::{App, CloudEvent, Emit, Error, Json, Path, State, StatusCode, http, schedule, subscribe};
use serde::Deserialize;
use shop_events::{
    ErrorCustomerDescribed, ErrorDeliveryEstimated, ErrorItemDescribed, ErrorItemRemoved, ErrorItemReturned,
    ErrorItemUnreserved, ItemDescribed, ItemNotAvailable, ItemRemoved, ItemReserved, ItemReturned,
    ItemUnreserved, OrderCanceled, OrderCreated, PaymentFailed, PaymentMade, Released,
};
use stock::Stock;
use warehouse::Warehouse;

eg_runtime::service!("inventory");

/// Reserves a piece for a new order.
#[subscribe(OrderCreated)]
async fn reserve_item(
    State(warehouse): State<Warehouse>,
    emit: Emit<(ItemReserved, ItemNotAvailable)>,
    event: CloudEvent<OrderCreated>,
) -> Result<(), Error> {
    warehouse.reserve(&emit, &event).await
}

/// Adds the item's description and price to an order.
#[subscribe(ItemReserved)]
async fn describe_item(
    State(warehouse): State<Warehouse>,
    emit: Emit<(ItemDescribed, ErrorItemDescribed)>,
    event: CloudEvent<ItemReserved>,
) -> Result<(), Error> {
    warehouse.describe(&emit, &event).await
}

/// Removes the piece of a paid order from the warehouse.
#[subscribe(PaymentMade)]
async fn remove_item(
    State(warehouse): State<Warehouse>,
    emit: Emit<(ItemRemoved, ErrorItemRemoved)>,
    event: CloudEvent<PaymentMade>,
) -> Result<(), Error> {
    warehouse.remove(&emit, &event).await
}

/// Releases the piece of a failed order.
#[subscribe(PaymentFailed, ErrorItemDescribed, ErrorCustomerDescribed, ErrorDeliveryEstimated)]
async fn unreserve_item(
    State(warehouse): State<Warehouse>,
    emit: Emit<(ItemUnreserved, ErrorItemUnreserved)>,
    event: CloudEvent<Released>,
) -> Result<(), Error> {
    warehouse.unreserve(&emit, &event).await
}

/// Takes back the piece of a canceled order.
#[subscribe(OrderCanceled)]
async fn return_item(
    State(warehouse): State<Warehouse>,
    emit: Emit<(ItemReturned, ErrorItemReturned)>,
    event: CloudEvent<OrderCanceled>,
) -> Result<(), Error> {
    warehouse.take_back(&emit, &event).await
}

/// Returns an item and its stock.
#[http(GET, "/inventory/{item_id}")]
async fn get_item(State(warehouse): State<Warehouse>, Path(id): Path<String>) -> Result<Json<Stock>, Error> {
    match warehouse.find(&id).await? {
        Some((_, stock)) => Ok(Json(stock)),
        None => Err(Error::status(StatusCode::NOT_FOUND, format!("there is no item {id}"))),
    }
}

/// A delivery to the warehouse.
#[derive(Deserialize)]
struct Restock {
    pieces: u32,
}

/// Adds pieces of an item.
#[http(POST, "/inventory/{item_id}/restock")]
async fn restock_item(
    State(warehouse): State<Warehouse>,
    Path(id): Path<String>,
    Json(restock): Json<Restock>,
) -> Result<Json<Stock>, Error> {
    match warehouse.restock(&id, restock.pieces).await? {
        Some(stock) => Ok(Json(stock)),
        None => Err(Error::status(StatusCode::NOT_FOUND, format!("there is no item {id}"))),
    }
}

/// The events that this service may emit.
type Told = (
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
);

/// Emits the stored events that a crash left unsent.
#[schedule("rate(1 minute)")]
async fn send_unsent(State(warehouse): State<Warehouse>, emit: Emit<Told>) -> Result<(), Error> {
    warehouse.send_unsent(&emit).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().state(Warehouse::open().await?).run().await
}

#[cfg(test)]
mod tests;
