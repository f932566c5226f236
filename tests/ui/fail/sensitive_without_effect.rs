use eg_runtime::{Event, Schema};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Event)]
#[event("card.charged")]
enum Charged {
    #[event(sensitive)]
    Card { number: String },
    #[schema(any)]
    Other {
        #[event(sensitive)]
        number: String,
    },
}

#[derive(Serialize, Deserialize, Event)]
#[event("card.refunded")]
struct Refunded {
    #[event(sensitive)]
    #[serde(flatten)]
    card: Card,
}

#[derive(Serialize, Deserialize, Schema)]
#[schema(any)]
struct Card {
    #[schema(sensitive)]
    number: String,
}

#[derive(Clone, Serialize, Deserialize, Schema)]
#[serde(from = "String", into = "String")]
struct Iban(#[schema(sensitive, sensitive)] String);

impl From<String> for Iban {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<Iban> for String {
    fn from(iban: Iban) -> Self {
        iban.0
    }
}

fn main() {}
