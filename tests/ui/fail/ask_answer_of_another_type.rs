use eg_runtime::{Ask, Error, Event, http};

#[derive(serde::Serialize, Event)]
#[event("price.asked", answer = u32)]
struct PriceAsked {}

#[http(GET, "/prices")]
async fn price(ask: Ask<PriceAsked>) -> Result<String, Error> {
    let price: String = ask.request(PriceAsked {}).await?;
    Ok(price)
}

fn main() {}
