//! Events as Rust types, and functions whose signatures declare what they emit.
//!
//! ```text
//! $ cargo eg run examples/typed-events
//! $ curl localhost:4000/orders -H 'content-type: application/json' -d '{"id":7,"euros":5000}'
//! order 7 is under review
//! ```
//!
//! The first terminal shows the events:
//!
//! ```text
//! … order.placed … from /services/typed-events ← POST /orders: 1 subscription
//! … order.flagged … from /services/typed-events ← order.placed …: nobody subscribes to it
//! ```

use eg_runtime::{App, CloudEvent, Emit, Error, Event, Json, http, subscribe};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event("order.placed")]
struct OrderPlaced {
    id: u64,
    euros: u32,
}

#[derive(Serialize, Deserialize, Event)]
#[event("order.approved")]
struct OrderApproved(u64);

#[derive(Serialize, Deserialize, Event)]
#[event("order.flagged")]
struct OrderFlagged(u64);

/// Places an order. It can emit `order.placed` only: emitting another type does not compile.
#[http(POST, "/orders")]
async fn place(emit: Emit<OrderPlaced>, Json(order): Json<OrderPlaced>) -> Result<String, Error> {
    let answer = format!("order {} is under review\n", order.id);
    emit.send(order).await?;
    Ok(answer)
}

/// Approves small orders and flags large ones.
#[subscribe(OrderPlaced)]
async fn review(
    emit: Emit<(OrderApproved, OrderFlagged)>,
    event: CloudEvent<OrderPlaced>,
) -> Result<(), Error> {
    match event.data {
        OrderPlaced { id, euros: 0..1000 } => emit.send(OrderApproved(id)).await?,
        OrderPlaced { id, .. } => emit.send(OrderFlagged(id)).await?,
    };
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    App::new().run().await
}
