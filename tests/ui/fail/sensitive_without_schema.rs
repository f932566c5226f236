use eg_runtime::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event("card.charged", schema = false)]
struct CardCharged {
    #[event(sensitive)]
    number: String,
}

#[derive(Serialize, Deserialize, Event)]
#[event("card.refunded")]
struct CardRefunded {
    #[event(sensitve)]
    number: String,
}

fn main() {}
