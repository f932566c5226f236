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

#[derive(Serialize, Deserialize, Event)]
#[event("card.blocked", schema = false)]
#[schema(sensitive)]
enum CardBlocked {
    Stolen {
        #[event(sensitive)]
        number: String,
    },
    #[event(sensitive)]
    Lost(#[schema(sensitive)] String),
}

fn main() {}
