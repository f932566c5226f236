use eg_runtime::Event;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Address {
    street: String,
}

#[derive(Serialize, Deserialize, Event)]
#[event("user.moved")]
struct UserMoved {
    id: u32,
    to: Vec<Address>,
}

fn main() {}
