use eg_runtime::{Ask, Event, http};

#[derive(serde::Serialize, Event)]
#[event("price.asked")]
struct PriceAsked {}

#[http(GET, "/prices")]
async fn price(ask: Ask<PriceAsked>) {
    drop(ask);
}

fn main() {}
