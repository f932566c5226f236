use eg_runtime::{Ask, http};

#[derive(serde::Serialize)]
struct PriceAsked {}

#[http(GET, "/prices")]
async fn price(ask: Ask<PriceAsked>) {
    drop(ask);
}

fn main() {}
