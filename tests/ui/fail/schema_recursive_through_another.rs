use eg_runtime::{Event, Schema};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event("order.placed")]
struct Order {
    customer: Customer,
}

#[derive(Serialize, Deserialize, Schema)]
struct Customer {
    orders: Vec<Order>,
}

fn main() {}
