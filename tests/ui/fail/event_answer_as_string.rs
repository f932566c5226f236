use eg_runtime::Event;

#[derive(serde::Serialize, Event)]
#[event("price.asked", answer = "Price")]
struct PriceAsked {}

#[derive(serde::Serialize, Event)]
#[event("stock.asked", answer = u32, answer = u64)]
struct StockAsked {}

fn main() {}
