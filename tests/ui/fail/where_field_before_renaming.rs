use eg_runtime::{CloudEvent, Event, Schema, subscribe};

#[derive(serde::Serialize, serde::Deserialize, Event)]
#[event("order.placed")]
#[serde(rename_all = "camelCase")]
struct OrderPlaced {
    amount: u32,
    weight: Option<f64>,
    country: String,
    state: State,
    gift: bool,
    paid_by: Address,
    lines: Vec<Line>,
}

#[derive(serde::Serialize, serde::Deserialize, Schema)]
struct Address {
    city: String,
}

#[derive(serde::Serialize, serde::Deserialize, Schema)]
struct Line {
    sku: String,
    count: u8,
}

#[derive(serde::Serialize, serde::Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
enum State {
    Open,
    Paid,
}

#[subscribe(OrderPlaced, where(data.paid_by.city == "Bonn"))]
async fn check(event: CloudEvent<OrderPlaced>) {
    drop(event);
}

fn main() {}
