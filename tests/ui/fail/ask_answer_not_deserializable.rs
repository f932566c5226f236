use eg_runtime::{Ask, Error, Event, http};

#[derive(serde::Serialize, Event)]
#[event("price.asked", answer = Price)]
struct PriceAsked {}

struct Price;

#[http(GET, "/prices")]
async fn price(ask: Ask<PriceAsked>) -> Result<(), Error> {
    ask.request(PriceAsked {}).await?;
    Ok(())
}

fn main() {}
