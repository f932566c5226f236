//! Charges and refunds orders. Each order has one payment, however often it is requested.

mod payments;
mod refusals;

use eg_runtime::{App, CloudEvent, Emit, Error, Json, Path, State, StatusCode, http, schedule, subscribe};
use payments::Payments;
use shop_events::{
    DeliveryEstimated, ErrorPaymentCanceled, ItemReturned, Payment, PaymentCanceled, PaymentFailed,
    PaymentMade,
};

/// Charges the price of item and delivery.
#[subscribe(DeliveryEstimated)]
async fn make_payment(
    State(payments): State<Payments>,
    emit: Emit<(PaymentMade, PaymentFailed)>,
    event: CloudEvent<DeliveryEstimated>,
) -> Result<(), Error> {
    payments.make(&emit, &event).await
}

/// Refunds a canceled order.
#[subscribe(ItemReturned)]
async fn cancel_payment(
    State(payments): State<Payments>,
    emit: Emit<(PaymentCanceled, ErrorPaymentCanceled)>,
    event: CloudEvent<ItemReturned>,
) -> Result<(), Error> {
    payments.cancel(&emit, &event).await
}

/// Returns the payment of an order.
#[http(GET, "/payment/{order_id}")]
async fn get_payment(
    State(payments): State<Payments>,
    Path(order_id): Path<String>,
) -> Result<Json<Payment>, Error> {
    match payments.find(&order_id).await? {
        Some((_, payment)) => Ok(Json(payment)),
        None => Err(Error::status(StatusCode::NOT_FOUND, format!("order {order_id} has no payment"))),
    }
}

/// Emits the stored events that a crash left unsent.
#[schedule("rate(1 minute)")]
async fn send_unsent(
    State(payments): State<Payments>,
    emit: Emit<(PaymentMade, PaymentFailed, PaymentCanceled, ErrorPaymentCanceled)>,
) -> Result<(), Error> {
    payments.send_unsent(&emit).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().state(Payments::open().await?).run().await
}

#[cfg(test)]
mod tests;
