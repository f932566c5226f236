//! Simulates the delivery partner: accepts deliveries, refuses them, hangs or dies as configured, and reports
//! outcomes.

mod behaviour;
mod desk;

use std::time::Duration;

use behaviour::{Answer, Behaviour, Outcome};
use desk::Desk;
use eg_runtime::{App, CloudEvent, Emit, Error, Json, Path, State, StatusCode, http, schedule};
use shop_events::{Delivered, DeliveryCanceled, DeliveryMarkedAsStarted, OfOrder as _, OrderRef, first};

/// Accepts a delivery, or misbehaves as configured.
#[http(POST, "/logistics")]
async fn take_delivery(
    State(desk): State<Desk>,
    emit: Emit<(Delivered, DeliveryCanceled)>,
    Json(event): Json<serde_json::Value>,
) -> Result<StatusCode, Error> {
    let invalid = |e: &dyn std::error::Error| Error::status(StatusCode::BAD_REQUEST, e);
    let event = CloudEvent::from_json(event.to_string().as_bytes()).map_err(|e| invalid(&e))?;
    let event: CloudEvent<DeliveryMarkedAsStarted> = event.decode().map_err(|e| invalid(&e))?;
    let behaviour = desk.behaviour().await?;
    match behaviour.answer(&event.data.order().order_id) {
        Answer::Accept => {}
        Answer::Reject => return Err(Error::status(StatusCode::SERVICE_UNAVAILABLE, "no van is free")),
        Answer::Refuse => {
            return Err(Error::status(StatusCode::UNPROCESSABLE_ENTITY, "we do not drive there"));
        }
        Answer::Hang => {
            // Longer than the time limit of any caller.
            tokio::time::sleep(Duration::from_secs(25)).await;
            return Err(Error::status(StatusCode::GATEWAY_TIMEOUT, "nobody picks up"));
        }
        Answer::Drop => std::process::exit(1),
    }
    desk.take(&emit, &event, behaviour.outcome(&event.data.order().order_id)).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Sets the behavior.
#[http(PUT, "/logistics")]
async fn put_behaviour(
    State(desk): State<Desk>,
    Json(behaviour): Json<Behaviour>,
) -> Result<Json<Behaviour>, Error> {
    desk.behave(&behaviour).await?;
    Ok(Json(behaviour))
}

/// Returns the behavior.
#[http(GET, "/logistics")]
async fn get_behaviour(State(desk): State<Desk>) -> Result<Json<Behaviour>, Error> {
    Ok(Json(desk.behaviour().await?))
}

/// A delivery that the partner has accepted.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    order_id: String,
    outcome: Outcome,
}

/// Returns an accepted delivery.
#[http(GET, "/logistics/{what}")]
async fn get_delivery(
    State(desk): State<Desk>,
    Path(order_id): Path<String>,
) -> Result<Json<Accepted>, Error> {
    match desk.taken(&order_id).await? {
        Some(outcome) => Ok(Json(Accepted { order_id, outcome })),
        None => {
            let message = format!("the partner does not have the goods of order `{order_id}`");
            Err(Error::status(StatusCode::NOT_FOUND, message))
        }
    }
}

/// Reports the outcome of a delivery: `delivered` or `canceled`.
#[http(POST, "/logistics/{what}")]
async fn publish_outcome(
    emit: Emit<(Delivered, DeliveryCanceled)>,
    Path(outcome): Path<String>,
    Json(order): Json<OrderRef>,
) -> Result<StatusCode, Error> {
    match outcome.as_str() {
        "delivered" => emit.send_event(first(Delivered(order))).await?,
        "canceled" => emit.send_event(first(DeliveryCanceled(order))).await?,
        _ => {
            let message = format!("`{outcome}` is not `delivered` or `canceled`");
            return Err(Error::status(StatusCode::NOT_FOUND, message));
        }
    };
    Ok(StatusCode::ACCEPTED)
}

/// Emits the stored events that a crash left unsent.
#[schedule("rate(1 minute)")]
async fn send_unsent(
    State(desk): State<Desk>,
    emit: Emit<(Delivered, DeliveryCanceled)>,
) -> Result<(), Error> {
    desk.send_unsent(&emit).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().state(Desk::open().await?).run().await
}

#[cfg(test)]
mod tests;
