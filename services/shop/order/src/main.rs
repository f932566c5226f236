//! Places orders and tracks their status, which it learns from the events of the other services.

mod order_id;
mod orders;
mod status;

use eg_runtime::{
    App, CloudEvent, Emit, Error, HeaderMap, Json, Path, State, StatusCode, http, schedule, subscribe,
};
use orders::{Orders, Place};
use serde::Deserialize;
use shop_events::{
    DeliveryMarkedAsStarted, DeliveryWasCanceled, DeliveryWasDelivered, ErrorCustomerDescribed,
    ErrorDeliveryEstimated, ErrorItemDescribed, ErrorOrderCanceled, ErrorOrderDelivered, ItemNotAvailable,
    ItemReserved, Order, OrderCanceled, OrderCreated, OrderDelivered, OrderRef, OrderRow, Paid,
    PaymentCanceled, PaymentFailed, PaymentMade, Progressed, check_id,
};

/// The operations of `GET /order/…` and `POST /order/…`.
enum Action {
    Create,
    Get,
}

impl Action {
    fn parse(name: &str) -> Result<Self, Error> {
        match name {
            "create" => Ok(Self::Create),
            "get" => Ok(Self::Get),
            _ => Err(Error::status(StatusCode::NOT_IMPLEMENTED, format!("Action '{name}' not implemented."))),
        }
    }
}

/// The answer: a new order or a stored one.
#[derive(serde::Serialize)]
#[serde(untagged)]
enum Answer {
    Created(Order),
    Found(Box<OrderRow>),
}

/// Creates or returns an order: `create/{customerId}/{itemId}`, `get/{customerId}/{orderId}`. A request with the
/// `Idempotency-Key` of an earlier one returns that order instead of creating another.
#[http(GET, "/order/{action}/{customer_id}/{what}")]
async fn get_order(
    State(orders): State<Orders>,
    emit: Emit<OrderCreated>,
    Path((action, customer_id, what)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Json<Answer>, Error> {
    match Action::parse(&action)? {
        Action::Create => create(&orders, &emit, &headers, &customer_id, &what).await,
        Action::Get => show(&orders, &customer_id, &what).await,
    }
}

/// The body of `POST`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    customer_id: String,
    item_id: Option<String>,
    order_id: Option<String>,
}

/// Creates or returns an order like `GET`, with `customerId` and `itemId` or `orderId` in the body.
#[http(POST, "/order/{action}")]
async fn post_order(
    State(orders): State<Orders>,
    emit: Emit<OrderCreated>,
    Path(action): Path<String>,
    headers: HeaderMap,
    Json(posted): Json<Posted>,
) -> Result<Json<Answer>, Error> {
    let missing = |name: &str| Error::status(StatusCode::BAD_REQUEST, format!("{name} is missing"));
    match Action::parse(&action)? {
        Action::Create => {
            let item_id = posted.item_id.ok_or_else(|| missing("itemId"))?;
            create(&orders, &emit, &headers, &posted.customer_id, &item_id).await
        }
        Action::Get => {
            let order_id = posted.order_id.ok_or_else(|| missing("orderId"))?;
            show(&orders, &posted.customer_id, &order_id).await
        }
    }
}

async fn create(
    orders: &Orders,
    emit: &Emit<OrderCreated>,
    headers: &HeaderMap,
    customer_id: &str,
    item_id: &str,
) -> Result<Json<Answer>, Error> {
    checked(&[("customerId", customer_id), ("itemId", item_id)])?;
    let order_id = order_id::of_request(headers, customer_id)?;
    let order = Order { customer_id: customer_id.to_owned(), order_id, item_id: item_id.to_owned() };
    let stored = orders.create(emit, &order).await?;
    if stored != order {
        let message = format!("the Idempotency-Key belongs to an order of `{}`", stored.item_id);
        return Err(Error::status(StatusCode::UNPROCESSABLE_ENTITY, message));
    }
    Ok(Json(Answer::Created(order)))
}

async fn show(orders: &Orders, customer_id: &str, order_id: &str) -> Result<Json<Answer>, Error> {
    checked(&[("customerId", customer_id), ("orderId", order_id)])?;
    let key = OrderRef { customer_id: customer_id.to_owned(), order_id: order_id.to_owned() };
    match orders.find(&key).await? {
        Some(Place { row, .. }) => Ok(Json(Answer::Found(Box::new(row)))),
        None => Err(Error::status(StatusCode::NOT_FOUND, "Not Found")),
    }
}

/// Checks ids from a request, given with their names.
fn checked(ids: &[(&'static str, &str)]) -> Result<(), Error> {
    ids.iter()
        .try_for_each(|&(name, id)| check_id(name, id))
        .map_err(|bad| Error::status(StatusCode::BAD_REQUEST, bad))
}

/// Records the status of an order.
#[subscribe(
    ItemReserved,
    ItemNotAvailable,
    ErrorItemDescribed,
    ErrorCustomerDescribed,
    ErrorDeliveryEstimated,
    DeliveryMarkedAsStarted,
    PaymentCanceled
)]
async fn track_order(State(orders): State<Orders>, event: CloudEvent<OrderRef>) -> Result<(), Error> {
    let news = status::told_by(event.ty())
        .ok_or_else(|| Error::reject(format!("event `{}` says nothing about orders", event.ty())))?;
    orders.track(&event, news).await
}

/// Records a payment or its failure.
#[subscribe(PaymentMade, PaymentFailed)]
async fn record_payment(State(orders): State<Orders>, event: CloudEvent<Paid>) -> Result<(), Error> {
    orders.record_payment(&event).await
}

/// Completes an order that has arrived.
#[subscribe(DeliveryWasDelivered)]
async fn complete_order(
    State(orders): State<Orders>,
    emit: Emit<(OrderDelivered, ErrorOrderDelivered)>,
    event: CloudEvent<Progressed>,
) -> Result<(), Error> {
    orders.complete(&emit, &event).await
}

/// Cancels an order that could not be delivered.
#[subscribe(DeliveryWasCanceled)]
async fn cancel_order(
    State(orders): State<Orders>,
    emit: Emit<(OrderCanceled, ErrorOrderCanceled)>,
    event: CloudEvent<Progressed>,
) -> Result<(), Error> {
    orders.cancel(&emit, &event).await
}

/// Emits the stored events that a crash left unsent.
#[schedule("rate(1 minute)")]
async fn send_unsent(
    State(orders): State<Orders>,
    emit: Emit<(OrderCreated, OrderDelivered, ErrorOrderDelivered, OrderCanceled, ErrorOrderCanceled)>,
) -> Result<(), Error> {
    orders.send_unsent(&emit).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().state(Orders::open().await?).run().await
}

#[cfg(test)]
mod tests;
